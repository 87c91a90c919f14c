/**
 * What the tiles of a band do for one command, in counted actions: closed formulas of the placement.
 *
 * A weight wavelet starts an AXPY over its tile's tokens: for each multiply-add two words are read (activation, sum) and one written.
 * Weights go down the columns (south), sums along the rows (east), gradients along the columns (north).
 * Not here: bytes at the wafer's edge (wafer/), prices.
 */
import type { BlockPlan, LinearPlan, LocalStep, Program } from '../../compiler/program.js';
import { count } from '../../trace/counts.js';
import { columnsOf, type Share } from './band.js';

const product = (to: Float64Array, macs: number): void => {
  count(to, 'macs', macs);
  count(to, 'sramReadWords', 2 * macs);
  count(to, 'sramWriteWords', macs);
};

export const countForward = (to: Float64Array, program: Program, share: Share, linear: LinearPlan, block: BlockPlan): void => {
  const columns = columnsOf(program, linear.x);
  product(to, linear.inputs * block.count * share.tokens);
  count(to, 'waveletsSouth', linear.inputs * block.count * share.rows);
  count(to, 'waveletsEast', block.count * share.tokens * (columns - 1));
  count(to, 'tasks', (linear.inputs + columns) * block.count * share.rows);
  if (linear.bias !== null) {
    count(to, 'biasAdds', block.count * share.tokens);
    count(to, 'waveletsSouth', block.count * share.rows);
  }
};

export const countDelta = (to: Float64Array, program: Program, share: Share, linear: LinearPlan, block: BlockPlan): void => {
  const columns = columnsOf(program, linear.y);
  product(to, linear.outputs * block.count * share.tokens);
  count(to, 'waveletsSouth', linear.outputs * block.count * share.rows);
  count(to, 'waveletsEast', block.count * share.tokens * (columns - 1));
  count(to, 'tasks', (linear.outputs + columns) * block.count * share.rows);
};

export const countGradient = (to: Float64Array, program: Program, share: Share, linear: LinearPlan, block: BlockPlan): void => {
  const columns = columnsOf(program, linear.x);
  product(to, linear.inputs * block.count * share.tokens);
  count(to, 'waveletsEast', block.count * share.tokens * (columns - 1));
  count(to, 'waveletsNorth', linear.inputs * block.count * share.rows);
  count(to, 'tasks', columns * block.count * share.rows);
  if (linear.bias !== null) {
    count(to, 'biasAdds', block.count * share.tokens);
    count(to, 'waveletsNorth', block.count * share.rows);
  }
};

export const countLocal = (to: Float64Array, program: Program, share: Share, step: LocalStep): void => {
  const buffer = step.op === 'reluDelta' || step.op === 'geluDelta' ? step.dst : step.x;
  const columns = columnsOf(program, buffer);
  const elements = (program.buffers[buffer]?.features ?? 0) * share.tokens;
  count(to, 'elementwise', elements);
  count(to, 'sramReadWords', step.op === 'relu' || step.op === 'gelu' ? elements : 2 * elements);
  count(to, 'sramWriteWords', elements);
  count(to, 'tasks', columns * share.rows);
  // The maximum and the denominator travel along the row and back, the loss of a token once.
  if (step.op === 'loss') count(to, 'waveletsEast', 4 * share.tokens * (columns - 1));
};
