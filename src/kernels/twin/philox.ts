/** The twins' own Philox-2x32-10: products of 32 bits in two steps of 48. Not here: the generator of everything else (util/prng.ts). */

/** The first word. */
export const philoxWord = (counter0: number, counter1: number, key: number): number => {
  let [x0, x1, k] = [counter0 >>> 0, counter1 >>> 0, key >>> 0];
  for (let round = 0; round < 10; round++) {
    const lowPart = Math.floor(((x0 & 0xff_ff) * 0xd256d193) / 0x1_00_00);
    const high = Math.floor(((x0 >>> 16) * 0xd256d193 + lowPart) / 0x1_00_00);
    [x0, x1] = [(high ^ k ^ x1) >>> 0, Math.imul(x0, 0xd256d193) >>> 0];
    k = (k + 0x9e3779b9) >>> 0;
  }
  return x0;
};
