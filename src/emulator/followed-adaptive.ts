/**
 * RMSprop, Lion, Lamb and Adafactor in plain fp32 after docs/numerics.md §6, for followed.ts.
 *
 * Not here: which one (followed.ts), the update of the cluster (cluster/memoryx/).
 */
import { power as realPower } from '../model/elementary.js';
import type { OptimizerOf } from '../model/optimizer.js';

const f32 = Math.fround;

export interface FollowedState {
  readonly weight: Float32Array;
  /** As momentNames has them. */
  readonly moments: readonly Float32Array[];
}

const root = (x: number): number => f32(Math.sqrt(x));
/** ±0 and NaN stay. */
const sign = (x: number): number => (x > 0 ? 1 : x < 0 ? -1 : x);
const at = (list: Float32Array | undefined, i: number): number => list?.[i] ?? 0;

/** base^n by n−1 multiplications. */
export const power = (base: number, n: number): number => Array.from({ length: n - 1 }).reduce((product: number) => product * base, base);

const leafLength = 1024, columnLeafLength = 64;
const add = (a: number, b: number): number => f32(a + b);
/** Terms in leaves, each ascending from +0, and the full binary tree over them. */
const treeOf = (terms: readonly number[], leaf: number): number => {
  const combine = (level: readonly number[]): number =>
    level.length <= 1 ? (level[0] ?? 0) : combine(Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => (2 * i + 1 < level.length ? add(level[2 * i] ?? 0, level[2 * i + 1] ?? 0) : (level[2 * i] ?? 0))));
  return combine(Array.from({ length: Math.ceil(terms.length / leaf) }, (_, i) => terms.slice(i * leaf, (i + 1) * leaf).reduce(add, 0)));
};
const squaresOf = (values: Float32Array): number[] => Array.from(values, (value) => f32(value * value));

/** `g`: with weight decay. */
export const followedRmsProp = (o: OptimizerOf<'rmsProp'>, rate: number, { weight, moments }: FollowedState, g: Float32Array): FollowedState => {
  const alpha = f32(o.alpha), rest = f32(1 - o.alpha), epsilon = f32(o.epsilon), momentum = f32(o.momentum), lr = f32(rate);
  const v = g.map((value, i) => add(f32(alpha * at(moments[0], i)), f32(f32(rest * value) * value)));
  const a = o.centered ? g.map((value, i) => add(f32(alpha * at(moments[1], i)), f32(rest * value))) : null;
  const q = g.map((value, i) => f32(value / add(root(a === null ? at(v, i) : Math.max(f32(at(v, i) - f32(at(a, i) * at(a, i))), 0)), epsilon)));
  const b = o.momentum === 0 ? null : q.map((value, i) => add(f32(momentum * at(moments[a === null ? 1 : 2], i)), value));
  return { weight: weight.map((w, i) => f32(w - f32(lr * at(b ?? q, i)))), moments: [v, ...(a === null ? [] : [a]), ...(b === null ? [] : [b])] };
};

export const followedLion = (o: OptimizerOf<'lion'>, rate: number, { weight, moments }: FollowedState, g: Float32Array): FollowedState => {
  const mixed = (beta: number): Float32Array => g.map((value, i) => add(f32(f32(beta) * at(moments[0], i)), f32(f32(1 - beta) * value)));
  const c = mixed(o.beta1), lr = f32(rate), decay = f32(1 - rate * o.weightDecay);
  return { weight: weight.map((w, i) => f32(f32(w * decay) - f32(lr * sign(at(c, i))))), moments: [mixed(o.beta2)] };
};

export const followedLamb = (o: OptimizerOf<'lamb'>, rate: number, updates: number, { weight, moments }: FollowedState, g: Float32Array): FollowedState => {
  const m = g.map((value, i) => add(f32(f32(o.beta1) * at(moments[0], i)), f32(f32(1 - o.beta1) * value)));
  const v = g.map((value, i) => add(f32(f32(o.beta2) * at(moments[1], i)), f32(f32(f32(1 - o.beta2) * value) * value)));
  const kappa = f32(1 / (1 - power(o.beta1, updates + 1))), rootBias = f32(Math.sqrt(1 - power(o.beta2, updates + 1))), epsilon = f32(o.epsilon), lambda = f32(o.weightDecay);
  const u = m.map((value, i) => add(f32(kappa * f32(value / add(f32(root(at(v, i)) / rootBias), epsilon))), f32(lambda * at(weight, i))));
  const [ofWeight, ofDirection] = [weight, u].map((values) => root(treeOf(squaresOf(values), leafLength))) as [number, number];
  const factor = f32(f32(rate) * (ofWeight === 0 || ofDirection === 0 ? 1 : f32(ofWeight / ofDirection)));
  return { weight: weight.map((w, i) => f32(w - f32(factor * at(u, i)))), moments: [m, v] };
};

export const followedAdafactor = (o: OptimizerOf<'adafactor'>, rate: number, updates: number, { weight, moments }: FollowedState, g: Float32Array, shape: readonly number[]): FollowedState => {
  const share = realPower(updates + 1, o.decayRate), beta = f32(1 - share), rest = f32(share), epsilon = f32(o.epsilon1), n = f32(weight.length);
  const moved = (old: number, square: number): number => add(f32(beta * old), f32(rest * add(square, epsilon)));
  const squares = squaresOf(g), [rows = 0, cols = 0] = shape, isMatrix = shape.length === 2;
  let second: Float32Array[], u: Float32Array;
  if (isMatrix) {
    const r = Float32Array.from({ length: rows }, (_, i) => moved(at(moments[0], i), f32(treeOf(squares.slice(i * cols, (i + 1) * cols), leafLength) / f32(cols))));
    const c = Float32Array.from({ length: cols }, (_, j) => moved(at(moments[1], j), f32(treeOf(Array.from({ length: rows }, (_row, i) => squares[i * cols + j] ?? 0), columnLeafLength) / f32(rows))));
    const mean = f32(treeOf([...r], leafLength) / f32(rows));
    const ofRow = r.map((value) => f32(1 / root(f32(value / mean)))), ofColumn = c.map((value) => f32(1 / root(value)));
    second = [r, c];
    u = g.map((value, k) => f32(f32(at(ofRow, Math.floor(k / cols)) * at(ofColumn, k % cols)) * value));
  } else {
    const v = g.map((_, i) => moved(at(moments[0], i), squares[i] ?? 0));
    second = [v];
    u = g.map((value, i) => f32(value / root(at(v, i))));
  }
  const meanSquare = (values: Float32Array): number => root(f32(treeOf(squaresOf(values), leafLength) / n));
  const alpha = o.scaleParameter ? f32(f32(rate) * Math.max(f32(o.epsilon2), meanSquare(weight))) : f32(rate);
  const s = f32(alpha / Math.max(1, f32(meanSquare(u) / f32(o.clipThreshold)))), decay = f32(1 - f32(f32(o.weightDecay) * alpha));
  const moved1 = (value: number, i: number): number => add(f32(f32(o.beta1) * at(moments[isMatrix ? 2 : 1], i)), f32(f32(1 - o.beta1) * f32(s * value)));
  const m = o.beta1 === 0 ? null : u.map(moved1);
  return { weight: weight.map((w, i) => f32(f32(w * decay) - (m === null ? f32(s * at(u, i)) : at(m, i)))), moments: m === null ? second : [...second, m] };
};
