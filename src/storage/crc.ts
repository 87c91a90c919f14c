/** CRC-32 as zlib has it, of bytes in any memory, shared or not; and of zeros without a copy of them. Not here: who remembers it (checksums.ts). */
import { crc32 } from 'node:zlib';
import { MiB } from '../util/units.js';

export { crc32 };

const zeroChunk = new Uint8Array(MiB);
const zeroSums = new Map<number, number>();

/** Zeros, for a file: at most 1 MiB of them. */
export const zeros = (bytes: number): Uint8Array => zeroChunk.subarray(0, bytes);

export const crcOfZeros = (bytes: number): number => {
  const known = zeroSums.get(bytes);
  if (known !== undefined) return known;
  let sum = 0;
  for (let done = 0; done < bytes; done += zeroChunk.length) sum = crc32(zeros(Math.min(zeroChunk.length, bytes - done)), sum);
  zeroSums.set(bytes, sum);
  return sum;
};
