/**
 * A whole life of an actor system in a process of its own: started, used, stopped in the way that the argument names. The process must
 * then end by itself, for nothing is left. Not here: the judgement (conformance/dispatcher-suite.ts).
 */
import { startLocalSystem } from '../../src/actor/local/dispatcher.js';
import { startThreadSystem } from '../../src/actor/thread/dispatcher.js';
import { devices, devicesUrl } from './test-devices.js';

const [dispatcher, way] = process.argv.slice(2);
const abort = new AbortController();
const start = dispatcher === 'thread' ? startThreadSystem : startLocalSystem;
const system = await start({ threads: 2, devices, devicesUrl, signal: abort.signal });
const refs = [0, 1].map((thread) => system.spawn({ name: `c${thread}`, kind: 'counter', thread, props: { start: 5 } }));
for (const ref of refs) await ref.ask({ type: 'counter.get' });
if (way === 'kill') {
  await system.kill(1);
  await system.revive(1);
}
const pending = Promise.allSettled(refs.map((ref) => ref.ask({ type: 'counter.work', rounds: 1_000_000 })));
if (way === 'abort') abort.abort();
else await system[Symbol.asyncDispose]();
console.log((await pending).map((s) => s.status).join(' '));
