/**
 * Storage formats of a sparse weight, and the ways from and to a mask with its values. Each keeps the mask itself: a stored 0 stays stored, and bits of values stay as they are.
 *
 *   bitmap   a bit a position and the stored values, both by dense index
 *   rows     inputs one after the other (CSR): where each begins, the outputs stored, their values
 *   columns  outputs one after the other (CSC): where each begins, the inputs stored, their values
 *   N:M      for every m consecutive inputs of an output, the offsets and values of the n that are stored
 *
 * Not here: the order in which stored values stream (structure.ts), files (formats/).
 */
import type { MaskPattern } from '../model/sparsity.js';
import { assert, InvalidConfig } from '../util/errors.js';

/** A weight [inputs][outputs] by dense index; values of absent positions are not read, and 0 where a format is taken apart. */
export interface MaskedWeight {
  readonly inputs: number;
  readonly outputs: number;
  readonly mask: Uint8Array;
  readonly values: Float32Array;
}
interface Sized {
  readonly inputs: number;
  readonly outputs: number;
}
export interface Bitmap extends Sized {
  /** Bit i & 7 of byte i >> 3 is dense index i; bits behind the last are 0. */
  readonly bits: Uint8Array;
  readonly values: Float32Array;
}
/** Rows (CSR) or columns (CSC). */
export interface Compressed extends Sized {
  /** First entry of each row (column), and the number of entries. */
  readonly starts: Uint32Array;
  /** Output (input) of each entry, ascending in each row (column). */
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}
export interface NOfM extends Sized {
  readonly n: number;
  readonly m: number;
  /** Groups of m inputs ▸ outputs ▸ n: the input less the first of its group, ascending. */
  readonly offsets: Uint16Array;
  readonly values: Float32Array;
}

/** Values as words: no conversion touches a bit. */
const words = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);
const countOf = (mask: Uint8Array): number => {
  let stored = 0;
  for (let i = 0; i < mask.length; i++) stored += mask[i] as number;
  return stored;
};
const emptyWeight = ({ inputs, outputs }: Sized): MaskedWeight => ({ inputs, outputs, mask: new Uint8Array(inputs * outputs), values: new Float32Array(inputs * outputs) });

/** A mask as bits. */
export const packBits = (mask: Uint8Array): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i++) bits[i >> 3] = (bits[i >> 3] as number) | ((mask[i] as number) << (i & 7));
  return bits;
};
/** The mask of so many bits. */
export const unpackBits = (bits: Uint8Array, positions: number): Uint8Array => {
  assert(bits.length === Math.ceil(positions / 8), 'a bitmap has a bit for each position');
  const mask = new Uint8Array(positions);
  for (let i = 0; i < positions; i++) mask[i] = ((bits[i >> 3] as number) >> (i & 7)) & 1;
  return mask;
};

export const toBitmap = ({ inputs, outputs, mask, values }: MaskedWeight): Bitmap => {
  const stored = new Float32Array(countOf(mask)), from = words(values), to = words(stored);
  for (let i = 0, entry = 0; i < mask.length; i++) if (mask[i] === 1) to[entry++] = from[i] as number;
  return { inputs, outputs, bits: packBits(mask), values: stored };
};
export const fromBitmap = (bitmap: Bitmap): MaskedWeight => {
  const mask = unpackBits(bitmap.bits, bitmap.inputs * bitmap.outputs), values = new Float32Array(mask.length), from = words(bitmap.values), to = words(values);
  assert(countOf(mask) === from.length, 'a bitmap has as many values as bits');
  for (let i = 0, entry = 0; i < mask.length; i++) if (mask[i] === 1) to[i] = from[entry++] as number;
  return { inputs: bitmap.inputs, outputs: bitmap.outputs, mask, values };
};

/** Lines of a weight: dense index of entry `index` of line `line` is line · lineStep + index · step. */
interface Lines {
  readonly count: number;
  readonly length: number;
  readonly lineStep: number;
  readonly step: number;
}
const rowsOf = ({ inputs, outputs }: Sized): Lines => ({ count: inputs, length: outputs, lineStep: outputs, step: 1 });
const columnsOf = ({ inputs, outputs }: Sized): Lines => ({ count: outputs, length: inputs, lineStep: 1, step: outputs });

const compress = ({ inputs, outputs, mask, values }: MaskedWeight, { count, length, lineStep, step }: Lines): Compressed => {
  const entries = countOf(mask), starts = new Uint32Array(count + 1), indices = new Uint32Array(entries), stored = new Float32Array(entries), from = words(values), to = words(stored);
  let entry = 0;
  for (let line = 0; line < count; line++) {
    for (let index = 0; index < length; index++) {
      const at = line * lineStep + index * step;
      if (mask[at] !== 1) continue;
      indices[entry] = index;
      to[entry++] = from[at] as number;
    }
    starts[line + 1] = entry;
  }
  return { inputs, outputs, starts, indices, values: stored };
};
const expand = (compressed: Compressed, { count, lineStep, step }: Lines): MaskedWeight => {
  const weight = emptyWeight(compressed), { starts, indices } = compressed, from = words(compressed.values), to = words(weight.values);
  for (let line = 0; line < count; line++) {
    for (let entry = starts[line] as number; entry < (starts[line + 1] as number); entry++) {
      const at = line * lineStep + (indices[entry] as number) * step;
      weight.mask[at] = 1;
      to[at] = from[entry] as number;
    }
  }
  return weight;
};

export const toRows = (weight: MaskedWeight): Compressed => compress(weight, rowsOf(weight));
export const fromRows = (rows: Compressed): MaskedWeight => expand(rows, rowsOf(rows));
export const toColumns = (weight: MaskedWeight): Compressed => compress(weight, columnsOf(weight));
export const fromColumns = (columns: Compressed): MaskedWeight => expand(columns, columnsOf(columns));

/** @throws InvalidConfig for a mask that does not store n of every m consecutive inputs */
export const toNOfM = ({ inputs, outputs, mask, values }: MaskedWeight, { n, m }: Exclude<MaskPattern, string>): NOfM => {
  if (inputs % m !== 0) throw new InvalidConfig({ what: `inputs in groups of ${m}`, value: inputs, limit: `a multiple of ${m}` });
  const entries = (inputs / m) * outputs * n, offsets = new Uint16Array(entries), stored = new Float32Array(entries), from = words(values), to = words(stored);
  for (let group = 0, entry = 0; group < inputs / m; group++) {
    for (let o = 0; o < outputs; o++) {
      const end = entry + n;
      for (let offset = 0; offset < m; offset++) {
        const at = (group * m + offset) * outputs + o;
        if (mask[at] !== 1) continue;
        if (entry < end) {
          offsets[entry] = offset;
          to[entry] = from[at] as number;
        }
        entry++;
      }
      if (entry !== end) throw new InvalidConfig({ what: `stored positions of output ${o} among inputs ${group * m} to ${group * m + m - 1}`, value: n - end + entry, limit: n });
    }
  }
  return { inputs, outputs, n, m, offsets, values: stored };
};
export const fromNOfM = (sparse: NOfM): MaskedWeight => {
  const weight = emptyWeight(sparse), { inputs, outputs, n, m, offsets } = sparse, from = words(sparse.values), to = words(weight.values);
  for (let entry = 0; entry < (inputs / m) * outputs * n; entry++) {
    const line = Math.floor(entry / n), at = (Math.floor(line / outputs) * m + (offsets[entry] as number)) * outputs + (line % outputs);
    weight.mask[at] = 1;
    to[at] = from[entry] as number;
  }
  return weight;
};
