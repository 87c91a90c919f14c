/**
 * The twins of rounding to narrow types: the neighbours of a value are searched by arithmetic, in f64 (docs/numerics.md §15).
 *
 *   |x| = (whole + rest) units of its binade ─▶ whole, or whole + 1
 *
 * Not here: bits (../wasm/round.ts), where values are rounded.
 */
import { roundKinds, type Kernels } from '../types.js';
import { philoxWord } from './philox.js';
import { at, type View } from './view.js';

const types = new Map<number, { readonly mantissa: number; readonly least: number; readonly most: number }>([
  [roundKinds.bfloat16, { mantissa: 7, least: -126, most: 127 }],
  [roundKinds.float16, { mantissa: 10, least: -14, most: 15 }],
  [roundKinds.cbfloat16, { mantissa: 9, least: -30, most: 31 }],
]);

const cell = new Float32Array(1), bits = new Int32Array(cell.buffer);
/** The exponent of a finite number that is not below the smallest normal one of f32. */
const exponentOf = (size: number): number => {
  cell[0] = size;
  return (bits[0]! >>> 23) - 127;
};

/** `isUp`: whether the larger neighbour is taken, given the lower one in units and what is left of one. */
const rounded = (x: number, kind: number, isUp: (whole: number, rest: number) => boolean): number => {
  const { mantissa, least, most } = types.get(kind)!, size = Math.abs(x);
  if (!(size < 2 ** (most + 1))) return Number.isNaN(x) ? x : x < 0 ? -Infinity : Infinity;
  const unit = 2 ** (Math.max(least, exponentOf(size)) - mantissa), whole = Math.floor(size / unit);
  const near = (whole + (isUp(whole, size / unit - whole) ? 1 : 0)) * unit;
  const sign = x < 0 || Object.is(x, -0) ? -1 : 1;
  return sign * (near >= 2 ** (most + 1) ? Infinity : near);
};

const nearest = (x: number, kind: number): number => rounded(x, kind, (whole, rest) => rest > 0.5 || (rest === 0.5 && whole % 2 === 1));
const byWord = (x: number, kind: number, word: number): number => rounded(x, kind, (_, rest) => (word >>> 8) / 2 ** 24 < rest);

export const roundTwins = ({ floats: F, words: I }: View): Pick<Kernels, 'roundTo' | 'roundByChance' | 'roundListed'> => ({
  roundTo(x, count, kind) {
    for (let i = at(x); i < at(x) + count; i++) F[i] = nearest(F[i]!, kind);
  },
  roundByChance(dst, dstStride, src, srcStride, rows, cols, first, draw, key0, key1, kind) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < cols; column++) {
        const word = philoxWord((first + row * at(srcStride) + column) ^ key1, draw, key0);
        F[at(dst + row * dstStride) + column] = byWord(F[at(src + row * srcStride) + column]!, kind, word);
      }
    }
  },
  roundListed(x, index, count, draw, key0, key1, kind) {
    for (let i = 0; i < count; i++) F[at(x) + i] = byWord(F[at(x) + i]!, kind, philoxWord(I[at(index) + i]! ^ key1, draw, key0));
  },
});
