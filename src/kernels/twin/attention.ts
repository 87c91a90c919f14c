/**
 * The twins of attention.ts and attention-products.ts: one head, one element at a time (docs/numerics.md §12). Not here: exp (../functions.ts), sums over features (linear.ts).
 */
import { expF32 } from '../functions.js';
import { chunkFeatures, slabTokens, type Kernels } from '../types.js';
import { sumFeatures } from './linear.js';
import { at, type View } from './view.js';

const f = Math.fround;

type AttentionTwins = Pick<Kernels,
  | 'panelDot' | 'panelDotSegment' | 'attentionSoftmax' | 'attentionExp' | 'slabProduct' | 'scaleColumns' | 'headDot' | 'headDotSegment' | 'attentionDelta' | 'turnBlocks'>;

export const attentionTwins = ({ floats: F }: View): AttentionTwins => {
  /** Element [row][lane] of rows of 32 behind an address. */
  const cell = (address: number, row: number, lane: number): number => at(address) + row * slabTokens + lane;
  const eachLane = (body: (lane: number) => void): void => {
    for (let lane = 0; lane < slabTokens; lane++) body(lane);
  };
  /** Whether key `row` of `slabs` slabs lies behind the query: only in the last, which is the query's own. */
  const isMasked = (row: number, query: number, slabs: number): boolean => row - (slabs - 1) * slabTokens > query;
  const exponential = (s: number, m: number, slabs: number, scale: number): void =>
    eachLane((q) => {
      for (let k = 0; k < slabs * slabTokens; k++) {
        const place = cell(s, k, q);
        F[place] = isMasked(k, q, slabs) ? 0 : expF32(f(f(F[place]! * f(scale)) - F[at(m) + q]!));
      }
    });
  /** chunk += terms of features first … last−1; at a chunk's end it goes into sum. */
  const segment = (sum: number, chunk: number, first: number, last: number, all: number, term: (feature: number) => number): void => {
    for (let i = first; i < last; i++) {
      F[chunk] = f(F[chunk]! + term(i));
      if ((i + 1) % chunkFeatures !== 0 && i + 1 !== all) continue;
      F[sum] = f(F[sum]! + F[chunk]);
      F[chunk] = 0;
    }
  };

  return {
    panelDot(out, left, leftStride, right, features, slabs) {
      for (let k = 0; k < slabs * slabTokens; k++) {
        const keys = left + Math.floor(k / slabTokens) * leftStride;
        eachLane((q) => (F[cell(out, k, q)] = sumFeatures(features, (i) => f(F[cell(keys, i, k % slabTokens)]! * F[cell(right, i, q)]!))));
      }
    },

    panelDotSegment(sum, chunk, left, right, first, last, all) {
      for (let k = 0; k < slabTokens; k++) {
        eachLane((q) => segment(cell(sum, k, q), cell(chunk, k, q), first, last, all, (i) => f(F[cell(left, i - first, k)]! * F[cell(right, i - first, q)]!)));
      }
    },

    attentionSoftmax(s, m, r, slabs, scale) {
      eachLane((q) => {
        let max = -Infinity;
        for (let k = 0; k < slabs * slabTokens; k++) if (!isMasked(k, q, slabs)) max = Math.max(max, f(F[cell(s, k, q)]! * f(scale)));
        F[at(m) + q] = max;
      });
      exponential(s, m, slabs, scale);
      eachLane((q) => {
        let sum = 0;
        for (let slab = 0; slab < slabs; slab++) {
          let part = 0;
          for (let k = slab * slabTokens; k < (slab + 1) * slabTokens; k++) if (!isMasked(k, q, slabs)) part = f(part + F[cell(s, k, q)]!);
          sum = slab === 0 ? part : f(sum + part);
        }
        F[at(r) + q] = f(1 / sum);
      });
    },

    attentionExp: exponential,

    slabProduct(out, left, leftStride, right, features, slabs, add) {
      for (let i = 0; i < features; i++) {
        eachLane((q) => {
          for (let slab = 0; slab < slabs; slab++) {
            let part = 0;
            for (let k = 0; k < slabTokens; k++) part = f(part + f(F[cell(left + slab * leftStride, i, k)]! * F[cell(right, slab * slabTokens + k, q)]!));
            F[cell(out, i, q)] = slab === 0 && add === 0 ? part : f(F[cell(out, i, q)]! + part);
          }
        });
      }
    },

    scaleColumns(x, row, features) {
      for (let i = 0; i < features; i++) eachLane((q) => (F[cell(x, i, q)] = f(F[cell(x, i, q)]! * F[at(row) + q]!)));
    },

    headDot(out, a, b, features) {
      eachLane((q) => (F[at(out) + q] = sumFeatures(features, (i) => f(F[cell(a, i, q)]! * F[cell(b, i, q)]!))));
    },
    headDotSegment(sum, chunk, a, b, first, last, all) {
      eachLane((q) => segment(at(sum) + q, at(chunk) + q, first, last, all, (i) => f(F[cell(a, i - first, q)]! * F[cell(b, i - first, q)]!)));
    },

    attentionDelta(p, g, e, dP, r, D, scale, rows) {
      for (let k = 0; k < rows; k++) {
        eachLane((q) => {
          const probability = f(F[cell(e, k, q)]! * F[at(r) + q]!);
          const delta = f(f(probability * f(F[cell(dP, k, q)]! - F[at(D) + q]!)) * f(scale));
          F[cell(p, k, q)] = probability;
          F[cell(g, k, q)] = delta;
        });
      }
    },

    turnBlocks(dst, src, slabs) {
      for (let k = 0; k < slabs * slabTokens; k++) {
        const firstRow = k - (k % slabTokens);
        eachLane((q) => (F[cell(dst, firstRow + q, k % slabTokens)] = F[cell(src, k, q)]!));
      }
    },
  };
};
