/**
 * The loss scale as the verdict follows it, and the verdict on a step that was skipped: nothing may have changed, and the reference must have come to the end of a type's range, too.
 *
 * The rules are written here once more, after docs/numerics.md §15. Not here: the run's own (cluster/coordinator/loss-scaler.ts), steps that were not skipped (against-reference.ts).
 */
import { fullPrecision, type LossScale, type Precision, type ScalingState } from '../model/precision.js';
import { exact } from '../reference/bounded.js';
import { worstWithin, type Verdict } from '../reference/compare.js';

/** Before the first step; null where the loss is not scaled. */
export const scalingBefore = ({ lossScale }: Precision = fullPrecision): ScalingState | null =>
  lossScale.kind === 'none' ? null : { scale: lossScale.kind === 'fixed' ? lossScale.scale : lossScale.initial, cleanSteps: 0, updates: 0, skipped: 0 };

/** Behind a step whose gradients are finite, or are not. */
export const scalingAfter = (rules: LossScale, { scale, cleanSteps, updates, skipped }: ScalingState, isFinite: boolean): ScalingState => {
  const moves = rules.kind === 'dynamic';
  if (!isFinite) return { scale: moves ? scale / 2 : scale, cleanSteps: 0, updates, skipped: skipped + 1 };
  if (moves && cleanSteps + 1 === rules.growthInterval) return { scale: scale < rules.max ? scale * 2 : scale, cleanSteps: 0, updates: updates + 1, skipped };
  return { scale, cleanSteps: cleanSteps + 1, updates: updates + 1, skipped };
};

/** What the last step's report says of its scale, where there is one. */
export interface ReportedScaling {
  readonly lossScale?: number;
  readonly skipped?: boolean;
}

export const scalingVerdicts = (state: ScalingState | null, isSkipped: boolean, said: ReportedScaling): Verdict[] =>
  state === null ? [] : [worstWithin('loss scale, and whether the step was skipped', Float64Array.of(said.lossScale ?? NaN, said.skipped === true ? 1 : 0), exact([state.scale, isSkipped ? 1 : 0]))];

/** A step that was skipped: weights and masks are those before it. */
export const keptVerdicts = (names: readonly string[], before: readonly Float32Array[], after: readonly Float32Array[], overflows: number): Verdict[] => [
  worstWithin('whether the reference may leave the range of a type in the step that was skipped', Float64Array.of(overflows > 0 ? 1 : 0), exact([1])),
  ...names.map((name, i) => worstWithin(`${name} behind the step that was skipped`, after[i] ?? new Float32Array(0), exact(before[i] ?? []))),
];
