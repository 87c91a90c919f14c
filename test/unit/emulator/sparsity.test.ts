/** Sparsity as a run has it: what is refused before anything starts, which masks a run begins with, and what reports, record and inspection say of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adamW, Cluster, firstMasks, InvalidConfig, mlp, NotEmulated, sparsity, type NamedMask, type StepReport, type TrainingData, type TrainOptions } from '../../../src/index.js';

const data: TrainingData = { kind: 'features', inputs: Float32Array.from({ length: 50 * 8 }, (_, i) => ((i * 37) % 19) / 19 - 0.5), labels: Int32Array.from({ length: 50 }, (_, i) => i % 3) };
const training: TrainOptions = { data, optimizer: adamW(), steps: 4, batchSize: 40, seed: 9 };
const net = mlp([8, 12, 3]);
const local = { dispatcher: 'local', threads: 1 } as const;
const stored = ({ mask }: NamedMask): number => mask.reduce((sum, one) => sum + one, 0);

test('sparsity and masks that do not fit are refused by train itself, and the cluster stays usable', async () => {
  await using cluster = await Cluster.start(local);
  const half = sparsity({ sparsity: 0.5 }), mask = (name: string, shape: readonly number[], length = 96): NamedMask => ({ name, shape, mask: new Uint8Array(length).fill(1) });
  const bad: readonly (readonly [Partial<TrainOptions>, RegExp])[] = [
    [{ masks: [mask('linear0.weight', [8, 12])] }, /masks without.*static/s], [{ sparsity: half, masks: [mask('linear7.weight', [8, 12])] }, /not sparse.*linear7.*linear0\.weight, linear1\.weight/s],
    [{ sparsity: half, masks: [mask('linear0.bias', [12])] }, /not sparse/], [{ sparsity: half, masks: [mask('linear0.weight', [8, 12], 95)] }, /mask of linear0\.weight: positions.*95/s],
    [{ sparsity: sparsity({ sparsity: 0.5, params: 'linear0.weight' }), masks: [mask('linear1.weight', [12, 3], 36)] }, /not sparse/], [{ sparsity: sparsity({ sparsity: 0.5, pattern: 'blocks' }) }, /linear1\.weight: outputs in blocks of 4/],
    [{ sparsity: sparsity({ sparsity: 0.5, params: 'nothing*' }) }, /matches no parameter/], [{ sparsity: sparsity({ sparsity: 0.5, params: '*.bias' }) }, /cannot be sparse/], [{ sparsity: [] }, /groups/],
  ];
  for (const [options, message] of bad) assert.throws(() => cluster.train(net, { ...training, ...options }), (e) => e instanceof InvalidConfig && message.test(e.message), String(message));
  assert.throws(() => cluster.train(net, { ...training, sparsity: half, logits: 'streamed' }), (e) => e instanceof NotEmulated && /linear1\.weight/.test(e.message));
  assert.equal((await cluster.train(net, { ...training, sparsity: half }).finished).record.steps, 4);
});

test('a run begins with the masks of its description, or with those that are given', async () => {
  await using cluster = await Cluster.start(local);
  const of = sparsity({ sparsity: 0.7, init: 'topk' }), first = firstMasks(net, undefined, of, 9), run = await cluster.train(net, { ...training, sparsity: of }).finished;
  assert.deepEqual(run.masks, first);
  assert.deepEqual(first.map(stored), [28, 10]);
  const other = firstMasks(net, undefined, sparsity({ sparsity: 0.25, init: 'checkerboard' }), 9), [only] = other;
  assert.ok(only !== undefined);
  const given = await cluster.train(net, { ...training, sparsity: of, masks: [only] }).finished;
  assert.deepEqual(given.masks, [only, first[1]]);
  assert.ok(given.weights[0]?.data.every((w, i) => only.mask[i] === 1 || Object.is(w, 0)), 'what is not stored is +0');
  assert.deepEqual((await cluster.train(net, training).finished).masks, []);
});

test('reports and record say how masks changed', async () => {
  await using cluster = await Cluster.start(local);
  const of = sparsity([{ algorithm: 'set', sparsity: 0.5, params: 'linear0.weight', update: { freq: 2 } }, { algorithm: 'gmp', sparsity: [0.25, 0.5], params: 'linear1.weight', update: { steps: [2, 3] } }]);
  const run = cluster.train(net, { ...training, sparsity: of }), reports: StepReport[] = [];
  for await (const report of run) reports.push(report);
  // Versions 2 and 4 of the first, 2 and 3 of the second, which begins dense.
  assert.deepEqual(reports.map(({ masksUpdated }) => masksUpdated), [0, 2, 1, 1]);
  assert.deepEqual(reports.map((report) => report.sparsity), [48, 48 + 9, 48 + 18, 48 + 18].map((absent) => 1 - (132 - absent) / 132));
  const { record, masks } = await run.finished;
  assert.deepEqual(record.sparsity.map(({ name, size, stored: own }) => [name, size, own]), [['linear0.weight', 96, 48], ['linear1.weight', 36, 18]]);
  assert.deepEqual(masks.map(stored), [48, 18]);
  assert.ok(record.sparsity.every(({ imbalance }) => imbalance >= 1) && record.masksKept === 0);
  const dense = cluster.train(net, training);
  for await (const report of dense) assert.ok(!('masksUpdated' in report) && !('sparsity' in report));
  assert.deepEqual((await dense.finished).record.sparsity, []);
});

test('an inspection has gradients where a mask stores something, and at every position where rigl wanted to see them', async () => {
  await using cluster = await Cluster.start(local);
  const inspected = async (steps: number) => {
    const of = sparsity({ algorithm: 'rigl', sparsity: 0.5, params: 'linear0.weight', update: { freq: 2 } });
    const { masks } = steps === 1 ? { masks: firstMasks(net, undefined, of, 9) } : await cluster.train(net, { ...training, sparsity: of, steps: steps - 1 }).finished;
    return { mask: masks[0]?.mask ?? new Uint8Array(0), ...(await cluster.train(net, { ...training, sparsity: of, steps, inspect: true }).finished).inspection };
  };
  const odd = await inspected(1), due = await inspected(2);
  assert.deepEqual([odd.denseGradients, due.denseGradients?.map(({ name }) => name)], [[], ['linear0.weight']]);
  for (const { mask, gradients } of [odd, due]) assert.ok(gradients?.[0]?.data.every((g, i) => mask[i] === 1 || Object.is(g, 0)) === true);
  const everywhere = due.denseGradients?.[0]?.data ?? new Float32Array(0);
  assert.ok(everywhere.some((g, i) => due.mask[i] === 0 && g !== 0));
  assert.deepEqual(due.gradients?.[0]?.data, everywhere.map((g, i) => (due.mask[i] === 1 ? g : 0)));
});

test('a sparse weight takes the memory of what it stores', async () => {
  await using cluster = await Cluster.start(local);
  const large = mlp([8, 3000, 3]), bytes = async (share: number | null) => (await cluster.train(large, { ...training, steps: 1, ...(share === null ? {} : { sparsity: sparsity({ sparsity: share }) }) }).finished).record.memory.stateBytes;
  const [dense, sparse] = [await bytes(null), await bytes(0.95)];
  assert.ok(sparse < 0.6 * dense, `${sparse} of ${dense} bytes`);
});
