/**
 * Law: how much of MemoryX is in DRAM and how much on flash shows in no bit, whatever the budget, units, durability, machine and deaths; nor does where a run was stopped and on
 * what machine it goes on. DRAM stays within its budget.
 *
 * Not here: processes that are killed (kill.test.ts), disks that fail (disks.test.ts).
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidConfig, type ClusterOptions, type RunResult } from '../../src/index.js';
import { aClusterShape, assertSameBits, aTraining, trainOn, type ClusterShape, type Training } from '../../src/testing/index.js';
import { maskChanges } from '../support/mask-changes.js';
import { budgetOf, flashLives, freshFolder } from '../support/tiers.js';

const seed = 20260801;
type Fault = NonNullable<ClusterOptions['faults']>[number];

/** How MemoryX is set up, and who dies; numbers from 0 to 1 become budgets, threads and folders when the training is known. */
interface Tiering {
  readonly share: number;
  readonly shards: number;
  readonly apart: boolean;
  readonly durability: 'process' | 'power' | 'checkpoint';
  readonly deaths: readonly (Omit<Fault, 'thread'> & { readonly thread: number })[];
}

const aTiering = (turnMax: number, deathsMin = 0): fc.Arbitrary<Tiering> => fc.record({
  share: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), shards: fc.integer({ min: 1, max: 4 }), apart: fc.boolean(), durability: fc.constantFrom('process' as const, 'power' as const, 'checkpoint' as const),
  deaths: fc.array(fc.record({ thread: fc.nat({ max: 1000 }), turn: fc.integer({ min: 1, max: turnMax }), at: fc.constantFrom('start' as const, 'reply' as const, 'end' as const), generation: fc.nat({ max: 1 }) }), { minLength: deathsMin, maxLength: 3 }),
});

const folder = freshFolder('tiers');
const fresh = (): string => {
  rmSync(folder, { recursive: true, force: true });
  return folder;
};

/** The shape with two tiers: budget between the least and everything, no more shards than there are blocks. */
const tiered = (training: Training, shape: ClusterShape, { share, shards: wanted, apart, durability, deaths }: Tiering, at: string): { readonly shape: ClusterShape; readonly dramBytes: number } => {
  const { least, all, blocks } = budgetOf(training, shape), shards = Math.min(wanted, blocks), dramBytes = least + Math.floor(share * (all - least));
  const threads = (shape.threads as number) + 2 * shards, seen = new Set<string>();
  const faults = deaths.map((fault) => ({ ...fault, thread: fault.thread % threads })).filter(({ thread, generation }) => !seen.has(`${thread}/${generation}`) && seen.add(`${thread}/${generation}`));
  return { dramBytes, shape: { ...shape, ...(faults.length === 0 ? {} : { faults }), memoryX: { dramBytes, durability, ...(apart ? { flashDir: Array.from({ length: shards }, (_, s) => `${at}/disk${s}`) } : { flashDir: `${at}/one`, shards }) } } };
};
const storeOf = ({ memoryX }: ClusterShape): string => (typeof memoryX?.flashDir === 'string' ? memoryX.flashDir : (memoryX?.flashDir?.[0] as string));

const same = (calm: RunResult, other: RunResult, since = 0): void => {
  assertSameBits(calm.weights, other.weights);
  assert.deepEqual(other.masks, calm.masks);
  assert.deepEqual(other.record.losses, calm.record.losses.slice(since));
  assert.equal(other.record.weightsDigest, calm.record.weightsDigest);
  for (const { out, back } of Object.values(other.record.credits)) assert.equal(out, back);
};

const calmly = (shape: ClusterShape, { model, options }: Training): Promise<RunResult> => trainOn(shape, model, options);

test('budgets, units, durability and deaths do not show in the result: the local dispatcher', async () => {
  const seen = { least: 0, faults: 0, sparse: 0, changed: 0, clipped: 0, apart: 0, shards: 0, tiles: 0, transformers: 0, flashDeaths: 0, checkpoint: 0 };
  await fc.assert(
    fc.asyncProperty(aTraining({ batchMax: 100 }), aClusterShape({ numCsxMax: 6, threadsMax: 3 }), aTiering(150), async (training, shape, tiering) => {
      const two = tiered(training, shape, tiering, fresh()), { model, options } = training;
      const calm = await calmly(shape, training), other = await trainOn(two.shape, model, options);
      same(calm, other);
      // Counts of what the machine did are the same as well.
      assert.deepEqual(other.record.counts, calm.record.counts);
      assert.ok(budgetOf(training, shape, two.dramBytes).memoryBytes <= two.dramBytes, 'the budget is kept');
      seen.faults += other.record.faults;
      if (tiering.share === 0) seen.least++;
      if (calm.masks.length > 0) seen.sparse++;
      if (maskChanges(training, calm) > 0) seen.changed++;
      if (options.clipNorm !== undefined) seen.clipped++;
      if (tiering.apart) seen.apart++;
      if (tiering.durability === 'checkpoint') seen.checkpoint++;
      if (shape.sweep === 'tile') seen.tiles++;
      if (model.tokensPerSample > 1) seen.transformers++;
      if ((two.shape.memoryX?.shards ?? 1) > 1) seen.shards++;
      if (other.record.faults > 0 && two.shape.faults?.some(({ thread }) => thread >= (shape.threads as number)) === true) seen.flashDeaths++;
    }),
    { seed, numRuns: 70 },
  );
  assert.ok(Object.values(seen).every((count) => count > 2), `the runs were too much alike: ${JSON.stringify(seen)}`);
});

test('budgets, units, durability and deaths do not show in the result: threads', async () => {
  let faults = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ batchMax: 100 }), aClusterShape({ dispatcher: 'thread', numCsxMax: 4, threadsMax: 2 }), aTiering(25, 2), async (training, shape, tiering) => {
      const two = tiered(training, shape, tiering, fresh());
      const other = await trainOn(two.shape, training.model, training.options);
      same(await calmly({ ...shape, dispatcher: 'local' }, training), other);
      faults += other.record.faults;
    }),
    { seed, numRuns: 12 },
  );
  assert.ok(faults >= 5, `${faults} deaths`);
});

/** The machine on which a run goes on, with the rectangle it had or another. */
const someOther = fc.tuple(aClusterShape({ numCsxMax: 6, threadsMax: 3 }), fc.constantFrom('other' as const, 'same' as const));

test('a run that was stopped and goes on elsewhere ends with the bits of one that was not', async () => {
  const seen = { inPlace: 0, dram: 0, elsewhere: 0, faults: 0, changed: 0, clipped: 0, sparse: 0, transformers: 0, moved: 0, sparseInPlace: 0 };
  await fc.assert(
    fc.asyncProperty(
      aTraining({ batchMax: 100, stepsMax: 5 }).filter(({ options }) => options.steps > 1), aClusterShape({ numCsxMax: 6, threadsMax: 3 }), someOther, aTiering(150), aTiering(150),
      fc.double({ min: 0, max: 0.999, noNaN: true }), fc.constantFrom('inPlace' as const, 'dram' as const, 'elsewhere' as const),
      async (training, first, [changed, rectangle], before, after, stop, where) => {
        const second: ClusterShape = rectangle === 'other' ? changed : { ...changed, ...sameTiles(first) };
        const { model, options } = training, at = fresh(), one = tiered(training, first, before, `${at}/first`), steps = 1 + Math.floor(stop * (options.steps - 1));
        const calm = await calmly(first, training);
        await flashLives(one.shape, training, steps);
        const store = storeOf(one.shape);
        const elsewhere = (): ClusterShape => tiered(training, second, after, `${at}/second`).shape;
        const on = where === 'dram' ? second : where === 'elsewhere' ? elsewhere() : inPlace(training, second, after, one.shape);
        const result = await trainOn(on, model, { ...options, resume: store }).catch((error: unknown) => {
          // Sparse weights are stored as columns of tiles want them; another rectangle goes on elsewhere.
          if (where !== 'inPlace' || calm.masks.length === 0 || !(error instanceof InvalidConfig) || !/other columns/.test(error.message)) throw error;
          seen.moved++;
          return trainOn(elsewhere(), model, { ...options, resume: store });
        });
        // Losses are those of the run's own steps.
        const begun = options.steps - result.record.losses.length;
        assert.ok(begun >= steps && begun <= steps + 1, `${begun} steps were there of ${steps}`);
        same(calm, result, begun);
        seen[where]++;
        if (where === 'inPlace' && calm.masks.length > 0) seen.sparseInPlace++;
        seen.faults += result.record.faults;
        if (maskChanges(training, calm) > 0) seen.changed++;
        if (calm.masks.length > 0) seen.sparse++;
        if (options.clipNorm !== undefined) seen.clipped++;
        if (model.tokensPerSample > 1) seen.transformers++;
      },
    ),
    { seed, numRuns: 60 },
  );
  const { moved, ...others } = seen;
  assert.ok(moved > 0 && Object.values(others).every((count) => count > 1), `the runs were too much alike: ${JSON.stringify(seen)}`);
});

/** What says how sparse weights are stored. */
const sameTiles = ({ wafer, sweep, microBatchUnits, numCsx }: ClusterShape): Partial<ClusterShape> => ({ ...(wafer === undefined ? {} : { wafer }), ...(sweep === undefined ? {} : { sweep }), ...(microBatchUnits === undefined ? {} : { microBatchUnits }), ...(numCsx === undefined ? {} : { numCsx }) });

/** Another machine on the same store: its folders and units stay. */
const inPlace = (training: Training, shape: ClusterShape, tiering: Tiering, { memoryX }: ClusterShape): ClusterShape => {
  const { shape: made } = tiered(training, shape, { ...tiering, shards: memoryX?.shards ?? memoryX?.flashDir?.length ?? 1 }, 'nowhere');
  const { flashDir, shards } = memoryX ?? {};
  return { ...made, memoryX: { ...made.memoryX, ...(flashDir === undefined ? {} : { flashDir }), ...(shards === undefined ? {} : { shards }) } };
};
