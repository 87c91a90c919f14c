/**
 * Choosing cells by score without sorting: the k-th largest score by counting digits from above, then one pass over the cells.
 *
 *   scores of a group ─▶ count digits of 11, 11 and 10 bits ─▶ threshold, and how many cells that equal it ─▶ all above it, and the first of the equal ones
 *
 * Time grows with the cells, never with k. Not here: what scores mean (scores.ts), how many are wanted (algorithms.ts).
 */
import type { CellGroup } from './cells.js';

const digits = [{ shift: 21, bits: 11 }, { shift: 10, bits: 11 }, { shift: 0, bits: 10 }] as const;

/**
 * Sets `chosen` to 1 for the `k` cells of highest score among those of a group whose `candidates` byte is `wanted` (null: all of them); of equal scores the lower
 * index is chosen first. Fewer if there are fewer candidates. `chosen` and `candidates` may be one array.
 */
export const chooseTop = (scores: Uint32Array, columns: number, group: CellGroup, candidates: Uint8Array | null, wanted: 0 | 1, k: number, chosen: Uint8Array): void => {
  if (k <= 0) return;
  const flip = wanted ^ 1, { threshold, equal } = thresholdOf(scores, columns, group, candidates, flip, k);
  const { firstRow, endRow, firstColumn, endColumn } = group;
  let left = equal;
  for (let row = firstRow; row < endRow; row++) {
    for (let c = row * columns + firstColumn, end = row * columns + endColumn; c < end; c++) {
      const score = scores[c] as number, one = candidates === null ? 1 : (candidates[c] as number) ^ flip;
      // Bit 31 of this is score > threshold, unsigned: no branch depends on a score but where it equals the threshold.
      const above = ((~threshold & score) | (~(threshold ^ score) & (threshold - score))) >>> 31;
      chosen[c] = (chosen[c] as number) | (above & one);
      if (score === threshold && one === 1 && left > 0) {
        chosen[c] = 1;
        left--;
      }
    }
  }
};

interface Threshold {
  readonly threshold: number;
  readonly equal: number;
}

/** The k-th largest score of the candidates, and how many of those that equal it belong to the k largest. With fewer candidates: 0, and at least all that equal it. */
const thresholdOf = (scores: Uint32Array, columns: number, group: CellGroup, candidates: Uint8Array | null, flip: number, k: number): Threshold => {
  const counts = new Uint32Array(1 << digits[0].bits);
  // Bits above the digit that is counted: known after the digits before it.
  let prefix = 0, left = k;
  for (const { shift, bits } of digits) {
    counts.fill(0);
    countDigit(scores, columns, group, candidates, flip, shift, bits, prefix, counts);
    let digit = (1 << bits) - 1;
    for (; digit > 0 && left > (counts[digit] as number); digit--) left -= counts[digit] as number;
    prefix = ((prefix << bits) | digit) >>> 0;
  }
  return { threshold: prefix, equal: left };
};

/** Counts the candidates' values of one digit, among those whose bits above it are `prefix`. */
const countDigit = (scores: Uint32Array, columns: number, { firstRow, endRow, firstColumn, endColumn }: CellGroup, candidates: Uint8Array | null, flip: number, shift: number, bits: number, prefix: number, counts: Uint32Array): void => {
  const mask = (1 << bits) - 1, above = shift + bits;
  for (let row = firstRow; row < endRow; row++) {
    for (let c = row * columns + firstColumn, end = row * columns + endColumn; c < end; c++) {
      const score = scores[c] as number;
      if (above < 32 && score >>> above !== prefix) continue;
      const digit = (score >>> shift) & mask;
      counts[digit] = (counts[digit] as number) + (candidates === null ? 1 : (candidates[c] as number) ^ flip);
    }
  }
};
