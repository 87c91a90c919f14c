/**
 * The loss scale of a run, step by step (docs/numerics.md §15).
 *
 *   verdict of step s ─▶ overflow: half, the update skipped · clean: as it is, or twice behind enough of them ─▶ scale of step s + 1
 *
 * The state is plain data, kept for every step that may be done again. Not here: the verdict and who waits for it (attempt.ts), what is scaled (input/).
 */
import type { LossScale, ScalingState } from '../../model/precision.js';
import { assert, NonFiniteLoss } from '../../util/errors.js';

/** The state before the first step. */
export const firstScaling = (rules: LossScale): ScalingState => ({ scale: rules.kind === 'dynamic' ? rules.initial : rules.kind === 'fixed' ? rules.scale : 1, cleanSteps: 0, updates: 0, skipped: 0 });

export class LossScaler {
  readonly #rules: LossScale;
  readonly #before = new Map<number, ScalingState>();

  /** `first`: the state before step `step`. */
  constructor(rules: LossScale, first: ScalingState, step: number) {
    this.#rules = rules;
    this.#before.set(step, first);
  }

  /** The state before a step, whose verdict on the step before is known. */
  before(step: number): ScalingState {
    const state = this.#before.get(step);
    assert(state !== undefined, `the loss scale of step ${step} is known`);
    return state;
  }

  /** Takes the verdict on a step: whether all its gradients are finite. A step that is done again gives the same. @throws NonFiniteLoss where the smallest scale is too large */
  settle(step: number, isFinite: boolean): void {
    const state = this.before(step), rules = this.#rules;
    if (isFinite) {
      const cleanSteps = state.cleanSteps + 1, grows = rules.kind === 'dynamic' && cleanSteps >= rules.growthInterval;
      this.#before.set(step + 1, { ...state, updates: state.updates + 1, ...(grows ? { scale: Math.min(rules.max, state.scale * 2), cleanSteps: 0 } : { cleanSteps }) });
      return;
    }
    if (rules.kind === 'dynamic' && state.scale <= rules.min) {
      throw new NonFiniteLoss({ what: `the gradient of step ${step} at the smallest loss scale`, value: state.scale, limit: rules.min, hint: 'lower the learning rate, check the data, or use a type with more exponent bits' });
    }
    const scale = rules.kind === 'dynamic' ? Math.max(rules.min, state.scale / 2) : state.scale;
    this.#before.set(step + 1, { ...state, scale, cleanSteps: 0, skipped: state.skipped + 1 });
  }

  /** Whether a step was skipped; its verdict is known. */
  skipped(step: number): boolean {
    return this.before(step + 1).skipped > this.before(step).skipped;
  }

  /** Steps before `step` are done for good. */
  forgetBefore(step: number): void {
    for (const known of this.#before.keys()) if (known < step) this.#before.delete(known);
  }
}
