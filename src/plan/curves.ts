/**
 * Curves: one model on more and more systems, or with fewer and fewer stored weights; every point planned and priced.
 *
 *   weak     the batch grows with the systems        strong     the batch stays
 *
 * Stream orders and programs are compiled once for all points. Not here: single plans (plan.ts), prices (timing/).
 */
import type { MachineSpec } from '../spec/machine.js';
import { price } from '../timing/price.js';
import type { CurvePoint } from '../timing/types.js';
import type { Model } from '../model/graph.js';
import { InvalidConfig } from '../util/errors.js';
import { ChoiceCache } from './choose.js';
import { plan } from './plan.js';
import type { PlanOptions } from './types.js';

type Point = Omit<CurvePoint, 'speedup' | 'efficiency'>;

const priced = (model: Model, options: PlanOptions, machine: MachineSpec, x: number, cache: ChoiceCache): Point => {
  const { work } = plan(model, { spec: machine.wafer, ...options }, cache), { step, flops, verdict } = price(work, machine);
  return { x, batchSize: options.batchSize, secondsAStep: step.seconds, tokensPerSecond: step.tokensPerSecond, utilization: flops.utilization, verdict };
};

/** Tokens a second against those of the first point, and against what `perfect` says that it should be. */
const compared = (points: readonly Point[], perfect: (point: Point, first: Point) => number): CurvePoint[] =>
  points.map((point) => {
    const first = points[0] as Point, speedup = point.tokensPerSecond / first.tokensPerSecond;
    return { ...point, speedup, efficiency: speedup / perfect(point, first) };
  });

/** Systems of a curve from 1 to 192. */
export const allSystems: readonly number[] = [1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 160, 192];
/** Shares of absent positions of a curve. */
export const someSparsities: readonly number[] = [0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99];

const notEmpty = (what: string, values: readonly number[]): void => {
  if (values.length === 0) throw new InvalidConfig({ what: `points of a curve over ${what}`, value: 0, limit: 'at least one' });
};

/**
 * `options.batchSize` is that of one system where the batch grows ('weak'), and that of all where it stays ('strong').
 *
 * @throws InvalidConfig, DoesNotFit as a plan of any point would
 */
export const scalingCurve = (model: Model, options: PlanOptions, machine: MachineSpec, systems: readonly number[] = allSystems, mode: 'weak' | 'strong' = 'weak'): CurvePoint[] => {
  notEmpty('systems', systems);
  const cache = new ChoiceCache();
  return compared(systems.map((numCsx) => priced(model, { ...options, numCsx, batchSize: mode === 'weak' ? options.batchSize * numCsx : options.batchSize }, machine, numCsx, cache)), (point, first) => point.x / first.x);
};

/** Efficiency: the speedup ÷ 1/(share of stored positions), both against the first point. @throws InvalidConfig, DoesNotFit as a plan of any point would */
export const sparsityCurve = (model: Model, options: PlanOptions, machine: MachineSpec, sparsities: readonly number[] = someSparsities): CurvePoint[] => {
  notEmpty('sparsity', sparsities);
  const cache = new ChoiceCache();
  return compared(sparsities.map((sparsity) => priced(model, { ...options, sparsity }, machine, sparsity, cache)), (point, first) => (1 - first.x) / (1 - point.x));
};
