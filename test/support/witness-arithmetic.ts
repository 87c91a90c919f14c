/**
 * Scalar fp32 for the second witness: elementary functions, sums over features, sums over tokens, after docs/numerics.md §1.
 *
 * Every operation is rounded. It knows neither the kernels nor the oracle. Not here: layers (witness-layers.ts), planted faults (mutations.ts).
 */
import { purposes, randomWord } from '../../src/util/prng.js';

export const f = Math.fround;
const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

/** `value` moved by `steps` representable numbers away from zero. */
const moved = (value: number, steps: number): number => {
  word[0] = value;
  if (value !== 0 && Number.isFinite(value)) bits[0] = (bits[0] as number) + steps;
  return word[0] as number;
};

/** Round to nearest even to 8 bits of significand. */
export const bfloat16 = (value: number): number => {
  word[0] = value;
  const b = bits[0] as number;
  bits[0] = (b + 0x7fff + ((b >>> 16) & 1)) & 0xffff0000;
  return word[0] as number;
};

/** Elementary functions with an error of up to 1.5 ulp, drawn from the argument's bits: within the stated 2, and not the engine's best. */
const rough = (of: (x: number) => number, x: number): number => {
  word[0] = x;
  const draw = randomWord(1, purposes.testData, bits[0] as number) % 3;
  return moved(f(of(x)), draw - 1);
};
export const exp = (x: number): number => (x === 0 ? 1 : rough(Math.exp, x));
export const tanh = (x: number): number => (Math.abs(x) > 9.1 ? Math.sign(x) : Math.max(-1, Math.min(1, rough(Math.tanh, x))));
export const log = (x: number): number => rough(Math.log, x);
/** Rounded once from f64. */
export const cos = (x: number): number => f(Math.cos(x));
export const sin = (x: number): number => f(Math.sin(x));
/** The alternating series: at |x| = 4 its terms cancel to some 10^-9, far below an f32's last place. */
const erfSeries = (x: number): number => {
  let sum = 0, power = x;
  for (let n = 0; Math.abs(power) > 1e-18 * Math.abs(x); n++, power *= (-x * x) / n) sum += power / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * sum;
};
export const erf = (x: number): number => (Math.abs(x) > 4 ? Math.sign(x) : Math.max(-1, Math.min(1, rough(erfSeries, x))));

/** Chunks of 256 from +0, ascending; chunk sums ascending. */
export const featureSum = (n: number, term: (i: number) => number, dropped = -1): number => {
  let sum = 0;
  for (let first = 0; first < n; first += 256) {
    let chunk = 0;
    for (let i = first; i < Math.min(n, first + 256); i++) if (i !== dropped) chunk = f(chunk + term(i));
    sum = first === 0 ? chunk : f(sum + chunk);
  }
  return sum;
};

/** Places `first` … `end − 1` of a sample in slabs counted from its first place, each from +0; slab sums ascending onto `running`, if any. */
export const placeSum = (first: number, end: number, term: (place: number) => number, running: number | null = null): number => {
  let sum = running;
  for (let slab = Math.floor(first / 32); slab * 32 < end; slab++) {
    let part = 0;
    for (let p = Math.max(first, slab * 32); p < Math.min(end, slab * 32 + 32); p++) part = f(part + term(p));
    sum = sum === null ? part : f(sum + part);
  }
  return sum ?? 0;
};

/** Leaves of 32 tokens of one sample, or of 32 samples, in the full binary tree; `terms` gives the terms of a token, in order. */
export const tokenSum = (tokens: number, perSample: number, terms: (t: number) => readonly number[], droppedToken = -1, doubledSlab = -1): number => {
  let slabs = 1;
  while (perSample > 1 && slabs * 32 < perSample) slabs *= 2;
  const samples = perSample > 1 ? tokens / perSample : Math.ceil(tokens / 32);
  const leaf = (index: number): number | null => {
    const sample = Math.floor(index / slabs), at = perSample > 1 ? sample * perSample + (index % slabs) * 32 : index * 32;
    const end = perSample > 1 ? Math.min((sample + 1) * perSample, at + 32) : Math.min(tokens, at + 32);
    let sum = 0, any = false;
    for (let t = at; t < end; t++) {
      if (t === droppedToken) continue;
      for (const term of terms(t)) {
        sum = f(sum + term);
        any = true;
      }
    }
    return any ? (index === doubledSlab ? f(sum + sum) : sum) : null;
  };
  const node = (first: number, width: number): number | null => {
    if (first >= samples * slabs) return null;
    if (width === 1) return leaf(first);
    const left = node(first, width / 2), right = node(first + width / 2, width / 2);
    return left === null ? right : right === null ? left : f(left + right);
  };
  let width = 1;
  while (width < samples * slabs) width *= 2;
  return node(0, width) ?? 0;
};

export const fill = (size: number, of: (index: number) => number): Float32Array<ArrayBuffer> => Float32Array.from({ length: size }, (_, index) => of(index));
