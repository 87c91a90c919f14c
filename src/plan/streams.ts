/**
 * What a pass streams: bytes down and gradient values up of one micro-batch, and the runs that its tiles count by.
 *
 *   dense weights: closed formulas over blocks        sparse ones: what their masks make of the streams (cluster/mask-streams.ts)
 *
 * Not here: how often it is counted on its way (shares.ts), tiles (passes.ts).
 */
import type { MaskStreams } from '../cluster/mask-streams.js';
import { gradientRun, headRun, linearRun, type Run } from '../cluster/tile/count.js';
import type { HeadPlan, LinearPlan, NormPlan } from '../compiler/program.js';
import { overBlocks, type PlanContext } from './context.js';

/** What a step knows of a sparse weight. */
export interface SparseStream {
  readonly stored: number;
  readonly streams: MaskStreams;
  /** The gradient is formed at every position. */
  readonly isGradientDense: boolean;
  /** Stored positions of the fullest column of tiles ÷ their mean over columns. */
  readonly imbalance: number;
}

export interface Streamed {
  /** Bytes that leave MemoryX for a micro-batch, whether or not they are broadcast as blocks. */
  readonly down: number;
  /** Values of a gradient that leave each wafer. */
  readonly up: number;
  readonly run: Run;
  readonly blocks: number;
}

export type StreamingOp = 'linear.forward' | 'linear.delta' | 'linear.gradient';

/** All runs of a pass as one. */
const sumOf = (results: number, stored: number, wavelets: number, biasWavelets: number): Run => ({ results, stored, wavelets, biasWavelets });

export const linearStreamed = (context: PlanContext, op: StreamingOp, plan: LinearPlan, sparse: SparseStream | null): Streamed => {
  const { program, weightBytes } = context, isDelta = op === 'linear.delta', blocks = isDelta ? plan.deltaBlocks : plan.forwardBlocks;
  const contracted = isDelta ? plan.outputs : plan.inputs, results = isDelta ? plan.inputs : plan.outputs, all = plan.inputs * plan.outputs, bias = plan.bias === null ? 0 : plan.outputs;
  const runOf = (count: number): Run => (op === 'linear.gradient' ? gradientRun(count, contracted * count, contracted * count) : linearRun(program, plan, count, contracted * count, contracted * count));
  const biasWavelets = op === 'linear.forward' ? overBlocks(blocks, (count) => runOf(count).biasWavelets) : 0;
  if (sparse === null || (op === 'linear.gradient' && sparse.isGradientDense)) {
    const wavelets = overBlocks(blocks, (count) => runOf(count).wavelets);
    if (op === 'linear.gradient') return { down: 0, up: all + bias, run: sumOf(results, all, wavelets, 0), blocks: blocks.length };
    return { down: weightBytes * (all + (isDelta ? 0 : bias)), up: 0, run: sumOf(results, all, wavelets, biasWavelets), blocks: blocks.length };
  }
  const { streams, stored } = sparse;
  if (op === 'linear.gradient') return { down: streams.gradientBytes, up: stored + bias, run: sumOf(results, stored, streams.gradientWavelets, 0), blocks: blocks.length };
  return isDelta
    ? { down: streams.deltaBytes, up: 0, run: sumOf(results, stored, streams.deltaWavelets, 0), blocks: blocks.length }
    : { down: streams.forwardBytes + weightBytes * bias, up: 0, run: sumOf(results, stored, streams.forwardWavelets, biasWavelets), blocks: blocks.length };
};

export const normStreamed = ({ weightBytes }: PlanContext, op: 'norm.forward' | 'norm.delta' | 'norm.gradient', plan: NormPlan): Streamed => {
  const tensors = plan.bias === null ? 1 : 2, run = sumOf(plan.inputs, plan.inputs, 0, 0);
  if (op === 'norm.gradient') return { down: 0, up: plan.inputs * tensors, run, blocks: 1 };
  return { down: weightBytes * plan.inputs * (op === 'norm.delta' ? 1 : tensors), up: 0, run, blocks: 1 };
};

export const headStreamed = ({ program, weightBytes }: PlanContext, isDelta: boolean, plan: HeadPlan): Streamed => {
  const { inputs, outputs, forwardBlocks: blocks } = plan, bias = plan.bias === null ? 0 : outputs;
  return {
    down: weightBytes * (inputs * outputs * (isDelta ? 2 : 1) + bias), up: isDelta ? inputs * outputs + bias : 0,
    run: sumOf(outputs, inputs * outputs, overBlocks(blocks, (count) => headRun(program, plan, count, isDelta).wavelets), 0), blocks: blocks.length,
  };
};
