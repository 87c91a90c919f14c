/**
 * Sending dense weights: a run of columns or rows packed for its product, or values as they lie; rounded where weights are narrow.
 *
 *   weights ─(by chance: apart)─▶ packed in staging ─(to nearest)─▶ a weight slot of the arena
 *
 * Not here: which block is wanted (unit.ts), sparse blocks (sparse-send.ts).
 */
import type { BlockPlan, HeadPlan } from '../../compiler/program.js';
import type { Kernels } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import type { Drawn, Region, WeightRounding } from './rounding.js';

/** A parameter's weights of a step, and the way from them to the arena. */
export interface Sender extends Drawn {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  /** Room for a packed block, and for its values apart where they are rounded by chance. */
  readonly staging: number;
  readonly weights: number;
  readonly arena: WebAssembly.Memory;
  readonly rounding: WeightRounding | null;
}

/** Columns of [n][all]. */
const columns = (weights: number, n: number, all: number, { first, count }: BlockPlan): Region => ({ at: weights + first * 4, stride: all * 4, rows: n, cols: count, first });
/** Rows of [all][n]. */
const rows = (weights: number, n: number, { first, count }: BlockPlan): Region => ({ at: weights + first * n * 4, stride: n * 4, rows: count, cols: n, first: first * n });

/** Where a region's rows can be read: as they lie, or apart where they are rounded by chance or asked to be. */
const settled = (o: Sender, region: Region, apart: boolean): { readonly at: number; readonly stride: number } => {
  const to = o.staging + region.rows * region.cols * 4, there = { at: to, stride: region.cols * 4 };
  if (o.rounding?.byChance === true) o.rounding.region(o.kernels, to, region, o);
  else if (apart) o.kernels.copyRows(to, region.cols * 4, region.at, region.stride, region.rows, region.cols);
  else return region;
  return there;
};

/** What is packed in staging, to the arena. */
const leave = ({ rounding, kernels, memory, staging, arena }: Sender, packed: number, to: number): void => {
  if (rounding?.byChance === false) rounding.nearest(kernels, staging, packed);
  floats(arena, to, packed).set(floats(memory, staging, packed));
};

/** A block for a contraction over n: columns of the weight [n][all], or rows of [all][n]. */
export const sendBlock = (o: Sender, of: { readonly n: number; readonly all: number; readonly isColumns: boolean }, block: BlockPlan, to: number): void => {
  const { n, all, isColumns } = of, { count } = block, { kernels: k, staging } = o;
  if (isColumns) {
    const { at, stride } = settled(o, columns(o.weights, n, all, block), false);
    k.packForward(staging, at, n, stride / 4, 0, count);
  } else k.packDelta(staging, settled(o, rows(o.weights, n, block), false).at, n, 0, count);
  leave(o, n * count, to);
};

/** A streamed head's block turned around, for dx: a contraction over its classes. */
export const sendTurned = (o: Sender, { inputs, outputs, tied }: HeadPlan, block: BlockPlan, to: number): void => {
  const { kernels: k, staging } = o, { count } = block;
  if (tied) k.packForward(staging, settled(o, rows(o.weights, inputs, block), false).at, count, inputs, 0, inputs);
  else k.packDelta(staging, settled(o, columns(o.weights, inputs, outputs, block), true).at, count, 0, inputs);
  leave(o, inputs * count, to);
};

/** `count` values from the dense index `first` on: gains and biases. A view that holds until the next block. */
export const valuesOf = (o: Sender, first: number, count: number): Float32Array => {
  const { rounding, kernels: k, memory, staging } = o, from = o.weights + first * 4;
  if (rounding === null) return floats(memory, from, count);
  if (rounding.byChance) rounding.region(k, staging, { at: from, stride: count * 4, rows: 1, cols: count, first }, o);
  else {
    k.copy(staging, from, count * 4);
    rounding.nearest(k, staging, count);
  }
  return floats(memory, staging, count);
};
