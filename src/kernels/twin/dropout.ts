/**
 * The twin of dropout, one element at a time (docs/numerics.md §3), with a Philox of its own: products of 32 bits in two steps of 48.
 * Not here: the generator's other uses (util/prng.ts).
 */
import { slabTokens, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

/** The first word of Philox-2x32-10. */
const word = (counter0: number, counter1: number, key: number): number => {
  let [x0, x1, k] = [counter0 >>> 0, counter1 >>> 0, key >>> 0];
  for (let round = 0; round < 10; round++) {
    const lowPart = Math.floor(((x0 & 0xff_ff) * 0xd256d193) / 0x1_00_00);
    const high = Math.floor(((x0 >>> 16) * 0xd256d193 + lowPart) / 0x1_00_00);
    [x0, x1] = [(high ^ k ^ x1) >>> 0, Math.imul(x0, 0xd256d193) >>> 0];
    k = (k + 0x9e3779b9) >>> 0;
  }
  return x0;
};

export const dropoutTwins = ({ floats: F }: View): Pick<Kernels, 'dropout'> => ({
  dropout(dst, src, features, firstFeature, firstToken, key0, key1, threshold, scale) {
    for (let k = 0; k < features; k++) {
      for (let t = 0; t < slabTokens; t++) {
        const kept = word((firstFeature + k) ^ key1, firstToken + t, key0) >= threshold >>> 0;
        F[at(dst) + k * slabTokens + t] = kept ? f(F[at(src) + k * slabTokens + t]! * f(scale)) : 0;
      }
    }
  },
});
