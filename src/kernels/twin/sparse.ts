/**
 * The twins of sparse-linear.ts, sparse-rows.ts and sparse-moves.ts: sums over the stored positions only, and where stored floats go (docs/numerics.md §1, rule 8).
 *
 * Not here: the sums over tokens (sparse-gradient.ts), vectors and loops (../wasm/).
 */
import { chunkFeatures, chunksOf, panelRowBytes, slabTokens, type Kernels } from '../types.js';
import { packedIndex } from './linear.js';
import { at, halfAt, type View } from './view.js';

const f = Math.fround;

export interface Entry {
  readonly entry: number;
  readonly feature: number;
}

/** The entries of a chunk and a row (a result, or a group of four), `rows` rows a chunk. */
export const entriesOf = ({ words: I, halves: H }: View, indices: number, starts: number, chunk: number, row: number, rows: number): Entry[] => {
  const place = at(starts) + chunk * rows + row;
  const entries: Entry[] = [];
  for (let entry = I[place]!; entry < I[place + 1]!; entry++) entries.push({ entry, feature: chunk * chunkFeatures + H[halfAt(indices) + entry]! / panelRowBytes });
  return entries;
};

type SparseTwins = Pick<Kernels, 'linearStored' | 'linearFourRow' | 'linearStoredSegment' | 'gatherNode' | 'spread' | 'gather' | 'allFinite' | 'liveFeatures' | 'linearListed'>;

export const sparseTwins = (view: View, packWidth: number): SparseTwins => {
  const { floats: F, words: I, halves: H } = view;

  /** `lanes` results share the entries of a row. */
  const linearOf = (lanes: number): Kernels['linearStored'] => (out, outStride, inp, inpStride, values, indices, starts, n, m, panels) => {
    for (let panel = 0; panel < panels; panel++) {
      const [y, x] = [at(out + panel * outStride), at(inp + panel * inpStride)];
      for (let j = 0; j < m; j++) {
        for (let t = 0; t < slabTokens; t++) {
          let sum = 0;
          for (let chunk = 0; chunk < chunksOf(n); chunk++) {
            let chunkSum = 0;
            for (const { entry, feature } of entriesOf(view, indices, starts, chunk, Math.floor(j / lanes), m / lanes)) {
              chunkSum = f(chunkSum + f(F[at(values) + entry * lanes + (j % lanes)]! * F[x + feature * slabTokens + t]!));
            }
            sum = chunk === 0 ? chunkSum : f(sum + chunkSum);
          }
          F[y + j * slabTokens + t] = sum;
        }
      }
    }
  };

  /** The features of the list, chunk by chunk. */
  const listed = (list: number, n: number, chunk: number): number[] => {
    const offsets = halfAt(list) + 2 * (chunksOf(n) + 1);
    return Array.from(H.subarray(offsets + I[at(list) + chunk]!, offsets + I[at(list) + chunk + 1]!), (offset) => chunk * chunkFeatures + offset / panelRowBytes);
  };

  return {
    linearStored: linearOf(1),
    linearFourRow: linearOf(4),

    linearStoredSegment(sum, chunk, inp, values, indices, starts, n, m, first, last) {
      for (let number = 0; number < chunksOf(n); number++) {
        const end = Math.min(n, (number + 1) * chunkFeatures);
        for (let j = 0; j < m; j++) {
          for (let t = 0; t < slabTokens; t++) {
            const [s, c] = [at(sum) + j * slabTokens + t, at(chunk) + j * slabTokens + t];
            for (const { entry, feature } of entriesOf(view, indices, starts, number, j, m)) {
              if (feature >= first && feature < last) F[c] = f(F[c]! + f(F[at(values) + entry]! * F[at(inp) + (feature - first) * slabTokens + t]!));
            }
            if (first < end && last >= end) {
              F[s] = f(F[s]! + F[c]!);
              F[c] = 0;
            }
          }
        }
      }
    },

    gatherNode(dst, node, width, indices, starts, n, m, lanes) {
      for (let chunk = 0; chunk < chunksOf(n); chunk++) {
        for (let row = 0; row < m / lanes; row++) {
          for (const { entry, feature } of entriesOf(view, indices, starts, chunk, row, m / lanes)) {
            for (let r = 0; r < lanes; r++) F[at(dst) + entry * lanes + r] = F[at(node) + feature * width + row * lanes + r]!;
          }
        }
      }
    },

    spread(packed, values, indices, starts, n, m, lanes) {
      F.fill(0, at(packed), at(packed) + n * m);
      for (let chunk = 0; chunk < chunksOf(n); chunk++) {
        for (let row = 0; row < m / lanes; row++) {
          for (const { entry, feature } of entriesOf(view, indices, starts, chunk, row, m / lanes)) {
            for (let r = 0; r < lanes; r++) F[at(packed) + packedIndex(packWidth, n, m, feature, row * lanes + r)] = F[at(values) + entry * lanes + r]!;
          }
        }
      }
    },

    gather(dst, src, index, count) {
      for (let k = 0; k < count; k++) F[at(dst) + k] = F[at(src) + I[at(index) + k]!]!;
    },

    allFinite(x, count) {
      for (let i = 0; i < count; i++) if (!Number.isFinite(F[at(x) + i]!)) return 0;
      return 1;
    },

    liveFeatures(list, x, n) {
      let count = 0;
      for (let i = 0; i < n; i++) {
        const row = F.subarray(at(x) + i * slabTokens, at(x) + (i + 1) * slabTokens);
        if (i % chunkFeatures === 0) I[at(list) + i / chunkFeatures] = count;
        if (row.some((value) => value !== 0)) H[halfAt(list) + 2 * (chunksOf(n) + 1) + count++] = (i % chunkFeatures) * panelRowBytes;
      }
      I[at(list) + chunksOf(n)] = count;
      if (count < n) H[halfAt(list) + 2 * (chunksOf(n) + 1) + count] = 0;
      return count;
    },

    linearListed(out, inp, packed, n, m, list) {
      for (let j = 0; j < m; j++) {
        for (let t = 0; t < slabTokens; t++) {
          let sum = 0;
          for (let chunk = 0; chunk < chunksOf(n); chunk++) {
            let chunkSum = 0;
            for (const i of listed(list, n, chunk)) chunkSum = f(chunkSum + f(F[at(packed) + packedIndex(packWidth, n, m, i, j)]! * F[at(inp) + i * slabTokens + t]!));
            sum = chunk === 0 ? chunkSum : f(sum + chunkSum);
          }
          F[at(out) + j * slabTokens + t] = sum;
        }
      }
    },
  };
};
