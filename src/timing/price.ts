/**
 * The price of work on a machine: what a step takes, what bounds it, what it moves and draws.
 *
 *   Work × MachineSpec ─step.ts─▶ steady step ─▶ flops · links and tiers · energy · critical causes · verdict
 *
 * Distinct passes are priced once. Not here: the passes' places in time as spans (spans.ts), the roofline (roofline.ts), derivations (docs/timing.md).
 */
import type { MachineSpec } from '../spec/machine.js';
import type { PassWork, Work } from '../trace/work.js';
import { criticalOf } from './critical.js';
import { arithmeticOf, simdRate } from './cycles.js';
import { energyOf } from './energy.js';
import { linksOf, tiersOf } from './occupancy.js';
import { stepOf, type Step } from './step.js';
import type { Cause, Price } from './types.js';
import { verdictOf } from './verdict.js';

/** Products that a step is credited with. What is done again is not: recomputed passes, and the logits that the first two passes of a streamed head make. */
const isCredited = ({ op, phase }: PassWork): boolean => phase !== 'recompute' && op !== 'head.max' && op !== 'head.sum';

/** Flop a second of all systems' usable tiles. */
export const peakOf = ({ numbers, numCsx }: Pick<Work, 'numbers' | 'numCsx'>, { wafer, core }: MachineSpec): number => wafer.rowsMax * wafer.colsMax * numCsx * 2 * simdRate(core, arithmeticOf(numbers, core)) * wafer.clockHz;

const flopsOf = (work: Work, machine: MachineSpec, { times, seconds }: Step): Price['flops'] => {
  const { rectangle, passes } = work, { wafer } = machine;
  let macs = 0, denseMacs = 0;
  passes.forEach((pass, i) => {
    if (!isCredited(pass) || pass.times === 0) return;
    macs += ((pass.counts.macs ?? 0) / pass.times) * (times[i] as number);
    denseMacs += pass.denseMacs * (times[i] as number);
  });
  const peak = peakOf(work, machine), achieved = seconds === 0 ? 0 : (2 * macs) / seconds, denseEquivalent = seconds === 0 ? 0 : (2 * denseMacs) / seconds;
  return { achieved, denseEquivalent, peak, utilization: achieved / peak, denseUtilization: denseEquivalent / peak, tilesUsed: (rectangle.rows * rectangle.cols) / (wafer.rowsMax * wafer.colsMax) };
};

/** What binds a pass where it takes most of its time: alone, or beside another. */
const boundOf = ({ stretches, costs }: Step, pass: number): Cause =>
  stretches.reduce<Step['stretches'][number] | null>((most, each) => (each.passes.includes(pass) && (most === null || each.cost.seconds * each.times > most.cost.seconds * most.times) ? each : most), null)?.cost.bound
  ?? (costs[pass] as Step['costs'][number]).bound;

/** @throws InvalidConfig for work that the machine has no room for */
export const price = (work: Work, machine: MachineSpec): Price => {
  const step = stepOf(work, machine), { seconds } = step, { clockHz } = machine.wafer, critical = criticalOf(step);
  const aSecond = (amount: number): number => (seconds === 0 ? 0 : amount / seconds);
  return {
    format: 1,
    machine: machine.name,
    clockHz,
    numCsx: work.numCsx,
    step: { cycles: seconds * clockHz, seconds, tokensPerSecond: aSecond(work.tokens), samplesPerSecond: aSecond(work.samples) },
    totalSeconds: seconds * work.steps,
    flops: flopsOf(work, machine, step),
    passes: work.passes.map(({ op, phase }, pass) => {
      const alone = step.costs[pass] as Step['costs'][number], timesAStep = step.times[pass] as number, secondsAStep = step.secondsAStep[pass] as number;
      const each = timesAStep === 0 ? alone.seconds : secondsAStep / timesAStep;
      return { pass, op, phase, cycles: each * clockHz, seconds: each, demands: alone.demands, bound: boundOf(step, pass), timesAStep, secondsAStep };
    }),
    links: linksOf(work, machine, step),
    tiers: tiersOf(work, machine, step),
    energy: energyOf(work, machine, step),
    critical,
    boundarySeconds: step.exposedSeconds,
    verdict: verdictOf(work, machine, step, critical),
  };
};
