/**
 * The twin of attention over stored keys and values: one lane and head, one element at a time (docs/numerics.md §12). Not here: whole slabs of queries (attention.ts).
 */
import { expF32 } from '../functions.js';
import { slabTokens, valueFloats, type Kernels } from '../types.js';
import { sumFeatures } from './linear.js';
import { at, type View } from './view.js';

const f = Math.fround;

export const attentionCachedTwins = ({ floats: F }: View): Pick<Kernels, 'attendCached'> => ({
  attendCached(out, q, keys, values, _scratch, headSize, places, scale) {
    const width = valueFloats(headSize);
    const keyAt = (place: number, feature: number): number => F[at(keys) + (Math.floor(place / slabTokens) * headSize + feature) * slabTokens + (place % slabTokens)]!;
    const s = Array.from({ length: places }, (_, k) => f(sumFeatures(headSize, (i) => f(keyAt(k, i) * F[at(q) + i * slabTokens]!)) * f(scale)));
    const m = s.reduce((max, value) => Math.max(max, value), -Infinity);
    const e = s.map((value) => expF32(f(value - m)));
    /** Slabs from +0 ascending over their keys, slab sums added ascending. */
    const sumKeys = (term: (key: number) => number): number => {
      let sum = 0;
      for (let first = 0; first < places; first += slabTokens) {
        let part = 0;
        for (let k = first; k < Math.min(places, first + slabTokens); k++) part = f(part + term(k));
        sum = first === 0 ? part : f(sum + part);
      }
      return sum;
    };
    const r = f(1 / sumKeys((k) => e[k]!));
    const row = Array.from({ length: headSize }, (_, i) => f(sumKeys((k) => f(F[at(values) + k * width + i]! * e[k]!)) * r));
    row.forEach((value, i) => (F[at(out) + i * slabTokens] = value));
  },
});
