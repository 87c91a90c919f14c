/**
 * The twin of dropout, one element at a time (docs/numerics.md §3), on the Philox of the twins.
 * Not here: the generator's other uses (util/prng.ts).
 */
import { slabTokens, type Kernels } from '../types.js';
import { philoxWord } from './philox.js';
import { at, type View } from './view.js';

const f = Math.fround;

export const dropoutTwins = ({ floats: F }: View): Pick<Kernels, 'dropout'> => ({
  dropout(dst, src, features, firstFeature, firstToken, key0, key1, threshold, scale) {
    for (let k = 0; k < features; k++) {
      for (let t = 0; t < slabTokens; t++) {
        const kept = philoxWord((firstFeature + k) ^ key1, firstToken + t, key0) >= threshold >>> 0;
        F[at(dst) + k * slabTokens + t] = kept ? f(F[at(src) + k * slabTokens + t]! * f(scale)) : 0;
      }
    }
  },
});
