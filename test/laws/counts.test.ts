/**
 * Law: the action counts of a run equal closed formulas of program and deal, whatever order, thread or kernel did the work.
 *
 * The formulas here walk over single tiles and single links, as the machine would be watched; the devices use sums over rows and columns.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dealBatch, lanesIn, tokensIn, tokensInSlab, type SlabRange } from '../../src/cluster/deal.js';
import type { AttentionPlan, LinearPlan, LocalStep, NormPlan, PassStep } from '../../src/compiler/program.js';
import type { Action, Counts, Model } from '../../src/index.js';
import { aClusterShape, aTraining, roomyWafer, trainOn, type ClusterShape, type Training } from '../../src/testing/index.js';
import { place, type Placed } from '../support/placed.js';

const seed = 20210824, slab = 32;
/** What is streamed of sparse weights is watched in sparse-counts.test.ts. */
const dense = { sparsity: false } as const;
/** Logits that are made block by block are not watched here. */
const held = { logits: 'held' } as const;

/** Maximal aligned subtrees that cover leaves first … end−1, by descent from the root. */
const subtrees = (first: number, end: number, at = 0, span = 2 ** 30): number =>
  first >= end || at >= end || at + span <= first ? 0 : first <= at && at + span <= end ? 1 : subtrees(first, end, at, span / 2) + subtrees(first, end, at + span / 2, span / 2);

const runs = (edges: readonly number[]): number[] => edges.slice(1).map((edge, i) => edge - (edges[i] as number));
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** What one row of the rectangle holds: the place in its sample of every token, by sample; and how many places of the sample lie before the row's first lane. */
interface Row {
  readonly places: readonly (readonly number[])[];
  readonly tokens: number;
  readonly before: number;
}

/** The rows of a wafer that begin before its last token, lane by lane. */
const rowsOf = ({ program, batch }: Placed, range: SlabRange): Row[] => {
  const { rowEdges } = program, perSample = Math.ceil(batch.tokensPerSample / slab), lanes = lanesIn(range, batch);
  return rowEdges.slice(1).flatMap((end, r): Row[] => {
    const start = rowEdges[r] as number, samples = new Map<number, number[]>();
    if (end <= start || start >= lanes) return [];
    let before = 0;
    for (let lane = start; lane < Math.min(end, lanes); lane++) {
      const number = range.first + Math.floor(lane / slab);
      if (lane % slab >= tokensInSlab(number, batch)) continue;
      const at = batch.tokensPerSample === 1 ? 0 : (number % perSample) * slab + (lane % slab);
      if (lane === start) before = at;
      const sample = batch.tokensPerSample === 1 ? 0 : Math.floor(number / perSample);
      samples.set(sample, [...(samples.get(sample) ?? []), at]);
    }
    const places = [...samples.values()];
    return [{ places, tokens: sum(places.map((list) => list.length)), before }];
  });
};

/** Values of a streamed layer that go down for a forward pass, that come up, and that go down for a delta. */
const valuesOf = (plan: LinearPlan | NormPlan): { readonly whole: number; readonly weights: number } => {
  const weights = plan.kind === 'norm' ? plan.inputs : plan.inputs * plan.outputs;
  return { weights, whole: weights + (plan.bias === null ? 0 : plan.outputs) };
};

/** Counts of one step, watched tile by tile and link by link. */
const watched = (placed: Placed, model: Model, fanIn: number): Counts => {
  const { program, batch } = placed;
  const counts: Partial<Counts> = {};
  const add = (action: Action, amount: number): void => void (counts[action] = (counts[action] ?? 0) + amount);
  const { buffers } = program;
  const streamed = program.streamed.flatMap((plan) => (plan.kind === 'head' ? [] : [plan]));
  assert.equal(streamed.length, program.streamed.length);
  const input = model.layers[0];
  const parametersUp = sum(streamed.map((plan) => valuesOf(plan).whole));
  const wordsDown = sum(program.passes.map((pass) => (pass.op === 'forward' ? valuesOf(streamed[pass.streamed] as LinearPlan).whole : pass.op === 'delta' ? valuesOf(streamed[pass.streamed] as LinearPlan).weights : 0)));
  const columns = (buffer: number): number[] => runs(buffers[buffer]?.featureEdges ?? []);
  const busyColumns = (buffer: number): number => columns(buffer).filter((features) => features > 0).length;

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
  const linear = (op: 'forward' | 'delta' | 'gradient', plan: LinearPlan, tokens: number): void => {
    if (op === 'forward') axpys(columns(plan.x), plan.outputs, tokens);
    if (op === 'delta') axpys(columns(plan.y), plan.inputs, tokens);
    if (op === 'gradient') outer(columns(plan.x), plan.outputs, tokens);
    if (plan.bias !== null && op !== 'delta') {
      add('biasAdds', plan.outputs * tokens);
      add(op === 'forward' ? 'waveletsSouth' : 'waveletsNorth', plan.outputs);
    }
  };
  /** Each sum goes along the row and comes back; then every tile looks at its own once more. */
  const norm = (op: 'forward' | 'delta' | 'gradient', plan: NormPlan, tokens: number): void => {
    const sums = op === 'gradient' ? 0 : plan.centered ? 2 : 1, parameters = plan.bias === null ? 1 : 2;
    const visits = op === 'gradient' ? parameters : sums + 1, reads = op === 'forward' ? sums + 1 : op === 'gradient' ? 2 : plan.skip === null ? 4 : 5;
    let busy = 0;
    for (const features of columns(plan.x)) {
      if (features === 0) continue;
      add('elementwise', visits * features * tokens);
      add('sramReadWords', reads * features * tokens);
      if (op !== 'gradient') add('sramWriteWords', features * tokens);
      add('tasks', sums + 1);
      add(op === 'gradient' ? 'waveletsNorth' : 'waveletsSouth', features * (op === 'delta' ? 1 : parameters));
      if (busy++ > 0) for (let s = 0; s < sums; s++) add('waveletsEast', 2 * tokens);
    }
  };
  /** Query by query, key by key; head by head over its columns. */
  const attend = (plan: AttentionPlan, row: Row, isDelta: boolean): void => {
    const again = isDelta && plan.scores === null, products = isDelta ? (again ? 5 : 4) : 2, edges = buffers[plan.o]?.featureEdges ?? [];
    for (let head = 0; head < plan.heads; head++) {
      const [from, to] = [head * plan.headSize, (head + 1) * plan.headSize];
      const crossed = edges.slice(1, -1).filter((edge, c) => edge > from && edge < to && edge > (edges[c] as number)).length;
      for (const at of row.places.flat()) {
        for (let key = 0; key <= at; key++) {
          for (let product = 0; product < products; product++) add('macs', plan.headSize);
          add('elementwise', again ? 2 : 1);
          // A sum along the head's columns, and back: the score; the score again and its delta.
          for (let column = 0; column < crossed; column++) add('waveletsEast', again ? 4 : 2);
        }
        add('elementwise', plan.headSize);
      }
    }
    for (let key = 0; key < row.before; key++) {
      add('waveletsSouth', 2 * plan.kvHeads * plan.headSize);
      if (isDelta) add('waveletsNorth', 2 * plan.kvHeads * plan.headSize);
    }
    add('tasks', isDelta ? products * busyColumns(plan.qkv) : 2 * busyColumns(plan.o));
  };
  const readsOf: Record<LocalStep['op'], number> = { relu: 1, gelu: 1, dropout: 1, rotary: 1, swiglu: 2, add: 2, loss: 2, reluDelta: 2, geluDelta: 2, swigluDelta: 3 };
  const local = (step: LocalStep, tokens: number): void => {
    const features = step.op === 'rotary' ? (step.heads + step.kvHeads) * step.headSize : (model.layers[step.layer]?.features ?? 0);
    for (let f = 0; f < features; f++) {
      add('elementwise', tokens);
      add('sramReadWords', tokens * readsOf[step.op]);
      add('sramWriteWords', tokens * (step.op === 'swigluDelta' ? 2 : 1));
    }
    const busy = busyColumns('dst' in step ? step.dst : step.x);
    add('tasks', busy);
    // Maximum and sum of exponentials go along the row and come back.
    if (step.op === 'loss') add('waveletsEast', 4 * tokens * (busy - 1));
  };
  const pass = (step: PassStep, row: Row): void => {
    if (step.op === 'forward' || step.op === 'delta' || step.op === 'gradient') {
      const plan = streamed[step.streamed];
      assert.ok(plan);
      if (plan.kind === 'linear') linear(step.op, plan, row.tokens);
      else norm(step.op, plan, row.tokens);
    } else if (step.op === 'attention' || step.op === 'attentionDelta') attend(program.attentions[step.attention] as AttentionPlan, row, step.op === 'attentionDelta');
    for (const after of step.locals) local(after, row.tokens);
  };
  /** What a range leaves: maximal subtrees over slabs of single tokens, or over samples. */
  const nodesIn = ({ first, count }: SlabRange): number => {
    const together = Math.ceil(batch.tokensPerSample / slab);
    return subtrees(first / together, (first + count) / together);
  };

  for (const microBatch of dealBatch(batch)) {
    const { wafers } = microBatch;
    for (const range of wafers) {
      const tokens = tokensIn(range, batch);
      for (const row of rowsOf(placed, range)) for (const step of program.passes) pass(step, row);
      add('ioInBytes', tokens * 4 * (input?.kind === 'features' ? input.features + 1 : 1) + wordsDown * 4);
      if (tokens === 0) continue;
      add('ioOutBytes', parametersUp * 4);
      add('contractOverhead', (nodesIn(range) - 1) * parametersUp);
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
    add('gradientBytesIn', nodesIn(microBatch) * parametersUp * 4);
  }
  add('sramReadWords', 2 * (counts.macs ?? 0));
  add('sramWriteWords', counts.macs ?? 0);
  add('optimizerElements', model.parameterCount);
  const table = model.layers[1];
  if (table?.kind === 'embedding') {
    const tables = table.positions === null ? 1 : 2, tokens = batch.samples * batch.tokensPerSample;
    add('gatheredRows', tokens * table.context * tables);
    add('weightBytesOut', tokens * table.features * 4 * tables);
  }
  return counts as Counts;
};

const expected = (model: Model, options: Training['options'], shape: ClusterShape): Counts => {
  const once = watched(place(model, options, shape), model, shape.fanIn ?? 4);
  return Object.fromEntries(Object.entries(once).map(([action, amount]) => [action, amount * options.steps])) as Counts;
};
const nonZero = (counts: Counts): Partial<Counts> => Object.fromEntries(Object.entries(counts).filter(([, amount]) => amount !== 0));

test('counts of any run equal those of watching every tile and link', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(dense), aClusterShape(), async ({ model, options }, drawn) => {
      const shape = { ...drawn, ...held };
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
    fc.asyncProperty(aTraining(dense), aClusterShape({ dispatcher: 'thread', numCsxMax: 20, threadsMax: 3 }), async ({ model, options }, drawn) => {
      const shape = { ...drawn, ...held };
      assert.deepEqual(nonZero((await trainOn(shape, model, options)).record.counts.total), nonZero(expected(model, options, shape)));
    }),
    { seed, numRuns: 8 },
  );
});

test('tiles that work one by one count what a sweep counts, device by device', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining({ stepsMax: 1, batchMax: 100 }), aClusterShape({ numCsxMax: 5 }), async ({ model, options }, shape) => {
      const by = async (sweep: 'band' | 'tile') => (await trainOn({ ...shape, ...held, sweep, wafer: { rows: 3, cols: 4, spec: roomyWafer } }, model, options)).record.counts;
      assert.deepEqual(await by('tile'), await by('band'));
    }),
    { seed, numRuns: 15 },
  );
});

test('what a model costs does not depend on the machine', async () => {
  const work = ['macs', 'macsSkipped', 'biasAdds', 'elementwise', 'sramReadWords', 'sramWriteWords', 'optimizerElements', 'gatheredRows'] as const;
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape(), async ({ model, options }, shape) => {
      const fixed = { ...held, recompute: 'none' } as const;
      const { total } = (await trainOn({ ...shape, ...fixed }, model, options)).record.counts;
      const one = (await trainOn({ dispatcher: 'local', wafer: { rows: 1, cols: 1, spec: roomyWafer }, ...fixed }, model, options)).record.counts.total;
      for (const action of work) assert.equal(total[action], one[action], action);
      const trained = (layer: number): boolean => model.layers.slice(0, layer).some(({ kind }) => kind === 'linear' || kind === 'embedding');
      // Two products a score going forward, four going back; a token sees itself and those before it.
      const tokens = model.tokensPerSample, seen = (tokens * (tokens + 1)) / 2;
      const macs = sum(model.layers.map((layer) => (layer.kind === 'linear' ? tokens * layer.inFeatures * layer.features * (trained(layer.id) ? 3 : 2) : layer.kind === 'attention' ? 6 * layer.heads * layer.headSize * seen : 0)));
      assert.equal(total.macs + total.macsSkipped, macs * options.batchSize * options.steps);
      const biases = sum(model.layers.map((layer) => (layer.kind === 'linear' && layer.bias !== null ? layer.features : 0)));
      assert.equal(total.biasAdds, 2 * biases * tokens * options.batchSize * options.steps);
    }),
    { seed, numRuns: 20 },
  );
});
