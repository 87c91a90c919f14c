/**
 * Law: the action counts of a run equal closed formulas of program and deal, whatever order, thread or kernel did the work.
 *
 * The formulas here walk over single tiles and single links, as the machine would be watched; the devices use sums over rows and columns.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dealBatch, samplesIn, slabsPerWafer, type BatchShape } from '../../src/cluster/deal.js';
import { compile } from '../../src/compiler/compile.js';
import type { LocalStep, PassStep, Program } from '../../src/compiler/program.js';
import { specs, type Action, type Counts, type Model } from '../../src/index.js';
import { aClusterShape, aTraining, roomyWafer, trainOn, type ClusterShape, type Training } from '../../src/testing/index.js';

const seed = 20210824, slab = 32;

interface Placed {
  readonly program: Program;
  readonly batch: BatchShape;
}

const place = (model: Model, samples: number, shape: ClusterShape): Placed => {
  const numCsx = shape.numCsx ?? 1;
  const batch = { samples, numCsx, slabsPerWafer: slabsPerWafer(samples, numCsx, slab, shape.microBatchSize), slabTokens: slab };
  const tokens = Math.max(...dealBatch(batch).flatMap(({ wafers }) => wafers.map((range) => samplesIn(range, batch))));
  const wafer = shape.wafer ?? 'auto';
  return { batch, program: compile(model, { tokens, wafer, spec: wafer === 'auto' ? specs.wse2 : (wafer.spec ?? specs.wse2) }) };
};

/** Maximal aligned subtrees that cover leaves first … end−1, by descent from the root. */
const subtrees = (first: number, end: number, at = 0, span = 2 ** 30): number =>
  first >= end || at >= end || at + span <= first ? 0 : first <= at && at + span <= end ? 1 : subtrees(first, end, at, span / 2) + subtrees(first, end, at + span / 2, span / 2);

const runs = (edges: readonly number[], limit = Infinity): number[] => edges.slice(1).map((edge, i) => Math.max(0, Math.min(edge, limit) - Math.min(edges[i] as number, limit)));
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** Counts of one step, watched tile by tile and link by link. */
const watched = ({ program, batch }: Placed, model: Model, fanIn: number): Counts => {
  const counts: Partial<Counts> = {};
  const add = (action: Action, amount: number): void => void (counts[action] = (counts[action] ?? 0) + amount);
  const { linears, buffers } = program;
  const input = model.layers[0];
  const parametersUp = sum(linears.map((l) => (l.inputs + (l.bias === null ? 0 : 1)) * l.outputs));
  const wordsDown = sum(linears.map((l) => (l.inputs + (l.bias === null ? 0 : 1)) * l.outputs + (l.dx === null ? 0 : l.inputs * l.outputs)));
  const columns = (buffer: number): number[] => runs(buffers[buffer]?.featureEdges ?? []);

  /** One product: contracted features on the tiles, results in turn, for one row with `tokens` tokens. */
  const axpys = (contracted: readonly number[], results: number, tokens: number): void => {
    let busy = 0;
    for (const features of contracted) {
      if (features === 0) continue;
      for (let f = 0; f < features; f++) {
        add('waveletsSouth', results);
        add('tasks', results);
        add('macs', results * tokens);
      }
      add('tasks', results);
      if (busy++ > 0) add('waveletsEast', results * tokens);
    }
  };
  const outer = (inputs: readonly number[], outputs: number, tokens: number): void => {
    let busy = 0;
    for (const features of inputs) {
      if (features === 0) continue;
      add('macs', features * outputs * tokens);
      add('waveletsNorth', features * outputs);
      add('tasks', outputs);
      if (busy++ > 0) add('waveletsEast', outputs * tokens);
    }
  };
  const local = (step: LocalStep, tokens: number): void => {
    const back = step.op === 'reluDelta' || step.op === 'geluDelta';
    let busy = 0;
    for (const features of columns(back ? step.dst : step.x)) {
      if (features === 0) continue;
      add('elementwise', features * tokens);
      add('sramReadWords', features * tokens * (step.op === 'relu' || step.op === 'gelu' ? 1 : 2));
      add('sramWriteWords', features * tokens);
      add('tasks', 1);
      // Maximum and sum of exponentials go along the row and come back.
      if (busy++ > 0 && step.op === 'loss') add('waveletsEast', 4 * tokens);
    }
  };
  const pass = (step: PassStep, tokens: number): void => {
    if (step.op === 'forward' || step.op === 'delta' || step.op === 'gradient') {
      const linear = linears[step.linear];
      assert.ok(linear);
      if (step.op === 'forward') axpys(columns(linear.x), linear.outputs, tokens);
      if (step.op === 'delta') axpys(columns(linear.y), linear.inputs, tokens);
      if (step.op === 'gradient') outer(columns(linear.x), linear.outputs, tokens);
      if (linear.bias !== null && step.op !== 'delta') {
        add('biasAdds', linear.outputs * tokens);
        add(step.op === 'forward' ? 'waveletsSouth' : 'waveletsNorth', linear.outputs);
      }
    }
    if ('locals' in step) for (const after of step.locals) local(after, tokens);
  };

  for (const { first, count, wafers } of dealBatch(batch)) {
    for (const range of wafers) {
      const samples = samplesIn(range, batch);
      for (const tokens of runs(program.rowEdges, samples)) if (tokens > 0) for (const step of program.passes) pass(step, tokens);
      add('ioInBytes', samples * 4 * (input?.kind === 'features' ? input.features + 1 : 1) + wordsDown * 4);
      if (samples === 0) continue;
      add('ioOutBytes', parametersUp * 4);
      add('contractOverhead', (subtrees(range.first, range.first + range.count) - 1) * parametersUp);
    }
    // Level by level from the wafers to the root: a link each, busy upwards where something below has samples.
    let below = wafers.map((range) => range.count > 0);
    do {
      add('linkDownBytes', below.length * wordsDown * 4);
      const above: boolean[] = [];
      for (let i = 0; i < below.length; i += fanIn) {
        const senders = below.slice(i, i + fanIn).filter(Boolean).length;
        add('linkUpBytes', senders * parametersUp * 4);
        add('reduceAdds', Math.max(0, senders - 1) * parametersUp);
        above.push(senders > 0);
      }
      below = above;
    } while (below.length > 1);
    add('weightBytesOut', wordsDown * 4);
    add('gradientBytesIn', subtrees(first, first + count) * parametersUp * 4);
  }
  add('sramReadWords', 2 * (counts.macs ?? 0));
  add('sramWriteWords', counts.macs ?? 0);
  add('optimizerElements', model.parameterCount);
  const table = model.layers[1];
  if (table?.kind === 'embedding') {
    add('gatheredRows', batch.samples * table.context);
    add('weightBytesOut', batch.samples * table.features * 4);
  }
  return counts as Counts;
};

const expected = (model: Model, options: Training['options'], shape: ClusterShape): Counts => {
  const once = watched(place(model, options.batchSize, shape), model, shape.fanIn ?? 4);
  return Object.fromEntries(Object.entries(once).map(([action, amount]) => [action, amount * options.steps])) as Counts;
};
const nonZero = (counts: Counts): Partial<Counts> => Object.fromEntries(Object.entries(counts).filter(([, amount]) => amount !== 0));

test('counts of any run equal those of watching every tile and link', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape(), async ({ model, options }, shape) => {
      const { counts, redone } = (await trainOn(shape, model, options)).record;
      assert.deepEqual(nonZero(counts.total), nonZero(expected(model, options, shape)));
      assert.deepEqual(nonZero(redone), {});
      for (const action of Object.keys(counts.total) as Action[]) assert.equal(sum(Object.values(counts.devices).map((device) => device[action])), counts.total[action]);
    }),
    { seed, numRuns: 60 },
  );
});

test('threads count the same', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape({ dispatcher: 'thread', numCsxMax: 20, threadsMax: 3 }), async ({ model, options }, shape) => {
      assert.deepEqual(nonZero((await trainOn(shape, model, options)).record.counts.total), nonZero(expected(model, options, shape)));
    }),
    { seed, numRuns: 8 },
  );
});

test('tiles that work one by one count what a sweep counts, device by device', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining({ stepsMax: 1, batchMax: 100 }), aClusterShape({ numCsxMax: 5 }), async ({ model, options }, shape) => {
      const by = async (sweep: 'band' | 'tile') => (await trainOn({ ...shape, sweep, wafer: { rows: 3, cols: 4, spec: roomyWafer } }, model, options)).record.counts;
      assert.deepEqual(await by('tile'), await by('band'));
    }),
    { seed, numRuns: 15 },
  );
});

test('what a model costs does not depend on the machine', async () => {
  const work = ['macs', 'biasAdds', 'elementwise', 'sramReadWords', 'sramWriteWords', 'optimizerElements', 'gatheredRows'] as const;
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape(), async ({ model, options }, shape) => {
      const { total } = (await trainOn(shape, model, options)).record.counts;
      const one = (await trainOn({ dispatcher: 'local' }, model, options)).record.counts.total;
      for (const action of work) assert.equal(total[action], one[action], action);
      const trained = (layer: number): boolean => model.layers.slice(0, layer).some(({ kind }) => kind === 'linear' || kind === 'embedding');
      const macs = sum(model.layers.map((layer) => (layer.kind === 'linear' ? layer.inFeatures * layer.features * (trained(layer.id) ? 3 : 2) : 0)));
      assert.equal(total.macs, macs * options.batchSize * options.steps);
      const biases = sum(model.layers.map((layer) => (layer.kind === 'linear' && layer.bias !== null ? layer.features : 0)));
      assert.equal(total.biasAdds, 2 * biases * options.batchSize * options.steps);
    }),
    { seed, numRuns: 20 },
  );
});
