/**
 * The twins of sparse-gradient.ts: the gradient at stored positions, one sum over tokens at a time (docs/numerics.md §1, rule 8).
 *
 * Not here: which slabs form a node of the token tree (the caller), vectors and loops (../wasm/).
 */
import { chunksOf, slabTokens, type Kernels } from '../types.js';
import { entriesOf } from './sparse.js';
import { at, type View } from './view.js';

const f = Math.fround;
const quadSlabs = 4;

type SparseGradientTwins = Pick<Kernels, 'quad' | 'gradientStored' | 'gradientFourRow' | 'gradientStoredSegment'>;

export const sparseGradientTwins = (view: View): SparseGradientTwins => {
  const { floats: F } = view;

  /** `lanes` results share the entries of a row. */
  const gradientOf = (lanes: number): Kernels['gradientStored'] => (dst, dstStride, x, dy, indices, starts, n, m, tokens, slabs, merged) => {
    const leaf = (feature: number, result: number, slab: number): number => {
      let sum = 0;
      for (let t = 0; t < ((tokens >>> (8 * slab)) & 255); t++) {
        const place = t * quadSlabs + slab;
        sum = f(sum + f(F[at(x) + feature * slabTokens * quadSlabs + place]! * F[at(dy) + result * slabTokens * quadSlabs + place]!));
      }
      return sum;
    };
    for (let chunk = 0; chunk < chunksOf(n); chunk++) {
      for (let j = 0; j < m; j++) {
        for (const { entry, feature } of entriesOf(view, indices, starts, chunk, Math.floor(j / lanes), m / lanes)) {
          const place = entry * lanes + (j % lanes);
          if (merged !== 0) F[at(dst) + place] = f(f(leaf(feature, j, 0) + leaf(feature, j, 1)) + f(leaf(feature, j, 2) + leaf(feature, j, 3)));
          else for (let slab = 0; slab < slabs; slab++) F[at(dst + slab * dstStride) + place] = leaf(feature, j, slab);
        }
      }
    }
  };

  return {
    quad(dst, src, srcStride, features, slabs) {
      for (let i = 0; i < features * slabTokens; i++) {
        for (let slab = 0; slab < quadSlabs; slab++) F[at(dst) + i * quadSlabs + slab] = slab < slabs ? F[at(src + slab * srcStride) + i]! : 0;
      }
    },

    gradientStored: gradientOf(1),
    gradientFourRow: gradientOf(4),

    gradientStoredSegment(acc, x, dy, indices, starts, n, m, first, last, firstToken, lastToken) {
      for (let chunk = 0; chunk < chunksOf(n); chunk++) {
        for (let j = 0; j < m; j++) {
          for (const { entry, feature } of entriesOf(view, indices, starts, chunk, j, m)) {
            if (feature < first || feature >= last) continue;
            for (let t = firstToken; t < lastToken; t++) {
              F[at(acc) + entry] = f(F[at(acc) + entry]! + f(F[at(x) + (feature - first) * slabTokens + t]! * F[at(dy) + j * slabTokens + t]!));
            }
          }
        }
      }
    },
  };
};
