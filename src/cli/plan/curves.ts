/** Curves of a plan: over systems and over sparsity. Not here: how points come about (plan/curves.ts). */
import { allSystems, InvalidConfig, scalingCurve, someSparsities, sparsityCurve, type CurvePoint, type PlanOptions } from '../../index.js';
import { flagOf, type Options } from '../options.js';
import type { PlanJob } from './job.js';

export interface ScalingCurve {
  readonly mode: 'weak' | 'strong';
  readonly points: readonly CurvePoint[];
}

export interface Curves {
  readonly scaling: readonly ScalingCurve[];
  readonly sparsity: readonly CurvePoint[];
}

/** @throws InvalidConfig for curves of generation, and of what the options set */
export const checkCurves = (job: PlanJob, { scaling, sparsityCurve: wantsSparsity, sparsity }: Options): void => {
  if (job.kind === 'generation' && (scaling !== undefined || wantsSparsity !== undefined)) throw new InvalidConfig({ what: `a curve beside ${flagOf('generate')}`, hint: 'leave it out: curves are of training' });
  if (wantsSparsity !== undefined && sparsity !== undefined) throw new InvalidConfig({ what: `option ${flagOf('sparsity')} beside ${flagOf('sparsityCurve')}`, hint: 'leave one of them out: the curve sets the sparsity' });
};

/** What one system works on. */
const shareOf = (options: PlanOptions): PlanOptions => ({ ...options, batchSize: Math.ceil(options.batchSize / (options.numCsx ?? 1)) });

/** Those that the options ask for. @throws whatever plans throw */
export const curvesOf = (job: PlanJob, { scaling, sparsityCurve: wantsSparsity }: Options): Curves => {
  if (job.kind === 'generation') return { scaling: [], sparsity: [] };
  const modes = scaling === undefined ? [] : scaling === true ? (['weak', 'strong'] as const) : [scaling], { model, options, machine } = job;
  return {
    scaling: modes.map((mode) => ({ mode, points: scalingCurve(model, mode === 'weak' ? shareOf(options) : options, machine, allSystems, mode) })),
    sparsity: wantsSparsity === undefined ? [] : sparsityCurve(model, options, machine, someSparsities),
  };
};
