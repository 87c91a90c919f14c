/**
 * The twins of sums of squares and of scaling (docs/numerics.md §6). Not here: the clipping factor.
 */
import { squareLeafFloats, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

export const squareTwins = ({ floats: F }: View): Pick<Kernels, 'squareLeaves' | 'scale' | 'rowSquares' | 'columnSquares'> => ({
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
  rowSquares(dst, dstStride, src, srcStride, rows, cols) {
    for (let r = 0; r < rows; r++) {
      let sum = 0;
      for (let c = 0; c < cols; c++) {
        const value = F[at(src + r * srcStride) + c]!;
        sum = f(sum + f(value * value));
      }
      F[at(dst + r * dstStride)] = sum;
    }
  },
  columnSquares(dst, src, srcStride, rows, cols) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        const value = F[at(src + r * srcStride) + c]!;
        F[at(dst) + c] = f(F[at(dst) + c]! + f(value * value));
      }
    }
  },
});
