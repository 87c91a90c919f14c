/**
 * The oracle's RMSprop, Lion and Lamb: formulas after docs/numerics.md §6 and their publications, each operation with its bound.
 *
 * Where fp32 may take the other side of a sign, the bound says so. Not here: Adafactor (update-adafactor.ts), arithmetic with bounds (scalars.ts).
 */
import type { OptimizerOf } from '../model/optimizer.js';
import type { Values } from './bounded.js';
import { biasCorrection, boundedOf, clipped, computed, exactly, given, minus, normOf, type OptimizerState, over, plus, rate, type ReferenceUpdate, rootOf, type Scalar, times, unbounded } from './scalars.js';

const at = (values: Values | undefined, i: number): Scalar => exactly(values?.[i] ?? 0);
const unpack = (rows: readonly { readonly weight: Scalar; readonly moments: readonly Scalar[] }[], moments: number): ReferenceUpdate =>
  ({ weight: boundedOf(rows.map(({ weight }) => weight)), moments: Array.from({ length: moments }, (_, k) => boundedOf(rows.map((row) => row.moments[k] ?? exactly(0)))) });

export const updateRmsProp = (o: OptimizerOf<'rmsProp'>, step: number, state: OptimizerState, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const lr = rate(o, step, updates), alpha = given(o.alpha), rest = given(1 - o.alpha), epsilon = given(o.epsilon), momentum = given(o.momentum), decay = given(o.weightDecay);
  const rows = clipped(gradient, clip).map((clippedGradient, i) => {
    const w = at(state.weight, i), g = o.weightDecay === 0 ? clippedGradient : plus(clippedGradient, times(decay, w));
    const v = plus(times(alpha, at(state.moments[0], i)), times(times(rest, g), g));
    const a = o.centered ? plus(times(alpha, at(state.moments[1], i)), times(rest, g)) : null;
    const difference = a === null ? v : minus(v, times(a, a)), variance = { v: Math.max(0, difference.v), e: difference.e };
    const q = over(g, plus(rootOf(variance), epsilon));
    const b = o.momentum === 0 ? null : plus(times(momentum, at(state.moments[o.centered ? 2 : 1], i)), q);
    return { weight: minus(w, times(lr, b ?? q)), moments: [v, ...(a === null ? [] : [a]), ...(b === null ? [] : [b])] };
  });
  return unpack(rows, state.moments.length);
};

/** The sign, and how far fp32 may be from it. */
const signOf = ({ v, e }: Scalar): Scalar => ({ v: Math.sign(v), e: Math.abs(v) > e || e === 0 ? 0 : 1 + Math.abs(Math.sign(v)) });

export const updateLion = (o: OptimizerOf<'lion'>, step: number, state: OptimizerState, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const lr = rate(o, step, updates), mixed = (beta: number, m: Scalar, g: Scalar): Scalar => plus(times(given(beta), m), times(given(1 - beta), g));
  const decay = computed(1 - lr.v * o.weightDecay, lr.e * o.weightDecay);
  const rows = clipped(gradient, clip).map((g, i) => {
    const m = at(state.moments[0], i), w = at(state.weight, i);
    return { weight: minus(times(w, decay), times(lr, signOf(mixed(o.beta1, m, g)))), moments: [mixed(o.beta2, m, g)] };
  });
  return unpack(rows, 1);
};

/** ‖w‖ / ‖u‖, 1 where one is 0; where fp32 may see a 0 that is none, anything. */
const trustRatio = (ofWeight: Scalar, ofDirection: Scalar): Scalar => {
  if ([ofWeight, ofDirection].some(({ v, e }) => v === 0 && e === 0)) return exactly(1);
  const ratio = over(ofWeight, ofDirection);
  return ofWeight.v > ofWeight.e ? ratio : { v: ratio.v, e: unbounded };
};

export const updateLamb = (o: OptimizerOf<'lamb'>, step: number, state: OptimizerState, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const lr = rate(o, step, updates), b1 = given(o.beta1), rest1 = given(1 - o.beta1), b2 = given(o.beta2), rest2 = given(1 - o.beta2), epsilon = given(o.epsilon), lambda = given(o.weightDecay);
  const c1 = biasCorrection(o.beta1, updates + 1), c2 = biasCorrection(o.beta2, updates + 1);
  const kappa = computed(1 / c1.v, c1.slack / c1.v ** 2), root = computed(Math.sqrt(c2.v), c2.slack / Math.sqrt(c2.v));
  const weights = Array.from(state.weight, exactly);
  const moved = clipped(gradient, clip).map((g, i) => {
    const m = plus(times(b1, at(state.moments[0], i)), times(rest1, g)), v = plus(times(b2, at(state.moments[1], i)), times(times(rest2, g), g));
    const u = plus(times(kappa, over(m, plus(over(rootOf(v), root), epsilon))), times(lambda, weights[i] ?? exactly(0)));
    return { m, v, u };
  });
  const factor = times(lr, trustRatio(normOf(weights), normOf(moved.map(({ u }) => u))));
  return unpack(moved.map(({ m, v, u }, i) => ({ weight: minus(weights[i] ?? exactly(0), times(factor, u)), moments: [m, v] })), 2);
};
