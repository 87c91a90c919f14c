/**
 * The twins of first weights, one value at a time (docs/numerics.md §8), on the Philox of the twins.
 * Not here: the keys (util/prng.ts), which parameter is drawn how (model/).
 */
import type { Kernels } from '../types.js';
import { philoxWord } from './philox.js';
import { at, type View } from './view.js';

const unitOf = (index: number, k: number, key0: number, key1: number): number => (philoxWord(index ^ key1, k, key0) >>> 8) / 0x1_00_00_00;

export const initialTwins = ({ floats: F }: View): Pick<Kernels, 'initUniform' | 'initNormal'> => ({
  initUniform(dst, first, count, key0, key1, bound) {
    for (let i = 0; i < count; i++) F[at(dst) + i] = (2 * unitOf(first + i, 0, key0, key1) - 1) * bound;
  },
  initNormal(dst, first, count, key0, key1, std) {
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (let k = 0; k < 12; k++) sum += unitOf(first + i, k, key0, key1);
      F[at(dst) + i] = std * (sum - 6);
    }
  },
});
