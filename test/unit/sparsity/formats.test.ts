/** Formats of sparse weights: there and back without losing a stored zero or a bit; small ones written out; loads of columns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadOfColumns } from '../../../src/sparsity/load.js';
import { fromBitmap, fromColumns, fromNOfM, fromRows, packBits, toBitmap, toColumns, toNOfM, toRows, unpackBits, type MaskedWeight } from '../../../src/sparsity/formats.js';
import { chooseNOfM } from '../../../src/sparsity/n-of-m.js';
import { InvalidConfig } from '../../../src/util/errors.js';
import { randomUnit, randomWord } from '../../../src/util/prng.js';
import { valuesOf } from './mask-cases.js';
import { storedOf } from './stored.js';

/** A weight with values of any bits, or many stored zeros; absent ones are 0. */
const aWeight = (): fc.Arbitrary<MaskedWeight> =>
  fc.record({ inputs: fc.integer({ min: 1, max: 20 }), outputs: fc.integer({ min: 1, max: 20 }), density: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })), seed: fc.nat(), wild: fc.boolean() })
    .map(({ inputs, outputs, density, seed, wild }) => {
      const size = inputs * outputs, mask = Uint8Array.from({ length: size }, (_, i) => (randomUnit(seed, 6, i, 9) < density ? 1 : 0));
      return { inputs, outputs, mask, values: masked(valuesOf(size, wild ? 'wild' : 'ties', seed, 0), mask) };
    });
/** Bits of absent values become +0. */
const masked = (values: Float32Array, mask: Uint8Array): Float32Array => new Float32Array(Uint32Array.from(new Uint32Array(values.buffer), (bits, i) => (mask[i] === 1 ? bits : 0)).buffer);
/** Bits, so that NaN and −0 are told apart. */
const bits = ({ inputs, outputs, mask, values }: MaskedWeight): unknown => ({ inputs, outputs, mask, values: new Uint32Array(values.buffer, values.byteOffset, values.length) });

test('bitmap, rows and columns: there and back, bit for bit', () => {
  fc.assert(
    fc.property(aWeight(), (weight) => {
      assert.deepEqual(bits(fromBitmap(toBitmap(weight))), bits(weight));
      assert.deepEqual(bits(fromRows(toRows(weight))), bits(weight));
      assert.deepEqual(bits(fromColumns(toColumns(weight))), bits(weight));
      assert.deepEqual(unpackBits(packBits(weight.mask), weight.mask.length), weight.mask);
      for (const { values } of [toBitmap(weight), toRows(weight), toColumns(weight)]) assert.equal(values.length, storedOf(weight.mask));
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('N:M: there and back, and a mask of another pattern is refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 }), fc.nat(), (n, rest, groups, outputs, seed) => {
      const m = n + rest, inputs = m * groups, mask = chooseNOfM(Uint32Array.from({ length: inputs * outputs }, (_, i) => randomWord(seed, 6, i)), inputs, outputs, { n, m });
      const weight = { inputs, outputs, mask, values: masked(valuesOf(mask.length, 'wild', seed, 1), mask) }, sparse = toNOfM(weight, { n, m });
      assert.equal(sparse.values.length, storedOf(mask));
      assert.deepEqual(bits(fromNOfM(sparse)), bits(weight));
      const other = seed % mask.length;
      assert.throws(() => toNOfM({ ...weight, mask: mask.with(other, 1 - (mask[other] ?? 0)) }, { n, m }), InvalidConfig);
    }),
    { seed: 2, numRuns: 200 },
  );
  assert.throws(() => toNOfM({ inputs: 3, outputs: 1, mask: new Uint8Array(3), values: new Float32Array(3) }, { n: 1, m: 2 }), InvalidConfig);
});

test('a small weight, written out', () => {
  const weight = { inputs: 2, outputs: 3, mask: Uint8Array.of(1, 0, 1, 0, 1, 1), values: Float32Array.of(1, 0, 0, 0, 4, 5) };
  assert.deepEqual(toBitmap(weight), { inputs: 2, outputs: 3, bits: Uint8Array.of(0b110101), values: Float32Array.of(1, 0, 4, 5) });
  assert.deepEqual(toRows(weight), { inputs: 2, outputs: 3, starts: Uint32Array.of(0, 2, 4), indices: Uint32Array.of(0, 2, 1, 2), values: Float32Array.of(1, 0, 4, 5) });
  assert.deepEqual(toColumns(weight), { inputs: 2, outputs: 3, starts: Uint32Array.of(0, 1, 2, 4), indices: Uint32Array.of(0, 1, 0, 1), values: Float32Array.of(1, 4, 0, 5) });
  const half = { inputs: 2, outputs: 2, mask: Uint8Array.of(1, 0, 0, 1), values: Float32Array.of(7, 0, 0, 8) };
  assert.deepEqual(toNOfM(half, { n: 1, m: 2 }), { inputs: 2, outputs: 2, n: 1, m: 2, offsets: Uint16Array.of(0, 1), values: Float32Array.of(7, 8) });
});

test('loads of columns of tiles: stored positions of their inputs, the largest beside the mean', () => {
  const mask = Uint8Array.of(1, 1, 1, 0, 0, 0, 1, 0);
  assert.deepEqual(loadOfColumns(mask, 4, 2, [0, 1, 3, 4]), { columns: [2, 1, 1], max: 2, mean: 4 / 3, imbalance: 1.5 });
  assert.deepEqual(loadOfColumns(new Uint8Array(8), 4, 2, [0, 2, 4]), { columns: [0, 0], max: 0, mean: 0, imbalance: 1 });
  assert.throws(() => loadOfColumns(mask, 4, 2, [0, 3]), /columns hold all inputs/);
});
