/**
 * Sparse weights as a plan sees them: given masks, or no more than how many positions they store, spread evenly over blocks.
 *
 *   masks or a share of absent positions ─▶ what each weight makes of the streams (streams.ts)
 *
 * Without masks the fullest column is that of chance: stored positions fall on columns as coins do, and the fullest of many columns lies about √(2 ln columns) deviations above
 * the mean. Not here: choosing positions (sparsity/).
 */
import { streamsOf, streamsOfMask } from '../cluster/mask-streams.js';
import { layerOf, wantsDenseGradient } from '../cluster/masks.js';
import type { LinearPlan } from '../compiler/program.js';
import type { NamedMask, SparseParameter } from '../model/sparsity.js';
import { loadOfColumns } from '../sparsity/load.js';
import { assert } from '../util/errors.js';
import type { PlanContext } from './context.js';
import type { SparseStream } from './streams.js';

/** Fullest ÷ mean column, where `stored` positions of `size` fall on `columns` by chance. */
export const imbalanceByChance = (stored: number, size: number, columns: number): number =>
  stored === 0 || stored === size || columns <= 1 ? 1 : 1 + Math.sqrt((2 * Math.log(columns) * (1 - stored / size) * columns) / stored);

/** Stored positions of each block, where they are spread evenly: whole numbers that add up. */
const evenly = (stored: number, results: number, blocks: LinearPlan['forwardBlocks']) => (block: number): number => {
  const { first = 0, count = 0 } = blocks[block] ?? {};
  return Math.floor((stored * (first + count)) / results) - Math.floor((stored * first) / results);
};

/** A weight of which only the number of stored positions is known. Features on columns come on top: a column of six features of 4,096 is fuller than the mean. */
export const spreadStream = (context: PlanContext, plan: SparseParameter, stored: number, step: number): SparseStream => {
  const layer = layerOf(context.program, plan.parameter), columns = context.columns(layer.x), features = (context.fullest(layer.x) * columns) / layer.inputs;
  return {
    stored, isGradientDense: wantsDenseGradient(plan, step), imbalance: features * imbalanceByChance(stored, layer.inputs * layer.outputs, columns),
    streams: streamsOf(context.program, layer, evenly(stored, layer.outputs, layer.forwardBlocks), evenly(stored, layer.inputs, layer.deltaBlocks)),
  };
};

/** A weight whose mask is known. */
export const maskedStream = (context: PlanContext, plan: SparseParameter, { name, mask }: NamedMask, step: number): SparseStream => {
  const { program } = context, layer = layerOf(program, plan.parameter), { inputs, outputs } = layer;
  assert(mask.length === inputs * outputs, `the mask of ${name} has ${inputs * outputs} positions`);
  return {
    stored: mask.reduce((sum, one) => sum + one, 0), isGradientDense: wantsDenseGradient(plan, step), imbalance: loadOfColumns(mask, inputs, outputs, program.buffers[layer.x]?.featureEdges ?? []).imbalance,
    streams: streamsOfMask(program, layer, mask),
  };
};
