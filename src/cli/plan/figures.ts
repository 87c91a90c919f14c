/** A plan and its price as named figures: the columns of a sweep's table. Units are last in each name. Not here: words (text.ts). */
import type { Price } from '../../index.js';
import type { Figures } from '../../sweep/results.js';
import type { Priced } from './job.js';

/** Figures that fill a table for people and say the same as others. */
const quiet: readonly string[] = ['verdict', 'cycles', 'samplesPerSecond', 'peakFlops', 'denseUtilization', 'totalSeconds', 'rows', 'cols', 'microBatchSizeMax', 'sramLimitBytes', 'watts', 'boundaryShare'];
/** Whether a table for people has a figure. */
export const isShown = (name: string): boolean => !quiet.includes(name);

export const figuresOfPrice = ({ step, totalSeconds, flops, energy, critical, boundarySeconds, verdict }: Price): Figures => ({
  secondsAStep: step.seconds, cycles: step.cycles, tokensPerSecond: step.tokensPerSecond, samplesPerSecond: step.samplesPerSecond,
  utilization: flops.utilization, denseUtilization: flops.denseUtilization, achievedFlops: flops.achieved, denseFlops: flops.denseEquivalent, peakFlops: flops.peak,
  joulesAToken: energy.joulesPerToken, watts: energy.watts, boundBy: mainCause({ critical }), boundaryShare: step.seconds === 0 ? 0 : boundarySeconds / step.seconds, totalSeconds, verdict,
});

/** What bounds most of a step. */
export const mainCause = ({ critical }: Pick<Price, 'critical'>): string => critical.reduce((most, one) => (one.seconds > most.seconds ? one : most), { cause: 'nothing', seconds: 0 }).cause;

export const figuresOfPlan = ({ plan, price }: Priced): Figures => ({
  rows: plan.rectangle.rows, cols: plan.rectangle.cols, microBatchSize: plan.microBatchSize, microBatchSizeMax: plan.microBatchSizeMax, microBatches: plan.microBatches, recompute: plan.recompute,
  sramBytes: plan.sram.totalBytes, sramLimitBytes: plan.sram.limitBytes, stateBytes: plan.memoryX.stateBytes, flashBytes: plan.memoryX.flashBytes,
  ...figuresOfPrice(price),
});
