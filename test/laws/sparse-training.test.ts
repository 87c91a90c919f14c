/**
 * Law: fifty steps of a byte-level GPT at 75 % sparsity, static and with masks that change: the same masks and bits on two machines, and as many positions as were asked for.
 *
 * Only masks and bits: how well such training works is measured in benchmarks/sparse-training.bench.ts. Not here: each mask against the oracle (sparsity.test.ts).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { adamW, Cluster, gpt, sparsity, type ClusterOptions, type RunResult, type SparsityOptions } from '../../src/index.js';
import { assertSameBits } from '../../src/testing/index.js';
import { projectRoot } from '../support/golden.js';

const model = gpt({ layers: 2, heads: 2, dim: 32, context: 32, vocabulary: 256 });
const data = { kind: 'text', bytes: new Uint8Array(readFileSync(join(projectRoot(), 'README.md'))) } as const;
const steps = 50, seed = 5;

const train = async (shape: ClusterOptions, microBatchSize: number, options: SparsityOptions): Promise<RunResult> => {
  const cluster = await Cluster.start({ dispatcher: 'local', ...shape });
  try {
    return await cluster.train(model, { data, optimizer: adamW({ learningRate: 0.01 }), steps, batchSize: 8, microBatchSize, clipNorm: 1, seed, sparsity: sparsity(options) }).finished;
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
};

const cases: readonly (readonly [string, SparsityOptions])[] = [
  ['static', { sparsity: 0.75 }],
  ['set', { algorithm: 'set', sparsity: 0.75, update: { freq: 7 } }],
  ['rigl', { algorithm: 'rigl', sparsity: 0.75, update: { freq: 7, stop: 40 }, dropFraction: { kind: 'cosine', init: 0.3, halfPeriod: 50, minimum: 0 } }],
  ['gmp', { algorithm: 'gmp', sparsity: { kind: 'linear', init: 0, slope: 0.75 / 42 }, update: { freq: 7, stop: 43 } }],
];
const ones = (mask: Uint8Array): number => mask.reduce((sum, one) => sum + one, 0);

for (const [name, options] of cases) {
  test(`${name}: ${steps} steps give the same masks and bits on 1 and on 4 CS-2`, async () => {
    const one = await train({ numCsx: 1, threads: 1 }, 8, options), four = await train({ numCsx: 4, threads: 2, scheduleSeed: 3 }, 1, options);
    assert.deepEqual(four.record.losses, one.record.losses);
    assertSameBits(one.weights, four.weights);
    assert.equal(one.masks.length, 8);
    one.masks.forEach(({ name: of, mask }, i) => {
      assert.ok(Buffer.from(mask).equals(Buffer.from(four.masks[i]?.mask ?? new Uint8Array())), of);
      assert.equal(ones(mask), mask.length / 4, of);
      const weight = one.weights.find((tensor) => tensor.name === of);
      assert.ok(weight?.data.every((value, at) => mask[at] === 1 || Object.is(value, 0)), `${of} is 0 where nothing is stored`);
    });
  });
}

test('masks that change do change', async () => {
  const [still, moving] = [await train({ threads: 1 }, 8, { sparsity: 0.75 }), await train({ threads: 1 }, 8, { algorithm: 'set', sparsity: 0.75, update: { freq: 7 } })];
  assert.ok(still.masks.every(({ mask }, i) => !Buffer.from(mask).equals(Buffer.from(moving.masks[i]?.mask ?? new Uint8Array()))));
});
