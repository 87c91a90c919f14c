/** Named tensors: parameters outside the machine; their digest and their first difference, every NaN as one. Not here: files. */
import { createHash } from 'node:crypto';

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major f32. */
  readonly data: Float32Array;
}

const canonicalNaN = 0x7fc00000;
const pieceFloats = 1 << 18;

/** The bits of a tensor with every NaN replaced by one. */
const bitsOf = (data: Float32Array): Int32Array => {
  const copy = new Float32Array(data);
  const bits = new Int32Array(copy.buffer);
  for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) bits[i] = canonicalNaN;
  return bits;
};

/** Sixteen hexadecimal digits of the SHA-256 of names, shapes and bits. */
export const digest = (tensors: Iterable<NamedTensor>): string => {
  const hash = createHash('sha256');
  for (const { name, shape, data } of tensors) {
    hash.update(`${name}[${shape.join(',')}]`);
    // Piece by piece: a copy of a whole table would be felt.
    for (let first = 0; first < data.length; first += pieceFloats) hash.update(new Uint8Array(bitsOf(data.subarray(first, first + pieceFloats)).buffer));
  }
  return hash.digest('hex').slice(0, 16);
};

export interface Difference {
  readonly tensor: string;
  readonly index: number;
  readonly a: number;
  readonly b: number;
}

/** The first place at which two lists of tensors differ in a bit, or null. Lists of different make differ at index −1. */
export const firstDifference = (a: readonly NamedTensor[], b: readonly NamedTensor[]): Difference | null => {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i], right = b[i];
    if (left === undefined || right === undefined || left.name !== right.name || left.data.length !== right.data.length) {
      return { tensor: left?.name ?? right?.name ?? '', index: -1, a: left?.data.length ?? 0, b: right?.data.length ?? 0 };
    }
    const x = bitsOf(left.data), y = bitsOf(right.data);
    const index = x.findIndex((bits, j) => bits !== y[j]);
    if (index >= 0) return { tensor: left.name, index, a: left.data[index] as number, b: right.data[index] as number };
  }
  return null;
};
