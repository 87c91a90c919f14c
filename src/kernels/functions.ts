/**
 * exp, log, tanh and erf: the constants and the order of operations, once (docs/numerics.md §9).
 *
 *   constants ─▶ scalar versions here, a rounding after each operation    (the twins)
 *             └▶ wasm/functions.ts, four lanes, the same operations       (the kernels)
 *
 * Bounds against f64, in units in the last place of the result, measured over dense samples of the whole range by
 * test/unit/kernels/functions.test.ts: exp ≤ 1, log ≤ 1, tanh ≤ 1.5, erf ≤ 1.75. Denormal results are rounded like all others. Not here: gelu and silu (twin/, wasm/).
 */

const f = Math.fround;

/** exp(x) = 2^k · (1 + (r + r² · p(r))), k = round(x · log2e), r = (x − k · ln2High) − k · ln2Low. */
export const expConstants = {
  /** Below, the result rounds to +0. */
  min: f(-104),
  /** Above, it overflows to +∞. */
  max: f(89),
  /** log2 e, written as twice its half. */
  log2e: f(2 * 0.721_347_520_444_481_7),
  /** 1.5 · 2^23: adding it leaves round(x) in the low bits, ties to even. */
  magic: 12_582_912,
  /** Nine bits, so that k · ln2High is exact. */
  ln2High: 0.693_359_375,
  ln2Low: f(-2.121_944_4e-4),
  /** Highest power first. */
  p: [1.987_569_15e-4, 1.398_199_950_7e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 5.000_000_120_1e-1].map(f),
} as const;

/** log(x) = k · ln2 + log(1 + m), m in √½ − 1 … √2 − 1. */
export const logConstants = {
  /** 2^23: lifts denormals into the normal range. */
  lift: 8_388_608,
  liftExponent: 23,
  smallestNormal: 2 ** -126,
  /** The bits of √½: what is subtracted so that the exponent steps there. */
  rootHalfBits: 0x3f_35_04_f3,
  p: [
    7.037_683_629_2e-2, -1.151_461_031e-1, 1.167_699_874e-1, -1.242_014_084_6e-1, 1.424_932_278_7e-1, -1.666_805_766_5e-1, 2.000_071_476_5e-1,
    -2.499_999_399_3e-1, 3.333_333_117_4e-1,
  ].map(f),
} as const;

/** tanh(a) = ((p(z) · z) · a) + a, z = a · a, where a = |x| < small; elsewhere 1 − 2 / (exp(2a) + 1). Both with the sign of x. */
export const tanhConstants = {
  small: 0.625,
  /** From here on tanh rounds to 1; the exponential needs no more. */
  max: 10,
  p: [-5.704_988_727_45e-3, 2.063_908_879_54e-2, -5.373_971_555_31e-2, 1.333_144_220_36e-1, -3.333_328_194_22e-1].map(f),
} as const;

/** erf(a) = (p(z) · a) + a, z = a · a, where a = |x| < 1; elsewhere 1 − q(t)⁴, t = a − centre: q is the fourth root of 1 − erf. Both with the sign of x. */
export const erfConstants = {
  small: 1,
  /** From here on erf rounds to 1. */
  max: f(3.92),
  /** The middle of what is left, so that the powers of t stay small. */
  centre: 2.25,
  p: [
    7.875_874_871_388e-5, -8.016_864_303_499e-4, 5.189_087_241_888e-3, -2.685_421_146_452_4e-2, 1.128_359_436_988_8e-1, -3.761_262_595_653_5e-1, 1.283_791_661_262_5e-1,
  ].map(f),
  q: [
    -1.670_986_762_292e-6, 9.737_322_216_097e-6, 1.120_708_293_456e-5, -2.238_217_566_628e-4, 3.522_514_598_444e-4, 2.393_406_582_996e-3, -9.688_683_785_498e-3,
    -4.147_192_928_94e-3, 1.000_060_588_121_4e-1, -2.387_311_607_599_3e-1, 1.955_645_233_392_7e-1,
  ].map(f),
} as const;

const cell = new DataView(new ArrayBuffer(4));
const bitsOf = (x: number): number => (cell.setFloat32(0, x), cell.getInt32(0));
const fromBits = (bits: number): number => (cell.setInt32(0, bits), cell.getFloat32(0));
/** 2^k for −126 ≤ k ≤ 127. */
const powerOfTwo = (k: number): number => fromBits((k + 127) << 23);

/** Horner: ((p0 · x + p1) · x + p2) …, each operation rounded. */
const horner = (p: readonly number[], x: number): number => {
  let sum = p[0] as number;
  for (let i = 1; i < p.length; i++) sum = f(f(sum * x) + (p[i] as number));
  return sum;
};

/** The mantissa and the exponent of exp. */
const expParts = (x: number): { readonly mantissa: number; readonly k: number } => {
  const c = expConstants;
  const shifted = f(f(x * c.log2e) + c.magic);
  const k = f(shifted - c.magic);
  const r = f(f(x - f(k * c.ln2High)) - f(k * c.ln2Low));
  const q = f(f(r * r) * horner(c.p, r));
  return { mantissa: f(f(q + r) + 1), k: (bitsOf(shifted) - bitsOf(c.magic)) | 0 };
};

/** e^x. The power of two is applied in two halves, so that denormals round once and overflow is +∞. */
export const expF32 = (x: number): number => {
  const c = expConstants;
  const below = c.max < x ? c.max : x;
  const within = below < c.min ? c.min : below;
  if (Number.isNaN(within)) return NaN;
  const { mantissa, k } = expParts(within);
  const half = k >> 1;
  return f(f(mantissa * powerOfTwo(half)) * powerOfTwo(k - half));
};

/** tanh of |x|, with the sign of x. */
export const tanhF32 = (x: number): number => {
  if (Number.isNaN(x)) return NaN;
  const size = tanhOfSize(Math.abs(x));
  return x < 0 || Object.is(x, -0) ? -size : size;
};

const tanhOfSize = (a: number): number => {
  const c = tanhConstants;
  if (a < c.small) {
    const z = f(a * a);
    return f(f(f(horner(c.p, z) * z) * a) + a);
  }
  const clamped = c.max < a ? c.max : a;
  const { mantissa, k } = expParts(f(clamped + clamped));
  return f(1 - f(2 / f(f(mantissa * powerOfTwo(k)) + 1)));
};

/** erf of |x|, with the sign of x. */
export const erfF32 = (x: number): number => {
  if (Number.isNaN(x)) return NaN;
  const size = erfOfSize(Math.abs(x));
  return x < 0 || Object.is(x, -0) ? -size : size;
};

const erfOfSize = (a: number): number => {
  const c = erfConstants;
  if (a < c.small) return f(f(horner(c.p, f(a * a)) * a) + a);
  const root = horner(c.q, f((c.max < a ? c.max : a) - c.centre));
  const square = f(root * root);
  return f(1 - f(square * square));
};

export const logF32 = (x: number): number => {
  const c = logConstants;
  if (Number.isNaN(x) || x < 0) return NaN;
  if (x === 0) return -Infinity;
  if (x === Infinity) return Infinity;
  const denormal = x < c.smallestNormal;
  const bits = (bitsOf(denormal ? f(x * c.lift) : x) - c.rootHalfBits) | 0;
  const k = (bits >> 23) - (denormal ? c.liftExponent : 0);
  const m = f(fromBits((bits & 0x7f_ff_ff) + c.rootHalfBits) - 1);
  const z = f(m * m);
  const y = f(f(f(horner(c.p, m) * m) * z) + f(k * expConstants.ln2Low));
  const low = f(y - f(0.5 * z));
  return f(f(m + low) + f(k * expConstants.ln2High));
};
