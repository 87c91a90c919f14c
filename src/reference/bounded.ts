/**
 * A value of the oracle with the distance that an fp32 evaluation after docs/numerics.md may keep from it.
 *
 *   |fp32 result − value| ≤ bound, element by element
 *
 * Every correctly rounded operation adds `unit · |result|`, a product or quotient also `tiny` (gradual underflow); sums and differences
 * underflow exactly. The bounds are worst cases of the stated expression trees, with the errors of the inputs carried along; the oracle's own f64
 * rounding (2^-53) is covered by the growth factors. Overflow is not covered: a run that leaves the range of fp32 is no run to check.
 * Not here: the layers, one file each; the verdict (compare.ts).
 */

export interface Bounded {
  readonly value: Float64Array;
  readonly bound: Float64Array;
}

/** Numbers taken as exact. */
export type Values = Float32Array | Float64Array;

/** Unit roundoff of fp32. */
export const unit = 2 ** -24;
/** Largest error of a product or quotient that underflows: half of the smallest denormal. */
export const tiny = 2 ** -150;
/** Stated bounds of the project's elementary functions, in units in the last place. */
export const expUlps = 2;
export const tanhUlps = 2;
export const logUlps = 2;
export const erfUlps = 2;
/** exp may give anything from 0 to its value where the value is below the smallest normal number. */
export const expUnderflow = 2 ** -126;
/** Features in a chunk of a sum over features, tokens in a slab of a sum over tokens (docs/numerics.md §1). */
export const chunkLength = 256;
export const slabLength = 32;

export const bounded = (size: number): Bounded => ({ value: new Float64Array(size), bound: new Float64Array(size) });

/** Values that are given to the bit. */
export const exact = (values: ArrayLike<number>): Bounded => ({ value: Float64Array.from(values), bound: new Float64Array(values.length) });

/** (1 + unit)^depth and the oracle's own f64 rounding, from above. */
export const growth = (depth: number): number => 1 + (depth + 2) * 2 * unit;

/** Depth of the full binary tree over `leaves` leaves. */
export const treeDepth = (leaves: number): number => (leaves <= 1 ? 0 : 32 - Math.clz32(leaves - 1));

/** Distance from |x| to the next fp32 number of its binade; `x` in the normal range. */
export const ulp = (x: number): number => 2 ** (Math.floor(Math.log2(Math.max(Math.abs(x), 2 ** -126))) - 23);

/** Error of fl(a·b) for factors with errors. */
export const productError = (a: number, aError: number, b: number, bError: number): number => {
  const carried = Math.abs(a) * bError + Math.abs(b) * aError + aError * bError;
  return carried + unit * (Math.abs(a * b) + carried) + (carried === 0 && a * b === 0 ? 0 : tiny);
};

/** Error of the rounding of a sum or quotient of value `value` whose terms carry `error`, and that error. */
export const roundedError = (value: number, error: number): number => error + unit * (Math.abs(value) + error);

/** Bounds of roundings in a smooth function are taken at x; for |x̂ − x| ≤ bound they move by less than this share of it. */
export const drift = (x: number): number => 64 * unit * (1 + x * x);
