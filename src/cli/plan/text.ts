/** A plan and its price in words and small tables, for people. Not here: figures for tables (figures.ts), pages (report/). */
import type { CurvePoint } from '../../index.js';
import { showNumber, textOfTable } from '../../sweep/table.js';
import { formatBytes } from '../../util/units.js';
import { showCount } from '../progress.js';
import type { Curves } from './curves.js';
import type { PlanJob, Priced } from './job.js';

const prefixes: readonly (readonly [number, string])[] = [[1e18, 'E'], [1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, ''], [1e-3, 'm'], [1e-6, 'µ'], [1e-9, 'n'], [1e-12, 'p']];
/** 1.234e15 FLOP/s → 1.23 PFLOP/s */
export const showUnit = (value: number, unit: string): string => {
  const [size, prefix] = prefixes.find(([least]) => Math.abs(value) >= least) ?? [1, ''];
  return `${Number((value / size).toPrecision(3))} ${prefix}${unit}`;
};
/** 0.1234 → 12.3 % */
export const showPart = (part: number): string => `${(100 * part).toFixed(1)} %`;
const showSeconds = (seconds: number): string => (seconds >= 1 ? `${showNumber(seconds)} s` : showUnit(seconds, 's'));
const many = (count: number, noun: string): string => `${showCount(count)} ${noun}${count === 1 ? '' : 's'}`;

const again = { none: 'nothing is computed again', attention: 'attention is computed again', block: 'blocks are computed again', offload: 'blocks are computed again from activations that wait off the wafer' } as const;

/** Names in front, aligned. */
const lines = (rows: readonly (readonly [string, string])[]): string => rows.map(([name, text]) => `${name.padEnd(12)}${text}`).join('\n');

const batchLine = (job: PlanJob, { plan }: Priced): string => {
  const { work } = plan;
  if (job.kind === 'generation') return `${many(job.options.prompts.length, 'prompt')} of ${job.options.prompts[0]} tokens, ${job.options.newTokens} new ones each, in ${many(work.steps, 'step')}`;
  const perSample = job.model.tokensPerSample > 1 ? ` of ${showCount(job.model.tokensPerSample)} tokens` : '';
  return `${many(work.samples, 'sample')}${perSample} a step in ${many(plan.microBatches, 'micro-batch').replace(/batchs$/, 'batches')}: ${plan.microBatchSize} a CS-2 at a time${plan.microBatchSizeMax > plan.microBatchSize ? `, ${plan.microBatchSizeMax} would fit` : ''}; ${again[plan.recompute]}`;
};

export const textOfPlan = (job: PlanJob, priced: Priced): string => {
  const { plan, price } = priced, { work, sram, memoryX, rectangle } = plan, { step, flops, energy, critical } = price;
  const isSparse = flops.denseEquivalent > flops.achieved * (1 + 1e-9);
  return lines([
    ['model', `${job.model.name}: ${showCount(job.model.parameterCount)} parameters, weights in ${work.numbers.weights}, activations in ${work.numbers.activations}`],
    ['machine', `${price.machine}: ${showCount(work.numCsx)} CS-2 of ${rectangle.rows} × ${rectangle.cols} tiles at ${showUnit(price.clockHz, 'Hz')}, ${showCount(plan.tiles)} tiles at work`],
    [job.kind === 'training' ? 'batch' : 'prompts', batchLine(job, priced)],
    ['SRAM', `${formatBytes(sram.totalBytes)} of ${formatBytes(sram.limitBytes)} in the fullest tile: activations ${formatBytes(sram.activationBytes)}, streams ${formatBytes(sram.streamBytes)}, code ${formatBytes(sram.codeBytes)}`],
    ['MemoryX', `${formatBytes(memoryX.stateBytes)} of state: ${formatBytes(memoryX.dramBytes)} in DRAM, ${formatBytes(memoryX.flashBytes)} on flash`],
    ['step', `${showSeconds(step.seconds)}, ${showNumber(step.tokensPerSecond)} tokens/s, ${showNumber(step.samplesPerSecond)} samples/s; ${showSeconds(price.boundarySeconds)} between two steps${work.steps === 1 ? '' : `; all ${showCount(work.steps)} steps ${showSeconds(price.totalSeconds)}`}`],
    ['arithmetic', `${showUnit(flops.achieved, 'FLOP/s')}, ${showPart(flops.utilization)} of the peak of ${showUnit(flops.peak, 'FLOP/s')}${isSparse ? `; as much as ${showUnit(flops.denseEquivalent, 'FLOP/s')} of dense weights, ${showPart(flops.denseUtilization)}` : ''}`],
    ['energy', `${showUnit(energy.joules, 'J')} a step, ${showUnit(energy.joulesPerToken, 'J')} a token, ${showUnit(energy.watts, 'W')}`],
    ['bound by', critical.filter(({ share }) => share >= 0.001).toSorted((a, b) => b.share - a.share).map(({ cause, share }) => `${cause} ${showPart(share)}`).join(', ')],
    ['busy', [...price.links, ...price.tiers].filter(({ occupancy }) => occupancy >= 0.001).toSorted((a, b) => b.occupancy - a.occupancy).map(({ name, occupancy }) => `${name} ${showPart(occupancy)}`).join(', ')],
    ['', price.verdict],
  ]);
};

const curveTable = (x: string, points: readonly CurvePoint[], name: (value: number) => number | string): string =>
  textOfTable({
    columns: [x, 'batch', 's/step', 'tokens/s', 'speed-up', 'efficiency', 'utilization'].map((column) => ({ name: column, of: 'figure' as const })),
    rows: points.map((point) => [name(point.x), point.batchSize, point.secondsAStep, point.tokensPerSecond, point.speedup, showPart(point.efficiency), showPart(point.utilization)]),
  });

export const textOfCurves = ({ scaling, sparsity }: Curves): string =>
  [
    ...scaling.map(({ mode, points }) => `${mode === 'weak' ? 'more systems, each with the same work' : 'more systems, the same batch for all'}\n${curveTable('systems', points, (value) => value)}`),
    ...(sparsity.length === 0 ? [] : [`absent weights\n${curveTable('sparsity', sparsity, showPart)}`]),
  ].join('\n\n');
