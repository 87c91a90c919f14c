/**
 * The twins of pack.ts and embedding.ts: where each float goes, one at a time (docs/numerics.md §5). Not here: vectors and blocks (../wasm/).
 */
import { nodeAlign, slabTokens, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

type MoveTwins = Pick<Kernels, 'packForward' | 'packDelta' | 'turn' | 'copyRows' | 'clear' | 'copy' | 'embeddingGather' | 'embeddingLeaf' | 'add'>;

export const moveTwins = ({ floats: F, words: I }: View, packWidth: number): MoveTwins => {
  /** dst ← weight(feature, result) for n features and m results, in groups. */
  const pack = (dst: number, n: number, m: number, weightIndex: (feature: number, result: number) => number): void => {
    let place = at(dst);
    for (let first = 0; first < m; first += packWidth) {
      for (let feature = 0; feature < n; feature++) {
        for (let result = first; result < Math.min(m, first + packWidth); result++) F[place++] = F[weightIndex(feature, result)]!;
      }
    }
  };
  return {
    packForward: (dst, weight, inputs, allOutputs, firstOutput, outputs) =>
      pack(dst, inputs, outputs, (feature, result) => at(weight) + feature * allOutputs + firstOutput + result),
    packDelta: (dst, weight, allOutputs, firstInput, inputs) => pack(dst, allOutputs, inputs, (feature, result) => at(weight) + (firstInput + result) * allOutputs + feature),

    turn(dst, src, features) {
      const width = Math.ceil(features / nodeAlign) * nodeAlign;
      for (let t = 0; t < slabTokens; t++) {
        for (let i = 0; i < width; i++) F[at(dst) + t * width + i] = i < features ? F[at(src) + i * slabTokens + t]! : 0;
      }
    },

    copyRows(dst, dstStride, src, srcStride, rows, cols) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < cols; column++) F[at(dst + row * dstStride) + column] = F[at(src + row * srcStride) + column]!;
      }
    },
    clear: (dst, bytes) => void F.fill(0, at(dst), at(dst) + at(bytes)),
    copy: (dst, src, bytes) => void F.copyWithin(at(dst), at(src), at(src) + at(bytes)),

    embeddingGather(dst, table, ids, context, dim, tokens) {
      for (let t = 0; t < slabTokens; t++) {
        for (let c = 0; c < context; c++) {
          for (let k = 0; k < dim; k++) F[at(dst) + (c * dim + k) * slabTokens + t] = t < tokens ? F[at(table) + I[at(ids) + t * context + c]! * dim + k]! : 0;
        }
      }
    },
    embeddingLeaf(rows, turned, slots, context, dim, width, tokens) {
      for (let t = 0; t < tokens; t++) {
        for (let c = 0; c < context; c++) {
          for (let k = 0; k < dim; k++) {
            const place = at(rows) + I[at(slots) + t * context + c]! * dim + k;
            F[place] = f(F[place]! + F[at(turned) + t * width + c * dim + k]!);
          }
        }
      }
    },

    add(dst, a, b, count) {
      for (let i = 0; i < count; i++) F[at(dst) + i] = f(F[at(a) + i]! + F[at(b) + i]!);
    },
  };
};
