/**
 * A process of its own that has a store open, for tests that kill it, limit it or race it.
 *
 *   steps <folder> <first>   writes and commits steps without end; one line for each that is acknowledged
 *   lock <folder>            opens for writing, says so, and holds until its input ends
 *
 * An error of the project is one line of JSON. Not here: the judgement (unit/storage/real-files.test.ts).
 */
import { writeSync } from 'node:fs';
import { realFileSystem } from '../../src/storage/real-file-system.js';
import { openStore } from '../../src/storage/store.js';
import { WaferstreamError } from '../../src/util/errors.js';
import { childBlock, childState } from './storage-contents.js';

const [job, folder = ''] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

try {
  const store = openStore(realFileSystem, folder, { mode: 'write' });
  say('open');
  if (job === 'steps') {
    for (let step = (store.committedSteps()[0] ?? -1) + 1; ; step++) {
      store.shards.forEach((shard, s) => shard.plan.blocks.forEach((bytes, block) => {
        shard.write(step, block, childBlock(step, s, block, bytes));
      }));
      store.commit(step, store.shards.map((_, s) => childState(step, s)), step % 2 === 0 ? 'process' : 'power');
      say(String(step));
    }
  }
  process.stdin.on('end', () => store.close());
  process.stdin.resume();
} catch (error) {
  if (!(error instanceof WaferstreamError)) throw error;
  say(JSON.stringify({ name: error.name, message: error.message, value: error.details.value }));
}
