/**
 * The twins of sums of squares and of scaling (docs/numerics.md §6). Not here: the clipping factor.
 */
import { squareLeafFloats, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

export const squareTwins = ({ floats: F }: View): Pick<Kernels, 'squareLeaves' | 'scale'> => ({
  squareLeaves(leaves, g, count) {
    for (let first = 0; first < count; first += squareLeafFloats) {
      let sum = 0;
      for (let i = first; i < Math.min(count, first + squareLeafFloats); i++) sum = f(sum + f(F[at(g) + i]! * F[at(g) + i]!));
      F[at(leaves) + first / squareLeafFloats] = sum;
    }
  },
  scale(dst, src, factor, count) {
    for (let i = 0; i < count; i++) F[at(dst) + i] = f(F[at(src) + i]! * f(factor));
  },
});
