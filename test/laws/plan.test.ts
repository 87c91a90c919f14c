/**
 * Law: a plan counts what a run counts, exactly, without running; told what depends on data (masks, steps that are skipped) where the run knows more.
 *
 * That a run's own work has its devices' counts is asserted at the end of every run (src/emulator/work.ts); here the plan is made from options alone. Not here: prices.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { firstMasks, type Model, type NamedMask } from '../../src/index.js';
import { planGeneration } from '../../src/plan/generation.js';
import { plan } from '../../src/plan/plan.js';
import type { PlanOptions } from '../../src/plan/types.js';
import { aClusterShape, aTraining, aTransformer, optionsOn, roomyWafer, trainOn, type ClusterShape, type Training } from '../../src/testing/index.js';
import { aMachine, generateOn, lively, someTokens } from '../support/generating.js';

const seed = 20210824;
const quick: ClusterShape = { dispatcher: 'local', threads: 1, wafer: { rows: 1, cols: 1, spec: roomyWafer } };

/** The masks that each step reads, from shorter runs. */
const masksOf = async (model: Model, options: Training['options']): Promise<readonly (readonly NamedMask[])[]> => {
  const { sparsity, steps } = options, all: (readonly NamedMask[])[] = [];
  if (sparsity === undefined) return all;
  for (let step = 0; step < steps; step++) all.push(step === 0 ? firstMasks(model, undefined, sparsity, options.seed) : (await trainOn(quick, model, { ...options, steps: step })).masks);
  return all;
};

/** What a plan is told of a run: its options, and what its data made of them. */
const asPlanned = (model: Model, options: Training['options'], shape: ClusterShape, recompute: NonNullable<PlanOptions['recompute']>, known: PlanOptions['known']): PlanOptions => {
  const { cluster, training } = optionsOn(shape, model, options), { wafer = 'auto', numCsx = 1, fanIn = 4 } = cluster;
  return {
    numCsx, fanIn, batchSize: options.batchSize, microBatchSize: training.microBatchSize ?? options.batchSize, recompute, logits: cluster.sweep === 'tile' ? 'held' : (training.logits ?? 'auto'),
    wafer: wafer === 'auto' ? 'auto' : { rows: wafer.rows, cols: wafer.cols }, ...(wafer === 'auto' || wafer.spec === undefined ? {} : { spec: wafer.spec }), optimizer: options.optimizer, steps: options.steps,
    ...(options.precision === undefined ? {} : { precision: options.precision }), ...(options.sparsity === undefined ? {} : { sparsity: options.sparsity }), ...(options.clipNorm === undefined ? {} : { clipNorm: options.clipNorm }), ...(known === undefined ? {} : { known }),
  };
};

const follows = async ({ model, options }: Training, shape: ClusterShape, seen: Record<string, number>): Promise<void> => {
  const { record } = await trainOn(shape, model, options), masks = await masksOf(model, options);
  // Which of several steps were skipped shows in their masks alone; without masks that change their number is enough.
  if (record.skippedSteps > 0 && masks.length > 0) return;
  const known = { ...(masks.length === 0 ? {} : { masks: (step: number) => masks[step] ?? [] }), skippedSteps: record.skippedSteps };
  const planned = plan(model, asPlanned(model, options, shape, shape.recompute ?? 'auto', known));
  assert.deepEqual(planned.counts, record.counts.total);
  assert.equal(planned.rectangle.rows, record.shape.rows);
  assert.equal(planned.microBatches, record.shape.microBatches);
  assert.deepEqual(planned.work.passes.map(({ op, phase, times }) => [op, phase, times]), record.work.passes.map(({ op, phase, times }) => [op, phase, times]));
  const there = { sparse: options.sparsity !== undefined, offload: planned.recompute === 'offload', streamed: planned.logits === 'streamed', skipped: record.skippedSteps > 0, narrow: planned.work.numbers.weights !== 'float32', many: record.shape.numCsx > 8 };
  for (const [what, is] of Object.entries(there)) if (is) seen[what] = (seen[what] ?? 0) + 1;
};
const wereSeen = (seen: Record<string, number>, kinds: readonly string[]): void => {
  for (const kind of kinds) assert.ok((seen[kind] ?? 0) > 2, `${kind}: ${seen[kind] ?? 0} cases`);
};

test('a plan counts what a run counts', async () => {
  const seen: Record<string, number> = {};
  await fc.assert(fc.asyncProperty(aTraining(), aClusterShape(), (training, shape) => follows(training, shape, seen)), { seed, numRuns: 80 });
  wereSeen(seen, ['sparse', 'offload', 'streamed', 'narrow', 'many']);
});

test('of steps that change nothing a plan is told how many there were', async () => {
  const seen: Record<string, number> = {};
  await fc.assert(fc.asyncProperty(aTraining({ precision: 'only', sparsity: false }), aClusterShape({ numCsxMax: 5 }), (training, shape) => follows(training, shape, seen)), { seed, numRuns: 40 });
  wereSeen(seen, ['skipped']);
});

test('masks that are only counted give the products that given masks give', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ sparsity: 'only', transformers: false, precision: false }), async ({ model, options }) => {
      const { steps: _, ...once } = options;
      const masks = firstMasks(model, undefined, options.sparsity ?? [], options.seed), base = { batchSize: once.batchSize, microBatchSize: once.batchSize, wafer: { rows: 2, cols: 3 }, spec: roomyWafer, optimizer: options.optimizer, ...(options.sparsity === undefined ? {} : { sparsity: options.sparsity }) } as const;
      const given = plan(model, { ...base, known: { masks } }), counted = plan(model, base);
      // Where zeros or a function choose, how many positions are stored is known from weights alone.
      if (given.counts.optimizerElements !== counted.counts.optimizerElements) return;
      compared++;
      for (const action of ['macs', 'macsSkipped', 'sramReadWords', 'biasAdds'] as const) assert.equal(counted.counts[action], given.counts[action], action);
    }),
    { seed, numRuns: 40 },
  );
  assert.ok(compared > 10, `${compared} cases`);
});

test('the plan of a generation counts what the generation counts', async () => {
  let several = 0;
  await fc.assert(
    fc.asyncProperty(aTransformer({ bytes: false }), aMachine(), fc.constantFrom('auto' as const, { rows: 3, cols: 5, spec: roomyWafer }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 6 }), async (model, machine, wafer, lengths, wanted) => {
      const newTokens = Math.min(wanted, model.tokensPerSample - 1), prompts = lengths.map((length) => Math.min(length, model.tokensPerSample - newTokens));
      const { record } = await generateOn({ ...machine, wafer }, model, { weights: lively(model, 7), prompts: prompts.map((length, p) => ({ tokens: someTokens(model, length, p + 1) })), maxTokens: newTokens });
      const { numCsx = 1, fanIn = 4 } = machine;
      const planned = planGeneration(model, { numCsx, fanIn, prompts, newTokens, wafer: wafer === 'auto' ? wafer : { rows: wafer.rows, cols: wafer.cols }, ...(wafer === 'auto' ? {} : { spec: wafer.spec }) });
      assert.deepEqual(planned.counts, record.counts);
      assert.equal(planned.work.steps, record.steps);
      if (record.steps > newTokens) several++;
    }),
    { seed, numRuns: 40 },
  );
  assert.ok(several > 0, 'no prompt took several steps');
});
