/** Rings of turns: what is noted is read, in order; what falls out is counted. And a run with a trace of host time: whole, plausible, and the same bits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, mlp, sgd, type RunResult } from '../../../src/index.js';
import { hostTurnsMax, makeTurnRing, readTurns, TurnLog, type HostTrace } from '../../../src/trace/host-trace.js';

const turn = (i: number) => ({ actor: i % 3, type: i % 5, startMs: 10 * i, endMs: 10 * i + 7.5 });

test('a ring gives back its turns, the last ones, and says how many there were', () => {
  for (const noted of [0, 1, 7, 8, 9, 16, 29]) {
    const ring = makeTurnRing(8);
    // A thread that was revived goes on in the same ring.
    for (let i = 0; i < noted; i++) {
      const { actor, type, startMs, endMs } = turn(i);
      new TurnLog(ring).note(actor, type, startMs, endMs);
    }
    assert.deepEqual(readTurns(ring), { ended: noted, turns: Array.from({ length: Math.min(8, noted) }, (_, i) => turn(Math.max(0, noted - 8) + i)) });
  }
  assert.equal(makeTurnRing().byteLength, 8 + hostTurnsMax * 32);
});

const samples = 192, width = 16;
const data = { kind: 'features', inputs: Float32Array.from({ length: samples * width }, (_, i) => Math.sin(i)), labels: Int32Array.from({ length: samples }, (_, i) => i % 4) } as const;
const run = async (dispatcher: 'thread' | 'local', hostTrace: boolean, faults: readonly { readonly thread: number; readonly turn: number; readonly at: 'end' }[] = []): Promise<RunResult> => {
  await using cluster = await Cluster.start({ numCsx: 2, threads: 2, dispatcher, kernels: 'simd128', wafer: { rows: 3, cols: 4 }, faults });
  return await cluster.train(mlp([width, 24, 4]), { data, optimizer: sgd({ learningRate: 0.1 }), steps: 6, batchSize: 96, seed: 3, hostTrace }).finished;
};

/** Turns of a thread follow each other, and on the local dispatcher those of all. */
const checkOrder = ({ turns, threads, dispatcher }: HostTrace): void => {
  const of = (thread: number): typeof turns => turns.filter((one) => one.thread === thread);
  const apart = dispatcher === 'local' ? [turns.toSorted((a, b) => a.startMs - b.startMs)] : Array.from({ length: threads }, (_, thread) => of(thread));
  for (const list of apart) list.reduce((before, { startMs, endMs }) => (assert.ok(before <= startMs && startMs <= endMs, `${before} ${startMs} ${endMs}`), endMs), 0);
};

for (const dispatcher of ['thread', 'local'] as const) {
  test(`a run on '${dispatcher}' tells its turns, with the same bits as without`, async () => {
    const [without, traced] = [await run(dispatcher, false), await run(dispatcher, true)], trace = traced.hostTrace;
    assert.equal('hostTrace' in without, false);
    assert.ok(trace !== undefined);
    assert.equal(traced.record.weightsDigest, without.record.weightsDigest);
    assert.deepEqual([trace.threads, trace.dispatcher, trace.turnsMax, trace.dropped], [2, dispatcher, hostTurnsMax, [0, 0]]);
    assert.deepEqual(trace.ended, [0, 1].map((thread) => trace.turns.filter((one) => one.thread === thread).length));
    checkOrder(trace);
    for (const kind of ['tileHost', 'input', 'wafer', 'swarmx', 'memoryx']) {
      const found = trace.turns.filter((one) => one.kind === kind);
      assert.ok(found.length >= 6 && found.every(({ actor, message }) => actor.startsWith(kind === 'wafer' ? 'wafers/' : `${kind}/`) && message.includes('.')), `${kind}: ${JSON.stringify(found[0])}`);
    }
    // Steps need both threads, again and again: on a common clock each begins before the other ends.
    const [one, other] = [0, 1].map((thread) => trace.turns.filter((each) => each.thread === thread)), begin = (turns = trace.turns): number => turns[0]?.startMs ?? Number.NaN, end = (turns = trace.turns): number => turns.at(-1)?.endMs ?? Number.NaN;
    assert.ok(begin(one) < end(other) && begin(other) < end(one), `${begin(one)} to ${end(one)}, ${begin(other)} to ${end(other)}`);
  });

  test(`turns before a death are in the trace, on '${dispatcher}'`, async () => {
    const { record, hostTrace } = await run(dispatcher, true, [{ thread: 1, turn: 9, at: 'end' }]);
    assert.equal(record.faults, 1);
    assert.ok(hostTrace !== undefined && (hostTrace.ended[1] ?? 0) > 20);
    checkOrder(hostTrace);
  });
}
