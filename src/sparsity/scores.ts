/**
 * Scores of cells as unsigned 32-bit integers: larger is kept first, of equal ones the lower index (docs/numerics.md §14).
 *
 *   |x| as its bits                  orders as |x| does, +∞ above every number, NaN above +∞ and every NaN equal
 *   a block of four                  the bits of ((|a| + |b|) + |c|) + |d|, each sum rounded to f32
 *   random                           a word by counter: a function of seed, purpose, parameter, dense index and version
 *
 * Not here: choosing by score (select.ts).
 */
import { streamKey, streamWord, type purposes } from '../util/prng.js';
import type { Cells } from './cells.js';

const magnitude = 0x7fff_ffff, infinity = 0x7f80_0000, notANumber = 0x7fc0_0000;

const wordsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Scores by |value|; of a block by the sum. */
export const magnitudeScores = (values: Float32Array, { lanes }: Cells): Uint32Array => {
  const sums = lanes === 1 ? values : blockSums(values, lanes);
  const words = wordsOf(sums), scores = new Uint32Array(words.length);
  for (let i = 0; i < scores.length; i++) {
    const bits = (words[i] as number) & magnitude;
    scores[i] = bits > infinity ? notANumber : bits;
  }
  return scores;
};

const blockSums = (values: Float32Array, lanes: number): Float32Array => {
  const sums = new Float32Array(values.length / lanes);
  for (let c = 0; c < sums.length; c++) {
    let sum = 0;
    for (let lane = 0; lane < lanes; lane++) sum = Math.fround(sum + Math.abs(values[c * lanes + lane] as number));
    sums[c] = sum;
  }
  return sums;
};

/** A random word for each cell that is not taken (null: none is), that of its first position. */
export const randomScores = (cells: Cells, taken: Uint8Array | null, seed: number, purpose: (typeof purposes)['maskInit' | 'maskGrow'], parameter: number, version: number): Uint32Array => {
  const scores = new Uint32Array(cells.rows * cells.columns), key = streamKey(seed, purpose, parameter), { lanes } = cells;
  for (let c = 0; c < scores.length; c++) if (taken === null || taken[c] === 0) scores[c] = streamWord(key, c * lanes, version);
  return scores;
};
