/**
 * The planned order of wants against real runs: every part that a run enters is planned once and none else, updates stand behind all that is collected for them, and nothing reads a
 * version before it is made. That the order can be followed at all is shown by the runs: they have the least DRAM there is.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mock, test } from 'node:test';
import fc from 'fast-check';
import type { Segments } from '../../../src/cluster/coordinator/future.js';
import { Residence } from '../../../src/cluster/coordinator/residence.js';
import { dealBatch } from '../../../src/cluster/deal.js';
import { wantsOf, type Segment, type TierEvent } from '../../../src/cluster/wants.js';
import { gpt, sgd, sparsity } from '../../../src/index.js';
import { aClusterShape, aTraining, trainOn, type ClusterShape, type Training } from '../../../src/testing/index.js';
import { maskChanges } from '../../support/mask-changes.js';
import { budgetOf, freshFolder, planTiered, type Tiered } from '../../support/tiers.js';

const seed = 20260803;
const flashDir = freshFolder('wants');

/** Every part that a run enters and leaves, and the segments that it begins with. */
const watch = async (run: () => Promise<unknown>): Promise<{ readonly begun: Segment[][]; readonly entered: string[][]; readonly left: string[][] }> => {
  const begun: Segment[][] = [], entered: string[][] = [], left: string[][] = [], { begin, enter, leave } = Residence.prototype;
  const mocks = [
    mock.method(Residence.prototype, 'begin', function (this: Residence, segments: Segments) {
      begun.push(Array.from({ length: segments.count }, (_, i) => segments.at(i)));
      entered.push([]);
      left.push([]);
      return begin.call(this, segments);
    }),
    mock.method(Residence.prototype, 'enter', function (this: Residence, key: string) {
      entered.at(-1)?.push(key);
      return enter.call(this, key);
    }),
    mock.method(Residence.prototype, 'leave', function (this: Residence, key: string) {
      left.at(-1)?.push(key);
      return leave.call(this, key);
    }),
  ];
  try {
    await run();
  } finally {
    for (const one of mocks) one.mock.restore();
  }
  return { begun, entered, left };
};

/** What must hold of any step's list. */
const checkOrder = (events: readonly TierEvent[], { tiers, memoryX }: Tiered, waits: boolean): void => {
  const at = new Map(events.map(({ key }, i) => [key, i]));
  assert.equal(at.size, events.length, 'no part is planned twice');
  for (const [i, { kind, wants, groups, fresh, step }] of events.entries()) {
    assert.equal(new Set(wants).size, wants.length);
    assert.ok(groups.length > 0 && fresh.every((object) => wants.includes(object)));
    // A version's weights are those of its parity, moments come with them, and a sparse weight with all it has.
    for (const group of groups) {
      const { weights, moments, stored, gradient } = tiers.groups[group] as Tiered['tiers']['groups'][number], even = step % 2;
      const need = kind === 'read' ? [weights?.[even] ?? stored] : kind === 'collect' || kind === 'verdict' || kind === 'mask' ? [gradient, stored] : kind === 'scatter' ? [gradient] : kind === 'update' ? [...(weights ?? [stored]), moments, gradient] : [];
      for (const object of need) assert.ok(object === null || wants.includes(object), `${kind} of group ${group} has what it needs`);
    }
    if (kind === 'read') {
      for (const group of groups) {
        const [update, mask] = [at.get(`u/${step - 1}/${group}`), at.get(`m/${step - 1}/${group}`)];
        assert.ok((update ?? -1) < i && (mask ?? -1) < i, 'a version is made before it is read');
        assert.ok((at.get(`u/${step}/${group}`) ?? Infinity) > i, 'and read before its place is taken');
      }
    }
    if (kind === 'update') {
      const [group] = groups as [number], before = events.flatMap((other, j) => (other.step === step && (other.kind === 'collect' || other.kind === 'scatter') && other.groups.includes(group) ? [j] : []));
      assert.ok(before.length > 0 && before.every((j) => j < i), 'an update is behind all that is collected for it');
      const verdicts = events.flatMap((other, j) => (other.kind === 'verdict' && other.step === step ? [j] : []));
      assert.equal(verdicts.length, waits ? tiers.groups.length : 0);
      assert.ok(verdicts.every((j) => j < i), 'where the whole step has a verdict, behind all parts of it');
    }
    if (kind === 'mask') assert.ok((at.get(`u/${step}/${groups[0] as number}`) ?? Infinity) < i && memoryX.parameters.some(({ sparse }) => sparse !== null));
  }
};

const plainly = async (training: Training, shape: ClusterShape): Promise<{ readonly changed: boolean; readonly microBatches: number; readonly events: readonly TierEvent[]; readonly layout: Tiered }> => {
  rmSync(flashDir, { recursive: true, force: true });
  const { least } = budgetOf(training, shape), { layout } = planTiered(training, shape, least), waits = training.options.clipNorm !== undefined || layout.precision.lossScale.kind !== 'none';
  const eventsOf = wantsOf({ layout, microBatches: dealBatch(layout.batch).length, verdict: waits });
  let changes = 0;
  const { begun, entered, left } = await watch(async () => {
    changes = maskChanges(training, await trainOn({ ...shape, memoryX: { flashDir, dramBytes: least } }, training.model, training.options));
  });
  assert.deepEqual(begun.map((segments) => segments.map(({ kind, step }) => `${kind} ${step}`)), [['fill 0'], Array.from({ length: training.options.steps }, (_, i) => `train ${i}`)]);
  begun.forEach((segments, b) => {
    const planned = segments.flatMap(eventsOf);
    checkOrder(planned, layout, waits);
    assert.deepEqual(entered[b]?.toSorted(), planned.map(({ key }) => key).toSorted(), 'what is entered is what is planned');
    assert.deepEqual(left[b]?.toSorted(), entered[b]?.toSorted());
  });
  return { changed: changes > 0, microBatches: dealBatch(layout.batch).length, events: begun.flat().flatMap(eventsOf), layout };
};

test('what a run enters is what is planned, each part once, in an order that the least DRAM is enough for', async () => {
  const seen = { sparse: 0, changed: 0, clipped: 0, microBatches: 0, transformers: 0, tables: 0, tied: 0 };
  await fc.assert(
    fc.asyncProperty(aTraining({ batchMax: 100 }), aClusterShape({ numCsxMax: 4, threadsMax: 2 }), async (training, shape) => {
      const { changed, microBatches, events, layout } = await plainly(training, shape), { model, options } = training;
      if (changed) seen.changed++;
      if (options.clipNorm !== undefined) seen.clipped++;
      if (microBatches > 1) seen.microBatches++;
      if (model.tokensPerSample > 1) seen.transformers++;
      if (layout.memoryX.parameters.some(({ sparse }) => sparse !== null)) seen.sparse++;
      if (layout.memoryX.parameters.some(({ tableRoot }) => tableRoot !== null)) seen.tied++;
      if (events.some(({ kind, groups }) => kind === 'scatter' && groups.length > 1)) seen.tables++;
    }),
    { seed, numRuns: 60 },
  );
  assert.ok(Object.values(seen).every((count) => count > 2), `the runs were too much alike: ${JSON.stringify(seen)}`);
});

test('archiving is planned before the update that takes a version\'s place, each group once', () => {
  const ids = Int32Array.from({ length: 400 }, (_, i) => i % 13);
  const training: Training = { model: gpt({ vocabulary: 13, context: 16, dim: 8, layers: 2, heads: 2 }), options: { data: { kind: 'sequence', ids }, optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }), steps: 4, batchSize: 4, seed: 1, sparsity: sparsity({ algorithm: 'set', sparsity: 0.5, update: { freq: 1 } }) } };
  for (const clipNorm of [undefined, 1]) {
    const clipped = { ...training, options: { ...training.options, ...(clipNorm === undefined ? {} : { clipNorm }) } }, { layout } = planTiered(clipped, { dispatcher: 'local', threads: 1 });
    const eventsOf = wantsOf({ layout, microBatches: 2, verdict: clipNorm !== undefined });
    const archived = eventsOf({ kind: 'train', step: 3, archive: true }), plain = eventsOf({ kind: 'train', step: 3, archive: false });
    assert.deepEqual(archived.filter(({ kind }) => kind !== 'archive'), plain);
    const archives = archived.flatMap(({ kind, groups, wants }, i) => (kind === 'archive' ? [{ i, group: groups[0] as number, wants }] : []));
    assert.deepEqual(archives.map(({ group }) => group).toSorted((a, b) => a - b), layout.tiers.groups.map((_, g) => g));
    for (const { i, group, wants } of archives) {
      assert.ok(i < archived.findIndex(({ key }) => key === `u/3/${group}`));
      const { weights, moments, stored } = layout.tiers.groups[group] as Tiered['tiers']['groups'][number];
      assert.deepEqual(wants.toSorted((a, b) => a - b), [weights?.[1], moments, stored].filter((object) => typeof object === 'number').toSorted((a, b) => a - b));
    }
  }
});
