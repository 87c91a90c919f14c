/** Checkpoints of runs under way: taking them changes no bit, and whoever goes on from one ends with the bits of the run that was never stopped, on another machine too. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { adamW, Cluster, gpt, InvalidConfig, lamb, listCheckpoints, precision, sparsity, type ClusterOptions, type TrainOptions } from '../../src/index.js';

const model = gpt({ vocabulary: 64, context: 32, dim: 32, layers: 2, heads: 2 });
const ids = Int32Array.from({ length: 1500 }, (_, i) => (i * 7 + (i >> 3)) % 64);
const job: TrainOptions = { data: { kind: 'sequence', ids }, optimizer: adamW({ learningRate: 1e-3 }), steps: 7, batchSize: 4, seed: 5, evaluation: { data: { kind: 'sequence', ids: ids.slice(0, 300) }, every: 4, batches: 1 } };

const trained = async (cluster: ClusterOptions, options: TrainOptions) => {
  const on = await Cluster.start({ threads: 2, ...cluster });
  try {
    const { record } = await on.train(model, options).finished;
    return record;
  } finally {
    await on[Symbol.asyncDispose]();
  }
};

const jobs: Readonly<Record<string, TrainOptions>> = {
  'dense weights': job,
  'Lamb, and a clipped gradient': { ...job, optimizer: lamb(), clipNorm: 0.5 },
  'masks that change': { ...job, sparsity: sparsity({ algorithm: 'rigl', sparsity: 0.7, update: { freq: 2 } }) },
  'float16 under a loss scale that moves': { ...job, precision: precision({ weights: 'float16', activations: 'float16', lossScale: { initial: 2 ** 14, max: 2 ** 20, min: 2 ** -14, growthInterval: 2 } }) },
};
for (const [name, options] of Object.entries(jobs)) {
  test(`checkpoints of ${name}: taken by any machine, gone on with by any other, through deaths of threads`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'waferstream-')), dir = join(folder, 'checkpoints'), flashDir = join(folder, 'flash');
    try {
      const calm = await trained({}, options);
      const taking = await trained({ numCsx: 2, faults: [{ thread: 2, turn: 9, at: 'end' }, { thread: 1, turn: 60, at: 'reply' }] }, { ...options, checkpoint: { dir, every: 3, keep: 3 } });
      assert.equal(taking.weightsDigest, calm.weightsDigest);
      assert.deepEqual(listCheckpoints(dir).map(({ step }) => step), [3, 6, 7]);
      const from = (step: number): string => join(dir, `step-0000000${step}`);
      const again = await trained({ threads: 1, dispatcher: 'local' }, { ...options, resume: from(3) });
      assert.equal(again.weightsDigest, calm.weightsDigest);
      assert.deepEqual(again.evaluations, calm.evaluations);
      const tiered = await trained({ memoryX: { flashDir, shards: 2 } }, { ...options, resume: from(6), checkpoint: { dir: join(folder, 'more'), every: 1 } });
      assert.equal(tiered.weightsDigest, calm.weightsDigest);
      await assert.rejects(trained({}, { ...options, seed: 6, resume: dir }), InvalidConfig);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

test('an inspection and flash are refused together, before anything is written', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waferstream-'));
  try {
    await assert.rejects(trained({ memoryX: { flashDir: join(folder, 'flash') } }, { ...job, inspect: true }), InvalidConfig);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
