/** The main job in one breath: a small classifier trained on two CS-2 with threads learns, and one CS-2 gives the same bits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adamW, Cluster, firstDifference, mlp, type RunResult, type StepReport } from '../src/index.js';

const samples = 192, width = 16, classes = 4;
/** Class c lights up every fourth feature from c on. */
const labels = Int32Array.from({ length: samples }, (_, i) => (i * 7) % classes);
const inputs = Float32Array.from({ length: samples * width }, (_, i) => ((i % width) % classes === labels[Math.floor(i / width)] ? 1 : 0.1 * Math.sin(i)));

const run = async (numCsx: number, threads: number, seen: StepReport[] = []): Promise<RunResult> => {
  await using cluster = await Cluster.start({ numCsx, threads, wafer: { rows: 3, cols: 4 } });
  const running = cluster.train(mlp([width, 24, classes]), { data: { kind: 'features', inputs, labels }, optimizer: adamW({ learningRate: 0.01 }), steps: 25, batchSize: 96, seed: 3 });
  for await (const step of running) seen.push(step);
  return running.finished;
};

test('two CS-2 on two threads train a classifier; one CS-2 gives the same bits', async () => {
  const seen: StepReport[] = [];
  const two = await run(2, 2, seen);
  assert.deepEqual(seen.map(({ step }) => step), Array.from({ length: 25 }, (_, i) => i));
  assert.deepEqual(seen.map(({ loss }) => loss), two.record.losses);
  const [first, last] = [two.record.losses[0] as number, two.record.losses.at(-1) as number];
  assert.ok(Math.abs(first - Math.log(classes)) < 0.5 && last < first / 4, `the loss went from ${first} to ${last}`);
  assert.equal(two.record.shape.numCsx, 2);
  assert.ok(two.record.counts.total.macs > 0);

  const one = await run(1, 1);
  assert.equal(firstDifference(one.weights, two.weights), null);
  assert.equal(one.record.weightsDigest, two.record.weightsDigest);
  assert.deepEqual(one.record.losses, two.record.losses);
});
