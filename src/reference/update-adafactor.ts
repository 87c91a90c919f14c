/**
 * The oracle's Adafactor: formulas after docs/numerics.md §6 and the publication, each operation with its bound. Not here: arithmetic with bounds (scalars.ts).
 */
import type { OptimizerOf } from '../model/optimizer.js';
import type { Values } from './bounded.js';
import { boundedOf, clipped, computed, exactly, given, leafLength, minus, type OptimizerState, over, plus, rate, type ReferenceUpdate, rootOf, type Scalar, sumInLeaves, times } from './scalars.js';

/** Rows in a leaf of a sum over a column. */
const columnLeafLength = 64;
const atLeast = (least: Scalar, { v, e }: Scalar): Scalar => ({ v: Math.max(least.v, v), e: Math.max(least.e, e) });

export const updateAdafactor = (o: OptimizerOf<'adafactor'>, step: number, state: OptimizerState & { readonly shape: readonly number[] }, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const { shape } = state, count = gradient.length, share = (updates + 1) ** o.decayRate;
  const beta = computed(1 - share, 2 ** -50), rest = computed(share, 2 ** -50 * share), epsilon = given(o.epsilon1), n = given(count);
  const g = clipped(gradient, clip), squares = g.map((x) => times(x, x)), weights = Array.from(state.weight, exactly);
  const of = <T>(list: readonly T[], i: number): T => list[i] as T;
  const moved = (old: number | undefined, square: Scalar): Scalar => plus(times(beta, exactly(old ?? 0)), times(rest, plus(square, epsilon)));
  const mean = (terms: readonly Scalar[], leaf: number): Scalar => over(sumInLeaves(terms, leaf), given(terms.length));
  let second: Scalar[][], u: Scalar[];
  if (shape.length === 2) {
    const [rows = 0, cols = 0] = shape, one = exactly(1);
    const r = Array.from({ length: rows }, (_, i) => moved(state.moments[0]?.[i], mean(squares.slice(i * cols, (i + 1) * cols), leafLength)));
    const c = Array.from({ length: cols }, (_, j) => moved(state.moments[1]?.[j], mean(Array.from({ length: rows }, (_row, i) => of(squares, i * cols + j)), columnLeafLength)));
    const middle = mean(r, leafLength);
    const ofRow = r.map((x) => over(one, rootOf(over(x, middle)))), ofColumn = c.map((x) => over(one, rootOf(x)));
    second = [r, c];
    u = g.map((x, k) => times(times(of(ofRow, Math.floor(k / cols)), of(ofColumn, k % cols)), x));
  } else {
    const v = squares.map((square, i) => moved(state.moments[0]?.[i], square));
    second = [v];
    u = g.map((x, i) => over(x, rootOf(of(v, i))));
  }
  const rootMeanSquare = (values: readonly Scalar[]): Scalar => rootOf(over(sumInLeaves(values.map((x) => times(x, x)), leafLength), n));
  const rho = rate(o, step, updates), alpha = o.scaleParameter ? times(rho, atLeast(given(o.epsilon2), rootMeanSquare(weights))) : rho;
  const s = over(alpha, atLeast(exactly(1), over(rootMeanSquare(u), given(o.clipThreshold)))), decay = minus(exactly(1), times(given(o.weightDecay), alpha));
  const steps = u.map((x) => times(s, x)), b1 = given(o.beta1), rest1 = given(1 - o.beta1);
  const m = o.beta1 === 0 ? null : steps.map((x, i) => plus(times(b1, exactly(state.moments[shape.length === 2 ? 2 : 1]?.[i] ?? 0)), times(rest1, x)));
  return { weight: boundedOf(weights.map((w, i) => minus(times(w, decay), of(m ?? steps, i)))), moments: [...second, ...(m === null ? [] : [m])].map(boundedOf) };
};
