/**
 * What the tiles of a band do for one command, in counted actions: closed formulas of the placement.
 *
 * A weight wavelet starts an AXPY over its tile's tokens: for each multiply-add two words are read (activation, sum) and one written.
 * Weights go down the columns (south), sums along the rows (east), gradients along the columns (north).
 * Not here: bytes at the wafer's edge (wafer/), prices.
 */
import type { BlockPlan, HeadPlan, LinearPlan, LocalStep, NormPlan, Program } from '../../compiler/program.js';
import { numberFormats } from '../../model/precision.js';
import { count } from '../../trace/counts.js';
import { sparsePacket } from '../../spec/wafer.js';
import { weightBytes } from '../sparse-block.js';
import { columnsOf, type Share } from './band.js';

/** Products at the stored ones of `all` positions. */
const product = (to: Float64Array, macs: number, skipped = 0): void => {
  count(to, 'macs', macs);
  count(to, 'macsSkipped', skipped);
  count(to, 'sramReadWords', 2 * macs);
  count(to, 'sramWriteWords', macs);
};

/** Wavelets of a block's weights, 4 bytes each: values, or packets of value and index where some are absent. */
const weightWavelets = ({ numbers }: Program, stored: number, all: number): number => Math.ceil(weightBytes(stored, all, sparsePacket.indexBytes, numberFormats[numbers.weights].bytes) / 4);
/** Those of parameters that come as they are. */
const valueWavelets = (program: Program, count: number): number => weightWavelets(program, count, count);

/** `stored`: positions of the block that a mask stores; all of a dense weight's. */
export const countForward = (to: Float64Array, program: Program, share: Share, linear: LinearPlan, block: BlockPlan, stored: number): void => {
  const columns = columnsOf(program, linear.x), all = linear.inputs * block.count;
  product(to, stored * share.tokens, (all - stored) * share.tokens);
  count(to, 'waveletsSouth', weightWavelets(program, stored, all) * share.rows);
  count(to, 'waveletsEast', block.count * share.tokens * (columns - 1));
  count(to, 'tasks', (stored + columns * block.count) * share.rows);
  if (linear.bias !== null) {
    count(to, 'biasAdds', block.count * share.tokens);
    count(to, 'waveletsSouth', valueWavelets(program, block.count) * share.rows);
  }
};

export const countDelta = (to: Float64Array, program: Program, share: Share, linear: LinearPlan, block: BlockPlan, stored: number): void => {
  const columns = columnsOf(program, linear.y), all = linear.outputs * block.count;
  product(to, stored * share.tokens, (all - stored) * share.tokens);
  count(to, 'waveletsSouth', weightWavelets(program, stored, all) * share.rows);
  count(to, 'waveletsEast', block.count * share.tokens * (columns - 1));
  count(to, 'tasks', (stored + columns * block.count) * share.rows);
};

/** The positions of a sparse block's gradient came down as indices. */
export const countGradient = (to: Float64Array, program: Program, share: Share, linear: LinearPlan, block: BlockPlan, stored: number): void => {
  const columns = columnsOf(program, linear.x), all = linear.inputs * block.count;
  product(to, stored * share.tokens, (all - stored) * share.tokens);
  if (stored < all) count(to, 'waveletsSouth', Math.ceil((stored * sparsePacket.indexBytes) / 4) * share.rows);
  count(to, 'waveletsEast', block.count * share.tokens * (columns - 1));
  count(to, 'waveletsNorth', stored * share.rows);
  count(to, 'tasks', columns * block.count * share.rows);
  if (linear.bias !== null) {
    count(to, 'biasAdds', block.count * share.tokens);
    count(to, 'waveletsNorth', block.count * share.rows);
  }
};

/** A block of a streamed head: its logits; and in the last pass the delta, dx and the gradient. */
export const countHead = (to: Float64Array, program: Program, share: Share, head: HeadPlan, block: BlockPlan, isDelta: boolean): void => {
  const columns = columnsOf(program, head.x), outputs = columnsOf(program, head.y);
  const products = isDelta ? (head.dx === null ? 2 : 3) : 1, biases = head.bias === null ? 0 : isDelta ? 2 : 1;
  product(to, products * head.inputs * block.count * share.tokens);
  count(to, 'elementwise', block.count * share.tokens * (isDelta ? 2 : 1));
  count(to, 'waveletsSouth', valueWavelets(program, (head.inputs * (isDelta && head.dx !== null ? 2 : 1) + (head.bias === null ? 0 : 1)) * block.count) * share.rows);
  count(to, 'waveletsEast', (block.count * share.tokens * (isDelta ? 2 : 1)) * (columns - 1) + (isDelta && head.dx !== null ? head.inputs * share.tokens * (outputs - 1) : 0));
  count(to, 'biasAdds', biases * block.count * share.tokens);
  if (isDelta) count(to, 'waveletsNorth', (head.inputs + (head.bias === null ? 0 : 1)) * block.count * share.rows);
  count(to, 'tasks', (head.inputs + columns) * block.count * share.rows);
};

/** Two sums over the row and back, and one more visit: what a norm does to `passes` tensors of its width. */
const normPasses = (to: Float64Array, program: Program, share: Share, norm: NormPlan, visits: { readonly elements: number; readonly reads: number; readonly writes: number; readonly sums: number }): void => {
  const columns = columnsOf(program, norm.x), elements = norm.inputs * share.tokens;
  count(to, 'elementwise', visits.elements * elements);
  count(to, 'sramReadWords', visits.reads * elements);
  count(to, 'sramWriteWords', visits.writes * elements);
  count(to, 'waveletsEast', 2 * visits.sums * share.tokens * (columns - 1));
  count(to, 'tasks', (visits.sums + 1) * columns * share.rows);
};

export const countNorm = (to: Float64Array, program: Program, share: Share, norm: NormPlan): void => {
  const sums = norm.centered ? 2 : 1;
  normPasses(to, program, share, norm, { elements: sums + 1, reads: sums + 1, writes: 1, sums });
  count(to, 'waveletsSouth', valueWavelets(program, norm.inputs * (norm.bias === null ? 1 : 2)) * share.rows);
};

export const countNormDelta = (to: Float64Array, program: Program, share: Share, norm: NormPlan): void => {
  const sums = norm.centered ? 2 : 1;
  normPasses(to, program, share, norm, { elements: sums + 1, reads: 4 + (norm.skip === null ? 0 : 1), writes: 1, sums });
  count(to, 'waveletsSouth', valueWavelets(program, norm.inputs) * share.rows);
};

export const countNormGradient = (to: Float64Array, program: Program, share: Share, norm: NormPlan): void => {
  const tensors = norm.bias === null ? 1 : 2;
  normPasses(to, program, share, norm, { elements: tensors, reads: 2, writes: 0, sums: 0 });
  count(to, 'waveletsNorth', norm.inputs * tensors * share.rows);
};

/** Words that a local step reads for each element that it writes. */
const reads: Readonly<Record<Exclude<LocalStep['op'], 'round'>, number>> = { relu: 1, gelu: 1, swiglu: 2, dropout: 1, rotary: 1, add: 2, reluDelta: 2, geluDelta: 2, swigluDelta: 3, loss: 2 };

export const countLocal = (to: Float64Array, program: Program, share: Share, step: LocalStep): void => {
  const columns = columnsOf(program, step.op === 'reluDelta' || step.op === 'geluDelta' || step.op === 'swigluDelta' ? step.dst : step.x);
  // A value is rounded on its way into SRAM.
  if (step.op === 'round' || (step.op === 'dropout' && share.evaluate)) return;
  const features = step.op === 'rotary' ? (step.heads + step.kvHeads) * step.headSize : (program.model.layers[step.layer]?.features ?? 0);
  const elements = features * share.tokens;
  count(to, 'elementwise', elements);
  count(to, 'sramReadWords', reads[step.op] * elements);
  count(to, 'sramWriteWords', step.op === 'swigluDelta' ? 2 * elements : elements);
  count(to, 'tasks', columns * share.rows);
  // The maximum and the denominator travel along the row and back, the loss of a token once.
  if (step.op === 'loss') count(to, 'waveletsEast', 4 * share.tokens * (columns - 1));
};
