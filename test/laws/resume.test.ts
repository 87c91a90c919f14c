/**
 * What a run may go on from, and what is refused: another contract, a store that somebody else writes to, one that holds a state already, one that was never finished.
 *
 * Not here: the bits of resumed runs (tiers.test.ts), disks that fail (disks.test.ts).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStored } from '../../src/emulator/stored-state.js';
import { adamW, Cluster, InvalidConfig, mlp, type Model, type RunResult, type TrainOptions } from '../../src/index.js';
import { assertSameBits } from '../../src/testing/index.js';
import { kind, type KillCase } from '../support/kill-cases.js';
import { freshFolder } from '../support/tiers.js';

const training = { name: 'mlp' as const, seed: 3, steps: 4 };
const { model, options } = kind(training);

const train = async (memoryX: KillCase['memoryX'] | null, more: Partial<TrainOptions> = {}, other: Model = model): Promise<RunResult> => {
  await using cluster = await Cluster.start({ dispatcher: 'local', threads: 1, ...(memoryX === null ? {} : { memoryX }) });
  return await cluster.train(other, { ...options, ...more }).finished;
};
const calm = await train(null);

test('another contract is refused by the name of what differs', async () => {
  const flashDir = freshFolder('contract');
  await train({ flashDir }, { steps: 2 });
  const refused = (more: Partial<TrainOptions>, name: RegExp, other: Model = model): Promise<void> =>
    assert.rejects(train(null, { resume: flashDir, ...more }, other), (error) => error instanceof InvalidConfig && name.test(error.message) && error.message.includes(flashDir));
  await refused({ optimizer: adamW({ learningRate: 0.5 }) }, /optimizer\.learningRate/);
  await refused({ seed: 4 }, /seed/);
  await refused({ batchSize: 64 }, /batchSize/);
  await refused({ clipNorm: 1 }, /clipNorm/);
  await refused({}, /model/, mlp([40, 96, 65, 10]));
  const { data } = options;
  assert.ok(data.kind === 'features');
  await refused({ data: { ...data, inputs: data.inputs.slice(0, 40 * 128), labels: data.labels.slice(0, 128) } }, /samples/);
  await assert.rejects(train(null, { resume: flashDir, steps: 1 }), (error) => error instanceof InvalidConfig && /steps/.test(error.message));
  await assert.rejects(train(null, { resume: flashDir, weights: calm.weights }), (error) => error instanceof InvalidConfig && /resume/.test(error.message));
  await assert.rejects(train(null, { resume: join(flashDir, 'nowhere') }), (error) => error instanceof InvalidConfig && /nothing to resume from/.test(error.message));
  await assert.rejects(train({ flashDir, shards: 2 }, { resume: flashDir }), (error) => error instanceof InvalidConfig && /units/.test(error.message));
  await assert.rejects(train({ flashDir }), (error) => error instanceof InvalidConfig && /holds the state of a run/.test(error.message));
  assertSameBits(calm.weights, (await train({ flashDir }, { resume: flashDir })).weights);
  // All steps are done: there is nothing to do but to read.
  assertSameBits(calm.weights, (await train({ flashDir }, { resume: flashDir })).weights);
  assertSameBits(calm.weights, (await train(null, { resume: flashDir })).weights);
});

test('evaluations go on where they were, wherever the run was stopped', async () => {
  const evaluation = { data: options.data, every: 2, batches: 2 }, steps = 5;
  const whole = await train(null, { evaluation, steps });
  assert.deepEqual(whole.record.evaluations.map(({ step }) => step), [2, 4, 5]);
  for (const durability of ['process', 'checkpoint'] as const) {
    for (let stop = 1; stop <= steps; stop++) {
      // Without an evaluation at the stop, which a run that is cut off has not made either.
      const flashDir = freshFolder('evaluations'), stopped = new AbortController();
      if (durability === 'checkpoint') await train({ flashDir, durability }, { steps: stop, evaluation: { ...evaluation, every: 2 } });
      else {
        await using cluster = await Cluster.start({ dispatcher: 'local', threads: 1, memoryX: { flashDir } });
        const run = cluster.train(model, { ...options, evaluation, steps, signal: stopped.signal });
        run.steps$.subscribe({ next: ({ step }) => step + 1 === stop && stopped.abort(new Error('enough')), error: () => {} });
        await assert.rejects(run.finished, /enough/);
      }
      for (const memoryX of [null, { flashDir }]) {
        const result = await train(memoryX, { evaluation, steps, resume: flashDir });
        assertSameBits(whole.weights, result.weights);
        // A run of `stop` steps ended with an evaluation of its own.
        const own = durability === 'checkpoint' && stop % 2 === 1 && stop < steps ? result.record.evaluations.filter(({ step }) => step !== stop) : result.record.evaluations;
        assert.deepEqual(own, whole.record.evaluations, `${durability} stopped after ${stop}`);
      }
    }
  }
});

test('a store that another process writes to is refused by that process\'s number', async () => {
  const flashDir = freshFolder('held'), one: KillCase = { training: { ...training, steps: 100_000 }, memoryX: { flashDir }, cluster: { threads: 1 }, resume: null };
  const child = spawn(process.execPath, [fileURLToPath(new URL('../support/kill-training.js', import.meta.url)), JSON.stringify(one)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = new Promise((resolve) => child.on('close', resolve));
  try {
    await new Promise<void>((resolve) => child.stdout.setEncoding('utf8').on('data', (text: string) => text.includes('step ') && resolve()));
    await assert.rejects(train({ flashDir }), (error) => error instanceof InvalidConfig && error.message.includes(`process ${child.pid}`));
    await assert.rejects(train({ flashDir }, { resume: flashDir, steps: 100_000 }), (error) => error instanceof InvalidConfig && error.message.includes(`process ${child.pid}`));
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
  const { step } = openStored(flashDir);
  assert.ok(step >= 1);
  await train({ flashDir }, { resume: flashDir, steps: step + 1 });
});

test('a store whose making was cut short is made anew; what is not a store\'s is left alone', async () => {
  const flashDir = freshFolder('unfinished'), file = join(flashDir, 'shard-0', 'state.bin');
  for (const bytes of [0, 100, 8192]) {
    rmSync(flashDir, { recursive: true, force: true });
    mkdirSync(join(flashDir, 'shard-0'), { recursive: true });
    writeFileSync(file, Buffer.alloc(bytes));
    assertSameBits(calm.weights, (await train({ flashDir, shards: 2 })).weights);
  }
  rmSync(flashDir, { recursive: true, force: true });
  mkdirSync(join(flashDir, 'shard-0'), { recursive: true });
  writeFileSync(file, 'a letter');
  await assert.rejects(train({ flashDir, shards: 2 }), InvalidConfig);
});
