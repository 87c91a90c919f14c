/**
 * Counter-based random numbers: a pure function of seed, purpose and index (numerics contract, rule 11).
 *
 *   word(seed, purpose, a, b, c) → 32 uniform bits      no state, no call order, no thread
 *
 * The mixer is Philox-2x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
 * key = seed word mixed with the purpose, counter = (a, b) with c folded into the key by one more application.
 * Not here: distributions of weights (model/init.ts).
 */

const MULTIPLIER = 0xd256d193;
const WEYL = 0x9e3779b9;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers: no step leaves 32 bits. */
const mulHigh = (a: number, b: number): number => {
  const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
  const mid = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const mid2 = (Math.imul(aLow, bHigh) + (mid & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (mid >>> 16) + (mid2 >>> 16)) >>> 0;
};

const philox = (counter0: number, counter1: number, key: number): [number, number] => {
  let x0 = counter0 >>> 0, x1 = counter1 >>> 0, k = key >>> 0;
  for (let round = 0; round < 10; round++) {
    const high = mulHigh(MULTIPLIER, x0);
    const low = Math.imul(MULTIPLIER, x0) >>> 0;
    x0 = (high ^ k ^ x1) >>> 0;
    x1 = low;
    k = (k + WEYL) >>> 0;
  }
  return [x0, x1];
};

/** Purposes keep the streams of random numbers apart. A number, once given, is never reused. */
export const purposes = { init: 1, shuffle: 2, dropout: 3, sampling: 4, schedule: 5, testData: 6, maskInit: 7, maskGrow: 8, rounding: 9 } as const;
export type Purpose = (typeof purposes)[keyof typeof purposes];

/** Thirty-two uniform bits for (seed, purpose, a, b, c); every argument is taken modulo 2^32 except `seed`, which may use 53 bits. */
export const randomWord = (seed: number, purpose: Purpose, a: number, b = 0, c = 0): number => {
  return streamWord(streamKey(seed, purpose, c), a, b);
};

/** `randomWord` of a key made once. */
export const streamWord = ({ key0, key1 }: StreamKey, a: number, b: number): number => philox((a ^ key1) >>> 0, b >>> 0, key0)[0];

export interface StreamKey {
  readonly key0: number;
  readonly key1: number;
}

/** The two key words under which `randomWord(seed, purpose, a, b, c)` is Philox of counters (a ^ key1, b) with key key0: for kernels that draw many. */
export const streamKey = (seed: number, purpose: Purpose, c: number): StreamKey => {
  const seedHigh = Math.floor(seed / 0x100000000) >>> 0;
  const [key0, key1] = philox(seed >>> 0, c >>> 0, (purpose ^ seedHigh) >>> 0);
  return { key0, key1 };
};

/** Uniform in [0, 1) with 24 bits, exact in f32. */
export const randomUnit = (seed: number, purpose: Purpose, a: number, b = 0, c = 0): number => (randomWord(seed, purpose, a, b, c) >>> 8) / 0x1000000;

/**
 * The image of `index` under the seed's permutation of 0 … size−1, without storing it: a six-round Feistel network over the
 * next even power of two, walked until it lands inside. Throws nothing; `index` must lie in [0, size).
 */
export const permuted = (index: number, size: number, seed: number, purpose: Purpose, epoch: number): number => {
  if (size <= 1) return index;
  let halfBits = 1;
  while (4 ** halfBits < size) halfBits++;
  const half = 2 ** halfBits;
  let x = index;
  do {
    let left = Math.floor(x / half), right = x % half;
    for (let round = 0; round < 6; round++) {
      const f = randomWord(seed, purpose, right, round, epoch) % half;
      [left, right] = [right, (left ^ f) >>> 0];
    }
    x = left * half + right;
  } while (x >= size);
  return x;
};
