/**
 * Rounding to narrow types: every number of each type, every midpoint and its neighbours, against a search over the type's numbers; golden values of numpy and
 * PyTorch; and chance, word by word.
 *
 * Not here: kernels against twins on drawn blocks (test/laws/kernels-round.test.ts), files (test/unit/tensor/half.test.ts).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kernelPlan } from '../../../src/kernels/load.js';
import { roundKinds } from '../../../src/kernels/types.js';
import { numberFormats } from '../../../src/model/precision.js';
import { f32ToBf16, f32ToF16, bf16ToF32, f16ToF32 } from '../../../src/tensor/half.js';
import { purposes, randomUnit, streamKey } from '../../../src/util/prng.js';
import { Arena } from './arena.js';

type Narrow = keyof typeof roundKinds;
const names = Object.keys(roundKinds) as Narrow[];

/** All numbers of a type that are not negative, ascending, by the definition of its bits; the power of two behind the largest stands for infinity. */
const numbersOf = (name: Narrow): Float64Array => {
  const { exponentBits, mantissaBits } = numberFormats[name], bias = 2 ** (exponentBits - 1) - 1, fractions = 2 ** mantissaBits;
  return Float64Array.from({ length: (2 ** exponentBits - 1) * fractions + 1 }, (_, pattern) => {
    const exponent = Math.floor(pattern / fractions), fraction = (pattern % fractions) / fractions;
    return exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
  });
};

/** The place of the largest number that is not above `size`. */
const placeOf = (numbers: Float64Array, size: number): number => {
  let low = 0, high = numbers.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((numbers[middle] as number) <= size) low = middle;
    else high = middle - 1;
  }
  return low;
};
const signed = (x: number, numbers: Float64Array, place: number): number => (x < 0 || Object.is(x, -0) ? -1 : 1) * (place >= numbers.length - 1 ? Infinity : (numbers[place] as number));
const nearestOf = (numbers: Float64Array, x: number): number => {
  const size = Math.abs(x), low = placeOf(numbers, size);
  if (low === numbers.length - 1) return signed(x, numbers, low);
  const below = size - (numbers[low] as number), above = (numbers[low + 1] as number) - size;
  return signed(x, numbers, below < above || (below === above && low % 2 === 0) ? low : low + 1);
};

const words = new Int32Array(1), floats = new Float32Array(words.buffer);
/** The f32 number next to `x`, `by` places further from zero. */
const beside = (x: number, by: number): number => {
  floats[0] = x;
  words[0] = (words[0] as number) + by;
  return floats[0] as number;
};

/** All numbers, all midpoints and what lies beside them, of both signs. */
const casesOf = (numbers: Float64Array): Float32Array => {
  const cases: number[] = [NaN, Infinity, 2 ** 127 * 1.9999998807907104, 2 ** -149, 2 ** -126, 3 * 2 ** -149];
  for (let i = 0; i + 1 < numbers.length; i++) {
    const x = numbers[i] as number, middle = (x + (numbers[i + 1] as number)) / 2;
    cases.push(x, beside(x, 1), middle, beside(middle, -1), beside(middle, 1));
    if (x > 0) cases.push(beside(x, -1));
  }
  return Float32Array.from([...cases, ...cases.map((x) => -x)]);
};

const arena = new Arena(kernelPlan()), batch = 4096;
/** Calls a kernel on many values, twin and kernel alike; returns what it made. */
const through = (values: Float32Array, call: (arena: Arena, at: number, from: number, count: number) => void): Float32Array => {
  const result = new Float32Array(values.length);
  for (let from = 0; from < values.length; from += batch) {
    arena.reset(1, 0);
    const part = values.subarray(from, from + batch), at = arena.given(part);
    call(arena, at, from, part.length);
    result.set(arena.read(at, part.length), from);
  }
  return result;
};
const nearest = (name: Narrow, values: Float32Array): Float32Array => through(values, (both, at, _, count) => both.both((k) => k.roundTo(at, count, roundKinds[name]), name));

for (const name of names) {
  const numbers = numbersOf(name), cases = casesOf(numbers);
  describe(name, () => {
    test('every number, every midpoint and their neighbours round to nearest even', () => {
      const made = nearest(name, cases);
      assert.ok(cases.length > 6 * 31_000, `${cases.length} cases`);
      cases.forEach((x, i) => assert.ok(Object.is(made[i], Number.isNaN(x) ? NaN : nearestOf(numbers, x)), `${x} became ${made[i]}, not ${nearestOf(numbers, x)}`));
    });

    test('what is rounded stays', () => {
      const made = nearest(name, cases);
      assert.deepEqual(nearest(name, made), made);
    });

    test('by chance a value goes to one of its neighbours, up where its word is below what is lost', () => {
      const seed = 12_345_678_901, parameter = 5, step = 7, { key0, key1 } = streamKey(seed, purposes.rounding, parameter);
      const some = cases.filter((_, i) => i % 7 === 0);
      const made = through(some, (both, at, from, count) => both.both((k) => k.roundByChance(at, 0, at, 0, 1, count, from, step, key0, key1, roundKinds[name]), name));
      let ups = 0, downs = 0;
      some.forEach((x, i) => {
        if (Number.isNaN(x)) return assert.ok(Number.isNaN(made[i]));
        const low = placeOf(numbers, Math.abs(x)), isTop = low === numbers.length - 1;
        const [from = 0, to = 0] = isTop ? [0, 1] : numbers.subarray(low, low + 2), rest = isTop ? 0 : (Math.abs(x) - from) / (to - from);
        const isUp = randomUnit(seed, purposes.rounding, i, step, parameter) < rest;
        if (rest > 0 && isUp) ups++;
        else if (rest > 0) downs++;
        assert.ok(Object.is(made[i], signed(x, numbers, isUp ? low + 1 : low)), `${x} became ${made[i]}`);
      });
      assert.ok(ups > 5000 && downs > 5000, `${ups} up, ${downs} down`);
    });
  });
}

test('the mean of many roundings by chance is the value', () => {
  for (const name of names) {
    for (const x of [1.0013, -3.3e-5, 1e-7]) {
      const count = 4096, made = through(Float32Array.from({ length: count }, () => x), (both, at, from, all) => both.both((k) => k.roundByChance(at, 0, at, 0, 1, all, from, 0, 17, 23, roundKinds[name]), name));
      const unique = [...new Set(made)].toSorted((a, b) => a - b), mean = made.reduce((sum, value) => sum + value, 0) / count;
      assert.equal(unique.length, 2);
      const [low = 0, high = 0] = unique;
      // Within five deviations of a mean of so many draws.
      assert.ok(low < x && x < high && Math.abs(mean - Math.fround(x)) < 5 * (high - low) * 0.5 / Math.sqrt(count), `${name} of ${x}: mean ${mean} of ${low} and ${high}`);
    }
  }
});

test('values by list are those by place', () => {
  for (const name of names) {
    arena.reset(3, 9);
    const count = 777, x = arena.floats(count, 1e-3), listed = arena.words(Int32Array.from({ length: count }, (_, i) => 1_000_000 + i)), whole = arena.floats(count);
    arena.both((k) => k.roundByChance(whole, 0, x, 0, 1, count, 1_000_000, 3, -5, 99, roundKinds[name]), 'by place');
    arena.both((k) => k.roundListed(x, listed, count, 3, -5, 99, roundKinds[name]), 'by list');
    arena.assertEqual(x, whole, count, name);
  }
});

test('bfloat16 and float16 are those of files', () => {
  for (const [name, narrow, widen] of [['bfloat16', f32ToBf16, bf16ToF32], ['float16', f32ToF16, f16ToF32]] as const) {
    const cases = casesOf(numbersOf(name)), bits = new Uint16Array(cases.length), wide = new Float32Array(cases.length);
    narrow(cases, bits);
    widen(bits, wide);
    assert.deepEqual(nearest(name, cases), wide);
  }
});

/** numpy: np.float32(x).astype(np.float16); PyTorch: torch.tensor(x).to(torch.bfloat16); each back to float32. */
const golden: Readonly<Record<'float16' | 'bfloat16', readonly (readonly [number, number])[]>> = {
  float16: [[0.1, 0.0999755859375], [1 / 3, 0.333251953125], [65_519.996, 65_504], [65_520, Infinity], [-1e-8, -0], [5.9604645e-8, 5.9604645e-8], [2.9802322e-8, 0], [2.9802326e-8, 5.9604645e-8], [6.1e-5, 6.097555160522461e-5], [2049, 2048], [2051, 2052], [-3.14159274, -3.140625]],
  bfloat16: [[0.1, 0.10009765625], [1 / 3, 0.333984375], [3.3895314e38, 3.3895314e38], [3.396e38, 3.3895314e38], [3.397e38, Infinity], [-3.14159274, -3.140625], [257, 256], [259, 260], [1.00390625, 1], [1.01171875, 1.015625], [1e-40, 9.183549615799121e-41]],
};
test('golden values of numpy and PyTorch', () => {
  for (const name of ['float16', 'bfloat16'] as const) {
    const [from, to] = [0, 1].map((column) => Float32Array.from(golden[name], (pair) => pair[column] as number)) as [Float32Array, Float32Array];
    assert.deepEqual(nearest(name, from), to);
  }
});
