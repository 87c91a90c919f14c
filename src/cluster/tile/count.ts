/**
 * What the tiles of a band do for one command, in counted actions: closed formulas of the placement.
 *
 * A weight wavelet starts an AXPY over its tile's tokens: for each multiply-add two words are read (activation, sum) and one written.
 * Weights go down the columns (south), sums along the rows (east), gradients along the columns (north).
 * Not here: bytes at the wafer's edge (wafer/), prices.
 */
import type { HeadPlan, LinearPlan, LocalStep, NormPlan, Program } from '../../compiler/program.js';
import { numberFormats } from '../../model/precision.js';
import { count } from '../../trace/counts.js';
import { sparsePacket } from '../../spec/wafer.js';
import { weightBytes } from '../sparse-block.js';
import { columnsOf, type Share } from './band.js';

/** The part of a band, or of a whole wafer, that counts. */
export type TileShare = Pick<Share, 'tokens' | 'rows' | 'evaluate'>;

/** Products at the stored ones of `all` positions. */
const product = (to: Float64Array, macs: number, skipped = 0): void => {
  count(to, 'macs', macs);
  count(to, 'macsSkipped', skipped);
  count(to, 'sramReadWords', 2 * macs);
  count(to, 'sramWriteWords', macs);
};

/** A run of results whose weights travel together: a block, or all blocks of a pass; and what travels of them. */
export interface Run {
  readonly results: number;
  /** Positions that a mask stores; all of a dense weight's. */
  readonly stored: number;
  /** Wavelets of its weights (for a gradient: of the positions that are wanted), 4 bytes each; and of its biases. */
  readonly wavelets: number;
  readonly biasWavelets: number;
}

const waveletsOf = (bytes: number): number => Math.ceil(bytes / 4);
/** Bytes of parameters that come as they are. */
export const valueBytesOf = (program: Program, count: number): number => count * numberFormats[program.numbers.weights].bytes;
const valueWavelets = (program: Program, count: number): number => waveletsOf(valueBytesOf(program, count));

/** A block of a linear layer on its way down: values, or packets of value and index where some are absent. `all`: its positions. */
export const linearRun = (program: Program, plan: LinearPlan, results: number, stored: number, all: number): Run => ({
  results, stored, wavelets: waveletsOf(weightBytes(stored, all, sparsePacket.indexBytes, numberFormats[program.numbers.weights].bytes)), biasWavelets: plan.bias === null ? 0 : valueWavelets(program, results),
});
/** A block whose gradient is wanted: where some positions are absent, their indices come down. */
export const gradientRun = (results: number, stored: number, all: number): Run => ({ results, stored, wavelets: stored < all ? waveletsOf(stored * sparsePacket.indexBytes) : 0, biasWavelets: 0 });
/** A block of a streamed head, whose weights travel once or, with those of the delta, twice. */
export const headRun = (program: Program, head: HeadPlan, results: number, isDelta: boolean): Run =>
  ({ results, stored: head.inputs * results, wavelets: valueWavelets(program, (head.inputs * (isDelta && head.dx !== null ? 2 : 1) + (head.bias === null ? 0 : 1)) * results), biasWavelets: 0 });

export const countForward = (to: Float64Array, program: Program, share: TileShare, linear: LinearPlan, { results, stored, wavelets, biasWavelets }: Run): void => {
  const columns = columnsOf(program, linear.x), all = linear.inputs * results;
  product(to, stored * share.tokens, (all - stored) * share.tokens);
  count(to, 'waveletsSouth', (wavelets + biasWavelets) * share.rows);
  count(to, 'waveletsEast', results * share.tokens * (columns - 1));
  count(to, 'tasks', (stored + columns * results) * share.rows);
  if (linear.bias !== null) count(to, 'biasAdds', results * share.tokens);
};

export const countDelta = (to: Float64Array, program: Program, share: TileShare, linear: LinearPlan, { results, stored, wavelets }: Run): void => {
  const columns = columnsOf(program, linear.y), all = linear.outputs * results;
  product(to, stored * share.tokens, (all - stored) * share.tokens);
  count(to, 'waveletsSouth', wavelets * share.rows);
  count(to, 'waveletsEast', results * share.tokens * (columns - 1));
  count(to, 'tasks', (stored + columns * results) * share.rows);
};

/** The positions of a sparse block's gradient came down as indices. */
export const countGradient = (to: Float64Array, program: Program, share: TileShare, linear: LinearPlan, { results, stored, wavelets }: Run): void => {
  const columns = columnsOf(program, linear.x), all = linear.inputs * results, bias = linear.bias === null ? 0 : results;
  product(to, stored * share.tokens, (all - stored) * share.tokens);
  count(to, 'waveletsSouth', wavelets * share.rows);
  count(to, 'waveletsEast', results * share.tokens * (columns - 1));
  count(to, 'waveletsNorth', (stored + bias) * share.rows);
  count(to, 'tasks', columns * results * share.rows);
  count(to, 'biasAdds', bias * share.tokens);
};

/** Blocks of a streamed head: their logits; and in the last pass the delta, dx and the gradient. */
export const countHead = (to: Float64Array, program: Program, share: TileShare, head: HeadPlan, { results, wavelets }: Run, blocks: number, isDelta: boolean): void => {
  const columns = columnsOf(program, head.x), outputs = columnsOf(program, head.y);
  const products = isDelta ? (head.dx === null ? 2 : 3) : 1, biases = head.bias === null ? 0 : isDelta ? 2 : 1;
  product(to, products * head.inputs * results * share.tokens);
  count(to, 'elementwise', results * share.tokens * (isDelta ? 2 : 1));
  count(to, 'waveletsSouth', wavelets * share.rows);
  count(to, 'waveletsEast', (results * share.tokens * (isDelta ? 2 : 1)) * (columns - 1) + (isDelta && head.dx !== null ? blocks * head.inputs * share.tokens * (outputs - 1) : 0));
  count(to, 'biasAdds', biases * results * share.tokens);
  if (isDelta) count(to, 'waveletsNorth', (head.inputs + (head.bias === null ? 0 : 1)) * results * share.rows);
  count(to, 'tasks', (head.inputs + columns) * results * share.rows);
};

/** Activations of a buffer that leave the wafer, or come back to it. */
export const countOffload = (to: Float64Array, program: Program, share: TileShare, buffer: number, direction: 'ioInBytes' | 'ioOutBytes'): void =>
  count(to, direction, (program.buffers[buffer]?.features ?? 0) * share.tokens * numberFormats[program.numbers.activations].bytes);

/** Two sums over the row and back, and one more visit: what a norm does to `passes` tensors of its width. */
const normPasses = (to: Float64Array, program: Program, share: TileShare, norm: NormPlan, visits: { readonly elements: number; readonly reads: number; readonly writes: number; readonly sums: number }): void => {
  const columns = columnsOf(program, norm.x), elements = norm.inputs * share.tokens;
  count(to, 'elementwise', visits.elements * elements);
  count(to, 'sramReadWords', visits.reads * elements);
  count(to, 'sramWriteWords', visits.writes * elements);
  count(to, 'waveletsEast', 2 * visits.sums * share.tokens * (columns - 1));
  count(to, 'tasks', (visits.sums + 1) * columns * share.rows);
};

export const countNorm = (to: Float64Array, program: Program, share: TileShare, norm: NormPlan): void => {
  const sums = norm.centered ? 2 : 1;
  normPasses(to, program, share, norm, { elements: sums + 1, reads: sums + 1, writes: 1, sums });
  count(to, 'waveletsSouth', valueWavelets(program, norm.inputs * (norm.bias === null ? 1 : 2)) * share.rows);
};

export const countNormDelta = (to: Float64Array, program: Program, share: TileShare, norm: NormPlan): void => {
  const sums = norm.centered ? 2 : 1;
  normPasses(to, program, share, norm, { elements: sums + 1, reads: 4 + (norm.skip === null ? 0 : 1), writes: 1, sums });
  count(to, 'waveletsSouth', valueWavelets(program, norm.inputs) * share.rows);
};

export const countNormGradient = (to: Float64Array, program: Program, share: TileShare, norm: NormPlan): void => {
  const tensors = norm.bias === null ? 1 : 2;
  normPasses(to, program, share, norm, { elements: tensors, reads: 2, writes: 0, sums: 0 });
  count(to, 'waveletsNorth', norm.inputs * tensors * share.rows);
};

/** Words that a local step reads for each element that it writes. */
const reads: Readonly<Record<Exclude<LocalStep['op'], 'round'>, number>> = { relu: 1, gelu: 1, swiglu: 2, dropout: 1, rotary: 1, add: 2, reluDelta: 2, geluDelta: 2, swigluDelta: 3, loss: 2 };

export const countLocal = (to: Float64Array, program: Program, share: TileShare, step: LocalStep): void => {
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
