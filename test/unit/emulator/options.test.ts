/** What a user asks, refused early with one clear sentence; what is planned; how a run is read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adamW, Cluster, DoesNotFit, firstDifference, gpt, InvalidConfig, mlp, specs, type ClusterOptions, type NamedTensor, type StepReport, type TrainingData, type TrainOptions,
} from '../../../src/index.js';
import { lossFactor } from '../../../src/emulator/plan.js';
import { sampleAt } from '../../../src/model/data.js';

const data: TrainingData = { kind: 'features', inputs: new Float32Array(50 * 3).map((_, i) => (i % 11) / 11), labels: new Int32Array(50).map((_, i) => i % 2) };
const training: TrainOptions = { data, optimizer: adamW(), steps: 2, batchSize: 40 };
const net = mlp([3, 5, 2]);
const local = { dispatcher: 'local' } as const;

test('cluster options outside their range are refused before anything starts', async () => {
  const bad: readonly (readonly [ClusterOptions, RegExp])[] = [
    [{ numCsx: 0 }, /numCsx.*0.*1 to 192/], [{ numCsx: 193 }, /numCsx/], [{ numCsx: 1.5 }, /numCsx/], [{ numCsx: NaN }, /numCsx/], [{ threads: 0 }, /threads/], [{ threads: 257 }, /threads/],
    [{ threads: 'many' as 'auto' }, /threads/], [{ fanIn: 3 as 2 }, /fanIn/], [{ dispatcher: 'process' as 'local' }, /dispatcher/], [{ sweep: 'row' as 'band' }, /sweep/],
    [{ kernels: 'gpu' as 'auto' }, /kernels/], [{ scheduleSeed: -1 }, /scheduleSeed/], [{ wafer: 5 as unknown as 'auto' }, /wafer/], [{ wafer: null as unknown as 'auto' }, /wafer/],
  ];
  for (const [options, message] of bad) await assert.rejects(Cluster.start(options), (e) => e instanceof InvalidConfig && message.test(e.message), JSON.stringify(options));
});

test('train options outside their range are refused by train itself, and the cluster stays usable', async () => {
  await using cluster = await Cluster.start(local);
  const bad: readonly (readonly [Partial<TrainOptions>, RegExp])[] = [
    [{ steps: 0 }, /steps/], [{ steps: 1.5 }, /steps/], [{ batchSize: 0 }, /batchSize/], [{ seed: -1 }, /seed/], [{ seed: 0.5 }, /seed/], [{ microBatchSize: 33 }, /microBatchSize.*use 32/], [{ microBatchSize: 0 }, /microBatchSize/],
    [{ data: { ...data, labels: new Int32Array(3) } }, /input values/], [{ weights: [] }, /weights/], [{ optimizer: { ...adamW(), beta1: 2 } as TrainOptions['optimizer'] }, /beta1/],
  ];
  for (const [options, message] of bad) assert.throws(() => cluster.train(net, { ...training, ...options }), (e) => e instanceof InvalidConfig && message.test(e.message), JSON.stringify(Object.keys(options)));
  assert.equal((await cluster.train(net, training).finished).record.steps, 2);
});

test('a model that does not fit a tile is refused with need, limit and what would help', async () => {
  await using cluster = await Cluster.start({ ...local, wafer: { rows: 1, cols: 1 } });
  assert.throws(() => cluster.train(mlp([400, 2]), { ...training, data: { kind: 'features', inputs: new Float32Array(400 * 50), labels: new Int32Array(50) } }), (e) => e instanceof DoesNotFit && e.needBytes > e.haveBytes && /microBatchSize|columns/.test(e.message));
});

test('the plan is known before the first step', async () => {
  await using cluster = await Cluster.start({ ...local, numCsx: 2, wafer: { rows: 2, cols: 3, spec: specs.wse3 } });
  const run = cluster.train(net, { ...training, microBatchSize: 32 });
  const { rows, cols, tiles, microBatches, microBatchSize, blocks, sramBytesMax, sramLimitBytes, allocatedBytes } = run.plan;
  assert.deepEqual({ rows, cols, tiles, microBatches, microBatchSize, blocks, sramLimitBytes }, { rows: 2, cols: 3, tiles: 6, microBatches: 1, microBatchSize: 32, blocks: 2, sramLimitBytes: 48 * 1024 });
  assert.ok(sramBytesMax > 8192 && sramBytesMax <= sramLimitBytes && allocatedBytes > 0);
  await run.finished;
});

test('one run at a time', async () => {
  await using cluster = await Cluster.start(local);
  const run = cluster.train(net, training);
  assert.throws(() => cluster.train(net, training), (e) => e instanceof InvalidConfig && /in progress/.test(e.message));
  await run.finished;
  await cluster.train(net, training).finished;
});

test('steps are read as a stream, by iteration, late and twice; the record is plain data', async () => {
  await using cluster = await Cluster.start(local);
  const run = cluster.train(net, { ...training, steps: 5 });
  const heard: StepReport[] = [];
  run.steps$.subscribe((step) => heard.push(step));
  const { record } = await run.finished;
  const late: StepReport[] = [], again: StepReport[] = [];
  for await (const step of run) late.push(step);
  for await (const step of run) again.push(step);
  assert.deepEqual(heard.map(({ step }) => step), [0, 1, 2, 3, 4]);
  assert.deepEqual(late, heard);
  assert.deepEqual(again, heard);
  assert.deepEqual(heard.map(({ loss }) => loss), record.losses);
  assert.ok(heard.every(({ samples, learningRate, seconds }) => samples === 40 && learningRate === 1e-3 && seconds >= 0));
  assert.deepEqual(JSON.parse(JSON.stringify(record)), record);
  assert.ok(record.memory.allocatedBytes >= record.memory.stateBytes + record.memory.activationBytes);
});

test('weights come out, go in again, and are checked', async () => {
  await using cluster = await Cluster.start(local);
  const first = await cluster.train(net, { ...training, steps: 1 }).finished;
  const kept = first.weights.map((tensor) => tensor.data.slice());
  const given = await cluster.train(net, { ...training, steps: 1, weights: first.weights }).finished;
  first.weights.forEach((tensor, i) => assert.deepEqual(tensor.data, kept[i], 'given weights are read, not taken'));
  assert.notEqual(firstDifference(first.weights, given.weights), null);
  const wrong: NamedTensor[] = first.weights.map((tensor, i) => (i === 1 ? { ...tensor, name: 'other' } : tensor));
  assert.throws(() => cluster.train(net, { ...training, weights: wrong }), (e) => e instanceof InvalidConfig && /weights\[1\]/.test(e.message));
});

test('inspection is there when asked for', async () => {
  await using cluster = await Cluster.start(local);
  assert.equal((await cluster.train(net, training).finished).inspection, undefined);
  const { inspection } = await cluster.train(net, { ...training, inspect: true }).finished;
  assert.deepEqual(inspection?.gradients.map(({ name, shape }) => `${name} ${shape.join('×')}`), ['linear0.weight 3×5', 'linear0.bias 5', 'linear1.weight 5×2', 'linear1.bias 2']);
  assert.deepEqual(inspection?.deltas.map(({ name, shape }) => `${name} ${shape.join('×')}`), ['linear0 40×5', 'relu0 40×5', 'linear1 40×2']);
});

test('the loss factor counts the valid labels of each global batch', () => {
  const labels = new Int32Array(10).map((_, i) => (i < 4 ? -1 : 0));
  const masked: TrainingData = { kind: 'features', inputs: new Float32Array(10), labels };
  const one = mlp([1, 2]);
  const factor = lossFactor(one, masked, 4, 9);
  for (const step of [0, 1, 2, 7, 1]) {
    const valid = [0, 1, 2, 3].filter((i) => (labels[sampleAt(10, 4, step, i, 9)] as number) >= 0).length;
    assert.equal(factor(step), valid === 0 ? 0 : Math.fround(1 / valid));
  }
  assert.equal(lossFactor(net, data, 7, 1)(5), Math.fround(1 / 7));
  assert.equal(lossFactor(one, { ...masked, labels: new Int32Array(10).fill(-1) }, 4, 9)(0), 0);
  // Sequences: every token has a label of its own, and what is left over of the stream has none.
  const three = gpt({ layers: 0, heads: 1, dim: 2, context: 3, vocabulary: 2 }), stream = new Int32Array(11).map((_, i) => (i % 4 === 1 ? -1 : 0));
  const tokens: TrainingData = { kind: 'sequence', ids: new Int32Array(11), labels: stream };
  for (const step of [0, 3]) {
    const valid = [0, 1].flatMap((i) => [0, 1, 2].map((t) => stream[sampleAt(3, 2, step, i, 9) * 3 + t] as number)).filter((label) => label >= 0).length;
    assert.equal(lossFactor(three, tokens, 2, 9)(step), Math.fround(1 / valid));
  }
  assert.equal(lossFactor(three, { kind: 'sequence', ids: new Int32Array(11) }, 2, 9)(1), Math.fround(1 / 6));
});
