/**
 * exp, log, tanh and erf against f64: the stated bounds hold on a dense sample of the whole range, and special values come out as they must.
 *
 * The sample walks over the bit patterns of f32, so that every exponent and the denormals are visited alike. Math.exp, log and tanh of f64 stand for the
 * exact value, and for erf the series and the continued fraction below: their own error is some 2^-27 of an f32 unit or less. Not here: the kernels' agreement with these (test/laws/kernels.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { erfF32, expF32, logF32, tanhF32 } from '../../../src/kernels/functions.js';
import { erf } from '../../../src/reference/gelu-erf.js';

const bits = new DataView(new ArrayBuffer(4));
const floatOf = (pattern: number): number => (bits.setUint32(0, pattern), bits.getFloat32(0));

/** One unit in the last place of f32 at `value`. */
const ulpAt = (value: number): number => {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(value) || 2 ** -149)));
  return 2 ** (exponent - 23);
};

interface Case {
  readonly name: string;
  readonly bound: number;
  readonly ours: (x: number) => number;
  readonly exact: (x: number) => number;
  /** Sampled bit patterns: from, to, step. */
  readonly ranges: readonly (readonly [number, number, number])[];
  readonly special: readonly (readonly [number, number])[];
}

const positive = [0, 0x7f_80_00_00, 1_499] as const;
const negative = [0x80_00_00_00, 0xff_80_00_00, 1_499] as const;

const cases: readonly Case[] = [
  {
    name: 'exp', bound: 1, ours: expF32, exact: Math.exp,
    // The exponents where exp is neither 1 nor 0 nor ∞ once more, densely.
    ranges: [positive, negative, [0x3b_00_00_00, 0x42_b2_00_00, 101], [0xbb_00_00_00, 0xc2_d1_00_00, 101]],
    special: [[NaN, NaN], [Infinity, Infinity], [-Infinity, 0], [0, 1], [-0, 1], [88.722_84, Infinity], [89, Infinity], [3e38, Infinity], [-103.972_08, 2 ** -149], [-104, 0], [-3e38, 0], [2 ** -149, 1]],
  },
  {
    name: 'log', bound: 1, ours: logF32, exact: Math.log,
    ranges: [positive, [0x3e_80_00_00, 0x40_80_00_00, 101]],
    special: [[NaN, NaN], [Infinity, Infinity], [-Infinity, NaN], [-1, NaN], [-(2 ** -149), NaN], [0, -Infinity], [-0, -Infinity], [1, 0]],
  },
  {
    name: 'tanh', bound: 1.5, ours: tanhF32, exact: Math.tanh,
    ranges: [positive, negative, [0x3b_00_00_00, 0x41_20_00_00, 101]],
    special: [[NaN, NaN], [Infinity, 1], [-Infinity, -1], [0, 0], [-0, -0], [100, 1], [-100, -1], [2 ** -149, 2 ** -149], [-(2 ** -140), -(2 ** -140)]],
  },
  {
    name: 'erf', bound: 1.75, ours: erfF32, exact: erf,
    // The whole range, then densely where the polynomials meet and err most.
    ranges: [positive, negative, [0x3e_00_00_00, 0x40_80_00_00, 101], [0x3f_7f_00_00, 0x3f_81_00_00, 1]],
    special: [[NaN, NaN], [Infinity, 1], [-Infinity, -1], [0, 0], [-0, -0], [4, 1], [-100, -1], [2 ** -149, 2 ** -149]],
  },
];

for (const { name, bound, ours, exact, ranges, special } of cases) {
  test(`${name} is within ${bound} units in the last place of f64`, (t) => {
    let worst = 0, worstAt = 0;
    for (const [from, to, step] of ranges) {
      for (let pattern = from; pattern < to; pattern += step) {
        const x = floatOf(pattern);
        const want = exact(x), got = ours(x);
        if (Math.fround(want) === got) continue;
        const error = Math.abs(got - want) / ulpAt(want);
        if (!(error <= worst)) [worst, worstAt] = [error, x];
      }
    }
    t.diagnostic(`worst ${worst.toFixed(3)} at ${worstAt}`);
    assert.ok(worst <= bound, `${name}(${worstAt}) = ${ours(worstAt)}, exact ${exact(worstAt)}: ${worst} units`);
    assert.ok(worst > 0, 'the sample meets a value that is not correctly rounded');
  });

  test(`${name} of special values`, () => {
    for (const [x, want] of special) assert.ok(Object.is(ours(Math.fround(x)), want), `${name}(${x}) = ${ours(Math.fround(x))}, not ${want}`);
  });
}
