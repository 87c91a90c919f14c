/**
 * Tables of rotary positions: own powers, sines and cosines against the engine's within units of f64, the tables against formulas written out, and refusals.
 *
 * The engine's functions are themselves within about one unit; the bounds below are those of the difference. Not here: turning (test/laws/kernels-norms.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { angleMax, cosineAndSine, power } from '../../../src/model/elementary.js';
import { rotaryFrequencies, rotaryTables } from '../../../src/model/rotary.js';
import { InvalidModel } from '../../../src/util/errors.js';

const seed = 20_261_126;
/** The difference in units in the last place of f64 at `want`. */
const units = (got: number, want: number): number => (got === want ? 0 : Math.abs(got - want) / 2 ** (Math.floor(Math.log2(Math.abs(want))) - 52));

test('cosine and sine are within 1 unit in the last place of the engine\'s, up to 2^20', (t) => {
  let worst = 0;
  const look = (x: number): void => {
    const [cos, sin] = cosineAndSine(x);
    for (const [got, want] of [[cos, Math.cos(x)], [sin, Math.sin(x)]] as const) worst = Math.max(worst, units(got, want));
  };
  for (let i = 0; i <= 200_000; i++) look((i * angleMax) / 200_000);
  for (let i = 1; i < 200_000; i++) look(Math.fround(i * 0.000_173));
  // Beside the multiples of π/2, in f64 and in f32, where what is left of the angle is smallest.
  for (let n = 1; n < 667_000; n += 13) for (const x of [n * (Math.PI / 2), Math.fround(n * (Math.PI / 2)), -n * (Math.PI / 2)]) look(x);
  t.diagnostic(`worst ${worst.toFixed(3)}`);
  assert.ok(worst <= 1, `${worst} units`);
  assert.deepEqual(cosineAndSine(0), [1, 0]);
});

test('powers are within 2 units in the last place of the engine\'s', (t) => {
  let worst = 0;
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 1e7, noNaN: true }), fc.double({ min: -8, max: 8, noNaN: true }), (base, x) => {
      const off = units(power(base, x), base ** x);
      worst = Math.max(worst, off);
      assert.ok(off <= 2, `${base}^${x}: ${off} units`);
    }),
    { seed, numRuns: 20_000 },
  );
  for (const theta of [10_000, 500_000, 1_000_000]) for (let i = 0; i < 128; i++) worst = Math.max(worst, units(power(theta, -i / 128), theta ** (-i / 128)));
  t.diagnostic(`worst ${worst.toFixed(3)}`);
  assert.ok(worst <= 2, `${worst} units`);
  for (const [base, x, want] of [[2, 10, 1024], [10_000, 0, 1], [10_000, -0.5, 0.01], [4, -0.5, 0.5]] as const) assert.equal(power(base, x), want);
});

/** f32 values at most one unit apart. */
const besideF32 = (got: number, want: number): boolean => Math.abs(got - want) <= 2 ** -23 * Math.abs(want);

test('tables are those of the formula', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 70 }), fc.constantFrom(1, 100, 10_000, 500_000), (half, places, theta) => {
      const headSize = 2 * half, { cos, sin } = rotaryTables({ headSize, places, theta });
      assert.equal(cos.length, places * half);
      for (let place = 0; place < places; place++) {
        for (let i = 0; i < half; i++) {
          const angle = Math.fround(place * Math.fround(theta ** ((-2 * i) / headSize)));
          assert.ok(besideF32(cos[place * half + i] as number, Math.cos(angle)), `cos at ${place}, ${i}`);
          assert.ok(besideF32(sin[place * half + i] as number, Math.sin(angle)), `sin at ${place}, ${i}`);
        }
      }
    }),
    { seed, numRuns: 60 },
  );
});

test('frequencies are slowed down as the configs say', () => {
  const shape = { headSize: 128, theta: 500_000 }, plain = rotaryFrequencies(shape);
  rotaryFrequencies({ ...shape, scaling: { kind: 'linear', factor: 4 } }).forEach((frequency, i) => assert.equal(frequency, (plain[i] as number) / 4));
  const [factor, low, high, context] = [8, 1, 4, 8192];
  const slowed = rotaryFrequencies({ ...shape, scaling: { kind: 'llama3', factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: context } });
  // The published code: by wavelengths, and the smooth part between two of them.
  const kinds = new Set<string>();
  slowed.forEach((frequency, i) => {
    const own = shape.theta ** ((-2 * i) / shape.headSize), wavelength = (2 * Math.PI) / own;
    const smooth = (context / wavelength - low) / (high - low);
    const kind = wavelength > context / low ? 'slow' : wavelength < context / high ? 'fast' : 'between';
    kinds.add(kind);
    const want = { slow: own / factor, fast: own, between: (1 - smooth) * (own / factor) + smooth * own }[kind];
    assert.ok(besideF32(frequency, want), `${kind} frequency ${i}: ${frequency}, not ${want}`);
  });
  assert.equal(kinds.size, 3);
});

test('what makes no sense is refused', () => {
  const good = { headSize: 8, places: 4, theta: 10_000 };
  const llama3 = { kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 } as const;
  for (const bad of [{ headSize: 7 }, { headSize: 0 }, { theta: 0.5 }, { theta: Number.NaN }, { places: -1 }, { places: angleMax + 1 }, { scaling: { kind: 'linear', factor: 0 } as const },
    { scaling: { ...llama3, highFrequencyFactor: 1 } }, { scaling: { ...llama3, originalContext: 0.5 } }, { scaling: { ...llama3, factor: Infinity } }]) {
    assert.throws(() => rotaryTables({ ...good, ...bad }), InvalidModel, JSON.stringify(bad));
  }
});
