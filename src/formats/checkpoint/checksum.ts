/**
 * CRC-32 of bytes whose parts come in any order: each part by itself, then put together without the bytes.
 *
 *   crc(a), crc(b), length of b ──combineCrc──▶ crc(ab)
 *   ranges of a tensor, any order, any writer ──addRange──▶ few ranges, at the end one
 *
 * A polynomial of bits, reflected as zlib has it; bytes behind a part multiply it by a power of x. Not here: the CRC of bytes themselves (storage/crc.ts).
 */
import { crc32 } from '../../storage/crc.js';
import type { OpenFile } from '../../storage/file-system.js';
import { MiB } from '../../util/units.js';

/** Most bytes that are held at once while a file is read through. */
export const pieceBytesMax = 4 * MiB;

const polynomial = 0xedb8_8320, one = 0x8000_0000;

/** a · b modulo the polynomial; b is no zero where it matters. */
const multiply = (a: number, b: number): number => {
  let product = 0, power = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= power;
    power = (power & 1) === 0 ? power >>> 1 : (power >>> 1) ^ polynomial;
  }
  return product >>> 0;
};

/** x^(2^n) for n from 0; the powers repeat from 32 on. */
const squares: readonly number[] = Array.from({ length: 31 }).reduce<number[]>((known) => [...known, multiply(known.at(-1) ?? 0, known.at(-1) ?? 0)], [one >>> 1]);

/** x^(8 · bytes). */
const shiftOf = (bytes: number): number => {
  let shift = one;
  for (let left = bytes, n = 3; left > 0; left = Math.floor(left / 2), n++) if (left % 2 === 1) shift = multiply(squares[n % 32] ?? 0, shift);
  return shift;
};

/** The CRC of bytes a followed by bytes b, from that of a, that of b, and how many bytes b has. */
export const combineCrc = (a: number, b: number, bytesOfB: number): number => (multiply(shiftOf(bytesOfB), a) ^ b) >>> 0;

/** Bytes [first, end) that were written, and their CRC; null where some of them were written twice, so that only the file knows. */
export interface Range {
  readonly first: number;
  readonly end: number;
  readonly crc: number | null;
}

const join = (a: Range, b: Range): Range => {
  const crc = a.end === b.first && a.crc !== null && b.crc !== null ? combineCrc(a.crc, b.crc, b.end - b.first) : null;
  return { first: a.first, end: Math.max(a.end, b.end), crc };
};

/** How many of a list's first ones hold, where those that hold come first. */
const countOf = <T>(list: readonly T[], holds: (one: T) => boolean): number => {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1, one = list[middle];
    if (one !== undefined && holds(one)) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Disjoint ranges in order, and one more; those that meet become one. */
export const addRange = (ranges: readonly Range[], added: Range): readonly Range[] => {
  if (added.end === added.first) return ranges;
  const before = countOf(ranges, ({ end }) => end < added.first), upTo = countOf(ranges, ({ first }) => first <= added.end);
  const near = [...ranges.slice(before, upTo), added].toSorted((a, b) => a.first - b.first || a.end - b.end);
  return ranges.toSpliced(before, upTo - before, near.reduce(join));
};

/** Calls `visit` for the bytes of a file from `at` on, piece by piece; a piece is valid until the next. */
export const readThrough = (file: OpenFile, at: number, bytes: number, visit: (piece: Uint8Array) => void): void => {
  const room = new Uint8Array(Math.min(pieceBytesMax, bytes));
  for (let done = 0; done < bytes; done += room.length) {
    const piece = room.subarray(0, Math.min(room.length, bytes - done));
    file.read(piece, at + done);
    visit(piece);
  }
};

export const crcInFile = (file: OpenFile, at: number, bytes: number): number => {
  let crc = 0;
  readThrough(file, at, bytes, (piece) => {
    crc = crc32(piece, crc);
  });
  return crc;
};

/** Eight hexadecimal digits, as files and tools show it. */
export const crcText = (crc: number): string => crc.toString(16).padStart(8, '0');
