/**
 * The map of a wafer: what the tiles of the fullest wafer do in one step, as factors of columns and rows.
 *
 * Sparse weights are spread by their density; where their zeros lie shows in the fullest tile alone (tile-work.ts). Not here: drawing it (report/).
 */
import type { PassStep, Program } from '../compiler/program.js';
import type { WaferMap } from '../trace/work.js';
import type { PlanContext } from './context.js';
import { attentionPlan, streamedPlan } from './passes.js';
import { rowsOfShare, type MicroBatchGroup } from './shares.js';

/** Adds `amount` for each feature that a column holds. */
type Columns = Map<readonly number[], number>;

const addTo = (columns: Columns, edges: readonly number[], amount: number): void => void columns.set(edges, (columns.get(edges) ?? 0) + amount);
const spread = (columns: Columns, cols: number): number[] => {
  const sums = Array.from({ length: cols }, () => 0);
  for (const [edges, amount] of columns) for (let c = 0; c < cols; c++) sums[c] = (sums[c] as number) + amount * ((edges[c + 1] ?? 0) - (edges[c] ?? 0));
  return sums;
};

const heldBuffers = new WeakMap<Program, Columns>();

/** Bytes of each feature and token that stand on the wafer all the time: what waits elsewhere is there only while a block works. */
const heldBy = (program: Program, activationBytes: number): Columns => {
  const found = heldBuffers.get(program), held: Columns = found ?? new Map<readonly number[], number>();
  if (found !== undefined) return found;
  const offloaded = new Set<number>();
  for (const { leaves } of program.passes) if (leaves !== undefined) offloaded.add(leaves);
  program.buffers.forEach(({ featureEdges, scratch }, buffer) => {
    if (!offloaded.has(buffer)) addTo(held, featureEdges, scratch ? 4 : activationBytes);
  });
  heldBuffers.set(program, held);
  return held;
};

/** `densityOf`: stored share of a streamed layer's weight. */
export const mapOf = (context: PlanContext, passes: readonly { readonly pass: PassStep; readonly times: number }[], groups: readonly MicroBatchGroup[], densityOf: (streamed: number) => number): WaferMap => {
  const { program, batch } = context, { cols } = program.rectangle, microBatches = groups.reduce((sum, { times }) => sum + times, 0);
  const products: Columns = new Map(), scores: Columns = new Map(), south: Columns = new Map(), east: Columns = new Map(), held: Columns = new Map();
  const edgesOf = (buffer: number): readonly number[] => program.buffers[buffer]?.featureEdges ?? [];
  for (const { pass, times } of passes) {
    const plan = streamedPlan(context, pass), attention = attentionPlan(context, pass);
    if (plan !== null && plan.kind !== 'norm' && 'streamed' in pass) {
      const isDelta = pass.op === 'delta', results = isDelta ? plan.inputs : plan.outputs, density = densityOf(pass.streamed), edges = edgesOf(isDelta ? plan.y : plan.x);
      addTo(products, edges, times * results * density * (pass.op === 'headDelta' ? 2 : 1));
      if (pass.op !== 'gradient') addTo(south, edges, (times * results * density * context.weightBytes) / 4);
      addTo(east, edges, times * results);
      if (pass.op === 'headDelta' && plan.dx !== null) addTo(products, edgesOf(plan.y), (times * plan.inputs * plan.outputs) / (program.buffers[plan.y]?.features ?? 1));
    }
    if (attention !== null) addTo(scores, edgesOf(attention.o), times * (pass.op === 'attentionDelta' ? (attention.scores === null ? 5 : 4) : 2));
  }
  for (const [edges, bytes] of heldBy(program, context.activationBytes)) addTo(held, edges, bytes);
  const rows = program.rowEdges.length - 1, tokens = new Float64Array(rows), pairs = new Float64Array(rows), heldTokens = new Float64Array(rows);
  for (const { fullest, times } of groups) {
    const of = rowsOfShare(program, batch, fullest.share);
    for (let r = 0; r < rows; r++) {
      tokens[r] = (tokens[r] as number) + times * (of.tokens[r] as number);
      pairs[r] = (pairs[r] as number) + times * (of.pairs[r] as number);
      heldTokens[r] = Math.max(heldTokens[r] as number, of.tokens[r] as number);
    }
  }
  // A partial sum passes every column behind the first that has features of it.
  const eastward = Array.from({ length: cols }, () => 0);
  for (const [edges, amount] of east) for (let c = 1; c < cols; c++) if ((edges[c + 1] ?? 0) > (edges[c] ?? 0)) eastward[c] = (eastward[c] as number) + amount;
  return {
    products: spread(products, cols), scores: spread(scores, cols), south: spread(south, cols).map((wavelets) => wavelets * microBatches), east: eastward, activationBytes: spread(held, cols),
    tokens: [...tokens], pairs: [...pairs], heldTokens: [...heldTokens],
  };
};
