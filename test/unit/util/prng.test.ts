/** Random numbers by counter: the published test vectors of Philox-2x32-10, the mixing around it, permutations. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { permuted, purposes, randomUnit, randomWord } from '../../../src/util/prng.js';

/** Philox-2x32-10 in big integers, after the paper. */
const philox = (c0: number, c1: number, key: number): readonly [number, number] => {
  let x0 = BigInt(c0), x1 = BigInt(c1), k = BigInt(key);
  for (let round = 0; round < 10; round++) {
    const product = 0xd256d193n * x0;
    [x0, x1] = [(product >> 32n) ^ k ^ x1, product & 0xffffffffn];
    k = (k + 0x9e3779b9n) & 0xffffffffn;
  }
  return [Number(x0), Number(x1)];
};

test('the big-integer Philox gives the test vectors of its authors', () => {
  assert.deepEqual(philox(0, 0, 0), [0xff1dae59, 0x6cd10df2]);
  assert.deepEqual(philox(0xffffffff, 0xffffffff, 0xffffffff), [0x2c3f628b, 0xab4fd7ad]);
  assert.deepEqual(philox(0x243f6a88, 0x85a308d3, 0x13198a2e), [0xdd7ce038, 0xf62a4c12]);
});

test('randomWord is two applications of it: seed and purpose make the key, indices the counter', () => {
  const word32 = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.constantFrom(...Object.values(purposes)), word32, word32, word32, (seed, purpose, a, b, c) => {
      const [key, fold] = philox(seed % 2 ** 32, c, (purpose ^ Math.floor(seed / 2 ** 32)) >>> 0);
      assert.equal(randomWord(seed, purpose, a, b, c), philox((a ^ fold) >>> 0, b, key)[0]);
      assert.equal(randomUnit(seed, purpose, a, b, c), (randomWord(seed, purpose, a, b, c) >>> 8) / 2 ** 24);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('units lie in [0, 1), fill it evenly and are exact in f32', () => {
  const bins = Array.from({ length: 16 }, () => 0);
  for (let i = 0; i < 16_000; i++) {
    const unit = randomUnit(5, purposes.init, i);
    assert.ok(unit >= 0 && unit < 1 && Math.fround(unit) === unit);
    const bin = Math.floor(unit * 16);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  // 1000 a bin, standard deviation 31.
  for (const count of bins) assert.ok(Math.abs(count - 1000) < 160, `${count}`);
});

test('permuted is a permutation, another one for each seed and epoch', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.nat(), fc.nat({ max: 5 }), (size, seed, epoch) => {
      const images = Array.from({ length: size }, (_, i) => permuted(i, size, seed, purposes.shuffle, epoch));
      assert.deepEqual(images.toSorted((a, b) => a - b), Array.from({ length: size }, (_, i) => i));
    }),
    { seed: 1, numRuns: 100 },
  );
  const order = (seed: number, epoch: number): string => Array.from({ length: 50 }, (_, i) => permuted(i, 50, seed, purposes.shuffle, epoch)).join();
  assert.equal(new Set([order(1, 0), order(1, 1), order(2, 0)]).size, 3);
});
