/**
 * The second witness of a transformer's layers: outputs and deltas in scalar fp32 after docs/numerics.md §3, §10–§12, every operation rounded.
 *
 * Written for clearness and small sizes. Not here: linear layers, embeddings, the loss and faults (mutations.ts).
 */
import type { LayerOf } from '../../src/model/graph.js';
import { purposes, randomWord } from '../../src/util/prng.js';
import { cos, erf, exp, f, featureSum, fill, placeSum, sin, tanh } from './witness-arithmetic.js';

const of = (list: Float32Array, index: number): number => list[index] as number;

export const gelu = (x: number, form: 'tanh' | 'erf'): { readonly y: number; readonly slope: number } => {
  if (form === 'erf') {
    const g = f(1 + erf(f(x * f(Math.SQRT1_2))));
    return { y: f(f(0.5 * x) * g), slope: f(f(0.5 * g) + f(x * f(f(1 / Math.sqrt(2 * Math.PI)) * exp(f(-0.5 * f(x * x)))))) };
  }
  const c = f(Math.sqrt(2 / Math.PI)), a = f(0.044715), a3 = f(3 * 0.044715);
  const u = f(c * f(x + f(a * f(f(x * x) * x))));
  const th = tanh(u), s = f(1 - f(th * th)), g = f(c * f(1 + f(a3 * f(x * x))));
  return { y: f(f(0.5 * x) * f(1 + th)), slope: f(f(0.5 * f(1 + th)) + f(f(f(0.5 * x) * s) * g)) };
};

const sigmoid = (g: number): number => f(1 / f(1 + exp(-g)));
export const swiglu = (x: Float32Array, n: number): Float32Array =>
  fill(x.length / 2, (at) => {
    const i = Math.floor(at / n) * 2 * n + (at % n), g = of(x, i);
    return f(f(g * sigmoid(g)) * of(x, i + n));
  });
export const swigluDelta = (d: Float32Array, x: Float32Array, n: number): Float32Array =>
  fill(x.length, (at) => {
    const t = Math.floor(at / (2 * n)), k = at % n, g = of(x, t * 2 * n + k), u = of(x, t * 2 * n + n + k), dy = of(d, t * n + k), s = sigmoid(g);
    return at % (2 * n) >= n ? f(dy * f(g * s)) : f(f(dy * u) * f(s * f(1 + f(g * f(1 - s)))));
  });

export interface WitnessNorm {
  readonly y: Float32Array;
  readonly xhat: Float32Array;
  readonly rstd: Float32Array;
}
export const norm = (layer: LayerOf<'norm'>, x: Float32Array, gain: Float32Array, bias: Float32Array | null): WitnessNorm => {
  const n = layer.features, tokens = x.length / n;
  const mean = fill(tokens, (t) => (layer.centered ? f(featureSum(n, (i) => of(x, t * n + i)) / n) : 0));
  const c = x.map((v, at) => f(v - of(mean, Math.floor(at / n))));
  const rstd = fill(tokens, (t) => f(1 / f(Math.sqrt(f(f(featureSum(n, (i) => f(of(c, t * n + i) * of(c, t * n + i))) / n) + f(layer.epsilon))))));
  const xhat = c.map((v, at) => f(v * of(rstd, Math.floor(at / n))));
  return { xhat, rstd, y: xhat.map((v, at) => (bias === null ? f(v * of(gain, at % n)) : f(f(v * of(gain, at % n)) + of(bias, at % n)))) };
};
export const normDelta = (layer: LayerOf<'norm'>, d: Float32Array, { xhat, rstd }: WitnessNorm, gain: Float32Array): Float32Array => {
  const n = layer.features, dh = d.map((v, at) => f(v * of(gain, at % n)));
  const a = rstd.map((_, t) => (layer.centered ? f(featureSum(n, (i) => of(dh, t * n + i)) / n) : 0));
  const b = rstd.map((_, t) => f(featureSum(n, (i) => f(of(dh, t * n + i) * of(xhat, t * n + i))) / n));
  return dh.map((v, at) => {
    const t = Math.floor(at / n);
    return f(f(f(v - of(a, t)) - f(of(xhat, at) * of(b, t))) * of(rstd, t));
  });
};

/** sign 1: forward, −1: the delta. Unscaled frequencies alone. */
export const rotary = (layer: LayerOf<'rotary'>, x: Float32Array, perSample: number, sign: 1 | -1): Float32Array => {
  const { heads, kvHeads, headSize, features, theta } = layer, half = headSize / 2;
  return x.map((v, at) => {
    const k = at % features, i = k % half, place = Math.floor(at / features) % perSample;
    if (k >= (heads + kvHeads) * headSize) return v;
    const angle = f(place * f(theta ** ((-2 * i) / headSize))), c = cos(angle), s = sign * sin(angle);
    return k % headSize < half ? f(f(v * c) - f(of(x, at + half) * s)) : f(f(v * c) + f(of(x, at - half) * s));
  });
};

/** Feature offsets of a query head's Q, K and V. */
const offsets = ({ heads, kvHeads, headSize }: LayerOf<'attention'>, head: number): readonly [number, number, number] => {
  const shared = Math.floor(head / (heads / kvHeads));
  return [head * headSize, (heads + shared) * headSize, (heads + kvHeads + shared) * headSize];
};
/** e and r of one sample and head: e[q · T + k], +0 behind the query. */
const softmax = (layer: LayerOf<'attention'>, x: Float32Array, first: number, T: number, head: number): { readonly e: Float32Array; readonly r: Float32Array } => {
  const { headSize } = layer, width = (layer.heads + 2 * layer.kvHeads) * headSize, [q0, k0] = offsets(layer, head), scale = f(1 / Math.sqrt(headSize));
  const score = (q: number, k: number): number => f(featureSum(headSize, (i) => f(of(x, (first + k) * width + k0 + i) * of(x, (first + q) * width + q0 + i))) * scale);
  const e = new Float32Array(T * T);
  const r = fill(T, (q) => {
    const s = Array.from({ length: q + 1 }, (_, k) => score(q, k)), m = Math.max(...s);
    for (const [k, v] of s.entries()) e[q * T + k] = exp(f(v - m));
    return f(1 / placeSum(0, q + 1, (k) => of(e, q * T + k)));
  });
  return { e, r };
};
export const attention = (layer: LayerOf<'attention'>, x: Float32Array, T: number): Float32Array => {
  const { heads, headSize, features } = layer, width = (heads + 2 * layer.kvHeads) * headSize, y = new Float32Array((x.length / width) * features);
  for (let first = 0; first < x.length / width; first += T) {
    for (let head = 0; head < heads; head++) {
      const { e, r } = softmax(layer, x, first, T, head), v0 = offsets(layer, head)[2];
      for (let q = 0; q < T; q++) {
        for (let i = 0; i < headSize; i++) y[(first + q) * features + head * headSize + i] = f(placeSum(0, q + 1, (k) => f(of(x, (first + k) * width + v0 + i) * of(e, q * T + k))) * of(r, q));
      }
    }
  }
  return y;
};
export const attentionDelta = (layer: LayerOf<'attention'>, d: Float32Array, x: Float32Array, o: Float32Array, T: number): Float32Array => {
  const { heads, kvHeads, headSize, features } = layer, width = (heads + 2 * kvHeads) * headSize, dx = new Float32Array(x.length), scale = f(1 / Math.sqrt(headSize));
  for (let first = 0; first < x.length / width; first += T) {
    for (let head = 0; head < heads; head++) {
      const { e, r } = softmax(layer, x, first, T, head), [q0, k0, v0] = offsets(layer, head), firstOfGroup = head % (heads / kvHeads) === 0;
      const dO = (q: number, i: number): number => of(d, (first + q) * features + head * headSize + i);
      const D = fill(T, (q) => featureSum(headSize, (i) => f(dO(q, i) * of(o, (first + q) * features + head * headSize + i))));
      const p = e.map((v, at) => f(v * of(r, Math.floor(at / T))));
      const g = p.map((v, at) => {
        const q = Math.floor(at / T), k = at % T;
        return k > q ? 0 : f(f(v * f(featureSum(headSize, (i) => f(of(x, (first + k) * width + v0 + i) * dO(q, i))) - of(D, q))) * scale);
      });
      for (let t = 0; t < T; t++) {
        for (let i = 0; i < headSize; i++) {
          const at = (first + t) * width + i;
          dx[at + q0] = placeSum(0, t + 1, (k) => f(of(x, (first + k) * width + k0 + i) * of(g, t * T + k)));
          dx[at + k0] = placeSum(t, T, (q) => f(of(x, (first + q) * width + q0 + i) * of(g, q * T + t)), firstOfGroup ? null : of(dx, at + k0));
          dx[at + v0] = placeSum(t, T, (q) => f(dO(q, i) * of(p, q * T + t)), firstOfGroup ? null : of(dx, at + v0));
        }
      }
    }
  }
  return dx;
};

export const dropout = (layer: LayerOf<'dropout'>, x: Float32Array, keys: { readonly seed: number; readonly step: number } | undefined): Float32Array =>
  keys === undefined ? x : x.map((v, at) => {
    const word = randomWord(keys.seed, purposes.dropout, at % layer.features, Math.floor(at / layer.features), randomWord(keys.seed, purposes.dropout, keys.step, layer.id));
    return word >= Math.floor(layer.rate * 2 ** 32) ? f(v * f(1 / (1 - layer.rate))) : 0;
  });
