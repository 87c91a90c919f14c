/** bf16 and f16: every bit pattern, every midpoint and its neighbours, against a formula that searches instead of shifting. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../../src/tensor/half.js';

interface Format {
  readonly name: string;
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly narrow: (values: Float32Array, bits: Uint16Array) => void;
  readonly widen: (bits: Uint16Array, values: Float32Array) => void;
}
const formats: readonly Format[] = [
  { name: 'bf16', exponentBits: 8, mantissaBits: 7, narrow: f32ToBf16, widen: bf16ToF32 },
  { name: 'f16', exponentBits: 5, mantissaBits: 10, narrow: f32ToF16, widen: f16ToF32 },
];

/** What the format's definition says a bit pattern is worth, in f64. */
const worth = ({ exponentBits, mantissaBits }: Format, bits: number): number => {
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor((bits % 0x8000) / 2 ** mantissaBits);
  const fraction = (bits % 2 ** mantissaBits) / 2 ** mantissaBits;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
};
const infinityBits = (f: Format): number => (2 ** f.exponentBits - 1) * 2 ** f.mantissaBits;

/** The nearest pattern by bisection among the magnitudes; infinity counts as the next power of two, ties take the even pattern. */
const nearest = (f: Format, value: number): number => {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  const top = infinityBits(f);
  const at = (bits: number): number => (bits === top ? 2 ** 2 ** (f.exponentBits - 1) : worth(f, bits));
  if (size >= at(top)) return sign + top;
  let low = 0, high = top;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (at(middle) <= size) low = middle;
    else high = middle;
  }
  const below = size - at(low), above = at(high) - size;
  return sign + (below < above || (below === above && low % 2 === 0) ? low : high);
};

const narrowed = (f: Format, values: readonly number[] | Float32Array): number[] => {
  const bits = new Uint16Array(values.length);
  f.narrow(Float32Array.from(values), bits);
  return [...bits];
};
const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);

for (const f of formats) {
  describe(f.name, () => {
    test('each of the 65,536 patterns is worth what the definition says', () => {
      const values = new Float32Array(all.length);
      f.widen(all, values);
      for (const bits of all) assert.ok(Object.is(values[bits], worth(f, bits)), `${bits.toString(16)}: ${String(values[bits])}, not ${worth(f, bits)}`);
    });

    test('each of the 65,536 patterns, NaNs too, survives f32 and back', () => {
      const values = new Float32Array(all.length), back = new Uint16Array(all.length);
      f.widen(all, values);
      f.narrow(values, back);
      assert.deepEqual(back, all);
    });

    test('each midpoint goes to even, and its f32 neighbours to the nearer side', () => {
      const top = infinityBits(f);
      const values = new Float32Array(6 * top);
      const words = new Int32Array(values.buffer);
      for (let bits = 0; bits < top; bits++) {
        const next = bits + 1 === top ? 2 ** 2 ** (f.exponentBits - 1) : worth(f, bits + 1);
        const at = 6 * bits;
        values[at] = (worth(f, bits) + next) / 2;
        values[at + 1] = -(values[at] ?? 0);
        for (const i of [0, 1]) {
          words[at + 2 + i] = (words[at + i] ?? 0) - 1;
          words[at + 4 + i] = (words[at + i] ?? 0) + 1;
        }
      }
      const bits = new Uint16Array(values.length);
      f.narrow(values, bits);
      for (const [i, value] of values.entries()) if (bits[i] !== nearest(f, value)) assert.fail(`${value}: ${String(bits[i])}, not ${nearest(f, value)}`);
    });

    test('any f32 rounds to the nearest', () =>
      fc.assert(
        fc.property(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 50 }), (values) => assert.deepEqual(narrowed(f, values), values.map((v) => nearest(f, v)))),
        { seed: 311, numRuns: 500 },
      ));

    test('a NaN stays a NaN of its sign, even if its payload does not fit', () => {
      const words = Uint32Array.of(0x7f80_0001, 0xff80_0001, 0x7fc0_0000, 0xffff_ffff);
      const bits = new Uint16Array(4);
      f.narrow(new Float32Array(words.buffer), bits);
      for (const [i, pattern] of bits.entries()) {
        assert.ok(Number.isNaN(worth(f, pattern)), pattern.toString(16));
        assert.equal(pattern >= 0x8000, i % 2 === 1);
      }
    });

    test('views into a larger buffer are read and written in their place', () => {
      const values = Float32Array.of(9, 1, -2, 9), bits = Uint16Array.of(7, 7, 7, 7);
      f.narrow(values.subarray(1, 3), bits.subarray(1, 3));
      assert.deepEqual([bits[0], bits[3]], [7, 7]);
      const back = Float32Array.of(5, 5, 5, 5);
      f.widen(bits.subarray(1, 3), back.subarray(2, 4));
      assert.deepEqual([...back], [5, 5, 1, -2]);
    });
  });
}
