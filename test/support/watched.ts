/**
 * The action counts of a step by watching every tile and every link, as the machine would be watched; the devices use sums over rows and columns.
 *
 * Logits that are made block by block are not watched. Not here: the law (laws/counts.test.ts).
 */
import assert from 'node:assert/strict';
import { dealBatch, lanesIn, tokensIn, tokensInSlab, type SlabRange } from '../../src/cluster/deal.js';
import type { AttentionPlan, BlockPlan, LinearPlan, LocalStep, NormPlan, PassStep } from '../../src/compiler/program.js';
import type { Action, Counts, Model, NumberType } from '../../src/index.js';
import type { Placed } from './placed.js';

const slab = 32;

/** Maximal aligned subtrees that cover leaves first … end−1, by descent from the root. */
const subtrees = (first: number, end: number, at = 0, span = 2 ** 30): number =>
  first >= end || at >= end || at + span <= first ? 0 : first <= at && at + span <= end ? 1 : subtrees(first, end, at, span / 2) + subtrees(first, end, at + span / 2, span / 2);

export const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
const runs = (edges: readonly number[]): number[] => edges.slice(1).map((edge, i) => edge - (edges[i] as number));

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

/** What a step knows of a sparse weight: its mask, and whether its gradient is formed at every position. */
export interface SparseWeight {
  readonly mask: Uint8Array;
  readonly isGradientDense: boolean;
}
/** By parameter. */
export type SparseWeights = ReadonlyMap<number, SparseWeight>;

/** Stored positions of a block: of some outputs, or of some inputs for a delta. */
const storedIn = ({ mask }: SparseWeight, { inputs, outputs }: LinearPlan, { first, count }: BlockPlan, isDelta: boolean): number => {
  let stored = 0;
  for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) if ((isDelta ? i : o) >= first && (isDelta ? i : o) < first + count) stored += mask[i * outputs + o] as number;
  return stored;
};
/** Bytes of a number: narrow types have two. */
const bytesOfType = (type: NumberType): number => (type === 'float32' ? 4 : 2);
/** A value and an index of two bytes each; a block that is full needs no indices. */
const weightBytes = (each: number) => (stored: number, all: number): number => (stored === all ? each * all : (each + 2) * stored);
const indexBytes = (stored: number, all: number): number => (stored === all ? 0 : 2 * stored);

/** Bytes of a streamed layer that go down for a pass, and values that come up. */
const streamedBytes = (plan: LinearPlan | NormPlan, sparse: SparseWeights, each: number): { readonly forward: number; readonly delta: number; readonly gradient: number; readonly up: number } => {
  const weights = plan.kind === 'norm' ? plan.inputs : plan.inputs * plan.outputs, bias = plan.bias === null ? 0 : plan.outputs, weight = sparse.get(plan.weight);
  if (plan.kind === 'norm' || weight === undefined) return { forward: each * (weights + bias), delta: each * weights, gradient: 0, up: weights + bias };
  const blocks = (list: readonly BlockPlan[], isDelta: boolean, bytes: (stored: number, all: number) => number): number => sum(list.map((block) => bytes(storedIn(weight, plan, block, isDelta), block.count * (isDelta ? plan.outputs : plan.inputs))));
  return {
    forward: blocks(plan.forwardBlocks, false, weightBytes(each)) + each * bias, delta: blocks(plan.deltaBlocks, true, weightBytes(each)),
    gradient: weight.isGradientDense ? 0 : blocks(plan.forwardBlocks, false, indexBytes), up: (weight.isGradientDense ? weights : sum([...weight.mask])) + bias,
  };
};

/** Counts of one step, watched tile by tile and link by link; `sparse`: the weights that are. */
export const watched = (placed: Placed, model: Model, fanIn: number, sparse: SparseWeights): Counts => {
  const { program, batch } = placed;
  const counts: Partial<Counts> = {};
  const add = (action: Action, amount: number): void => void (counts[action] = (counts[action] ?? 0) + amount);
  const { buffers } = program, each = bytesOfType(program.numbers.weights);
  /** Wavelets of values of a block: 4 bytes each. */
  const wavelets = (values: number): number => Math.ceil((values * each) / 4);
  const streamed = program.streamed.flatMap((plan) => (plan.kind === 'head' ? [] : [plan]));
  assert.equal(streamed.length, program.streamed.length);
  const input = model.layers[0];
  const bytesOf = streamed.map((plan) => streamedBytes(plan, sparse, each)), parametersUp = sum(bytesOf.map(({ up }) => up));
  const bytesDown = sum(program.passes.map((pass) => (pass.op === 'forward' || pass.op === 'delta' || pass.op === 'gradient' ? (bytesOf[pass.streamed]?.[pass.op] ?? 0) : 0)));
  const columns = (buffer: number): number[] => runs(buffers[buffer]?.featureEdges ?? []);
  const busyColumns = (buffer: number): number => columns(buffer).filter((features) => features > 0).length;

  /** One product: contracted features on the tiles, results in turn, block by block, for one row with `tokens` tokens. */
  const axpys = (contracted: readonly number[], blocks: readonly BlockPlan[], tokens: number): void => {
    const results = sum(blocks.map(({ count }) => count));
    for (const { count } of blocks) add('waveletsSouth', wavelets(sum(contracted) * count));
    let busy = 0;
    for (const features of contracted) {
      if (features === 0) continue;
      for (let f = 0; f < features; f++) {
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
  /** The same at the stored positions of each block. */
  const sparsely = (op: 'forward' | 'delta' | 'gradient', plan: LinearPlan, weight: SparseWeight, tokens: number): void => {
    const isDelta = op === 'delta', busy = busyColumns(isDelta ? plan.y : plan.x);
    for (const block of isDelta ? plan.deltaBlocks : plan.forwardBlocks) {
      const all = block.count * (isDelta ? plan.outputs : plan.inputs), stored = storedIn(weight, plan, block, isDelta);
      for (let position = 0; position < stored; position++) {
        add('macs', tokens);
        if (op === 'gradient') add('waveletsNorth', 1);
        else add('tasks', 1);
      }
      add('macsSkipped', (all - stored) * tokens);
      add('waveletsSouth', Math.ceil((op === 'gradient' ? indexBytes : weightBytes(each))(stored, all) / 4));
      add('tasks', busy * block.count);
      add('waveletsEast', (busy - 1) * block.count * tokens);
    }
  };
  const linear = (op: 'forward' | 'delta' | 'gradient', plan: LinearPlan, tokens: number): void => {
    const weight = sparse.get(plan.weight);
    if (weight !== undefined && !(op === 'gradient' && weight.isGradientDense)) sparsely(op, plan, weight, tokens);
    else if (op === 'forward') axpys(columns(plan.x), plan.forwardBlocks, tokens);
    else if (op === 'delta') axpys(columns(plan.y), plan.deltaBlocks, tokens);
    else outer(columns(plan.x), plan.outputs, tokens);
    if (plan.bias !== null && op !== 'delta') {
      add('biasAdds', plan.outputs * tokens);
      if (op === 'forward') for (const { count } of plan.forwardBlocks) add('waveletsSouth', wavelets(count));
      else add('waveletsNorth', plan.outputs);
    }
  };
  /** Each sum goes along the row and comes back; then every tile looks at its own once more. */
  const norm = (op: 'forward' | 'delta' | 'gradient', plan: NormPlan, tokens: number): void => {
    const sums = op === 'gradient' ? 0 : plan.centered ? 2 : 1, parameters = plan.bias === null ? 1 : 2;
    const visits = op === 'gradient' ? parameters : sums + 1, reads = op === 'forward' ? sums + 1 : op === 'gradient' ? 2 : plan.skip === null ? 4 : 5;
    let busy = 0;
    if (op !== 'gradient') add('waveletsSouth', wavelets(plan.inputs * (op === 'delta' ? 1 : parameters)));
    for (const features of columns(plan.x)) {
      if (features === 0) continue;
      add('elementwise', visits * features * tokens);
      add('sramReadWords', reads * features * tokens);
      if (op !== 'gradient') add('sramWriteWords', features * tokens);
      add('tasks', sums + 1);
      if (op === 'gradient') add('waveletsNorth', features * parameters);
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
  const readsOf: Record<Exclude<LocalStep['op'], 'round'>, number> = { relu: 1, gelu: 1, dropout: 1, rotary: 1, swiglu: 2, add: 2, loss: 2, reluDelta: 2, geluDelta: 2, swigluDelta: 3 };
  const local = (step: LocalStep, tokens: number): void => {
    // Rounded on its way into SRAM.
    if (step.op === 'round') return;
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
  /** A value of every feature of a buffer and token crosses the wafer's edge. */
  const cross = (buffer: number | undefined, tokens: number, action: 'ioInBytes' | 'ioOutBytes'): void => {
    for (let token = 0; buffer !== undefined && token < tokens; token++) for (const features of columns(buffer)) add(action, features * bytesOfType(program.numbers.activations));
  };
  const pass = (step: PassStep, row: Row): void => {
    cross(step.returns, row.tokens, 'ioInBytes');
    cross(step.leaves, row.tokens, 'ioOutBytes');
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
      add('ioInBytes', tokens * (4 + (input?.kind === 'features' ? input.features * bytesOfType(program.numbers.activations) : 0)) + bytesDown);
      if (tokens === 0) continue;
      add('ioOutBytes', parametersUp * 4);
      add('contractOverhead', (nodesIn(range) - 1) * parametersUp);
    }
    // Level by level from the wafers to the root: a link each, busy upwards where something below has samples.
    let below = wafers.map((range) => range.count > 0);
    do {
      add('linkDownBytes', below.length * bytesDown);
      const above: boolean[] = [];
      for (let i = 0; i < below.length; i += fanIn) {
        const senders = below.slice(i, i + fanIn).filter(Boolean).length;
        add('linkUpBytes', senders * parametersUp * 4);
        add('reduceAdds', Math.max(0, senders - 1) * parametersUp);
        above.push(senders > 0);
      }
      below = above;
    } while (below.length > 1);
    add('weightBytesOut', bytesDown);
    add('gradientBytesIn', nodesIn(microBatch) * parametersUp * 4);
  }
  add('sramReadWords', 2 * (counts.macs ?? 0));
  add('sramWriteWords', counts.macs ?? 0);
  add('optimizerElements', sum(model.parameters.map(({ index, size }) => sum([...(sparse.get(index)?.mask ?? [size])]))));
  const table = model.layers[1];
  if (table?.kind === 'embedding') {
    const tables = table.positions === null ? 1 : 2, tokens = batch.samples * batch.tokensPerSample;
    add('gatheredRows', tokens * table.context * tables);
    add('weightBytesOut', tokens * table.features * each * tables);
  }
  return counts as Counts;
};
