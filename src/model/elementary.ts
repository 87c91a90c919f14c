/**
 * Powers, sines and cosines in f64, made of additions, multiplications and divisions only: the same bits on any engine (docs/numerics.md §11).
 *
 *   power(base, x) = e^(x · log base)       logarithm and product in pairs of f64, some 100 bits
 *   cosineAndSine(x)                        x less a multiple of π/2 in four parts, then Taylor polynomials
 *
 * Measured against the engine's own functions by test/unit/model/rotary.test.ts: within one unit in the last place of f64, two for powers.
 * Not here: functions in f32 (kernels/functions.ts), the schedule's cosine (schedule.ts).
 */

/** A number as an unevaluated sum of two: the second is at most half a unit in the last place of the first. */
type Pair = readonly [number, number];

/** a + b, exactly. */
const sumOf = (a: number, b: number): Pair => {
  const sum = a + b, part = sum - a;
  return [sum, a - (sum - part) + (b - part)];
};
/** The upper 26 bits of a number. */
const upper = (a: number): number => {
  const c = 134_217_729 * a;
  return c - (c - a);
};
/** a · b, exactly (Dekker). */
const productOf = (a: number, b: number): Pair => {
  const product = a * b, [a1, b1] = [upper(a), upper(b)], [a2, b2] = [a - a1, b - b1];
  return [product, a1 * b1 - product + a1 * b2 + a2 * b1 + a2 * b2];
};
const add = (x: Pair, y: Pair): Pair => {
  const [sum, error] = sumOf(x[0], y[0]);
  return sumOf(sum, error + (x[1] + y[1]));
};
const multiply = (x: Pair, y: Pair): Pair => {
  const [product, error] = productOf(x[0], y[0]);
  return sumOf(product, error + (x[0] * y[1] + x[1] * y[0]));
};
const divide = (x: Pair, y: Pair): Pair => {
  const quotient = x[0] / y[0];
  const [product, error] = productOf(quotient, y[0]);
  return sumOf(quotient, (x[0] - product - error + x[1] - quotient * y[1]) / y[0]);
};

/** ln 2: 0x3fe62e42fefa39ef and the rest. */
const ln2: Pair = [Math.LN2, 2.319_046_813_846_299_6e-17];
const log2e = 1 / Math.LN2;
const rootHalf = 0.707_106_781_186_547_5;
/** Terms of the series of the logarithm: its argument is below 0.1716, so that 25 leave 2^-127. */
const logTerms = 25;

/** log x = k · ln 2 + 2 · (s + s³/3 + s⁵/5 + …), s = (m − 1) / (m + 1), x = m · 2^k with m in √½ … √2. */
const logarithm = (x: number): Pair => {
  let m = x, k = 0;
  for (; m > 2 * rootHalf; k++) m *= 0.5;
  for (; m < rootHalf; k--) m *= 2;
  const s = divide(sumOf(m, -1), sumOf(m, 1)), z = multiply(s, s);
  let series: Pair = [0, 0];
  for (let j = logTerms - 1; j >= 0; j--) series = add(multiply(series, z), divide([1, 0], [2 * j + 1, 0]));
  return add(multiply([2, 0], multiply(s, series)), multiply([k, 0], ln2));
};

const inverseFactorials = ((): readonly number[] => {
  const values = [1];
  let factorial = 1;
  for (let n = 1; n <= 18; n++) values.push(1 / (factorial *= n));
  return values;
})();
/** Horner over the inverse factorials of these numbers, the highest power first. */
const series = (places: readonly number[], x: number): number => {
  let sum = 0;
  for (const n of places) sum = sum * x + (inverseFactorials[n] as number);
  return sum;
};
const expPlaces = [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2];

/** base^x for a base above 0, as long as the result is a normal number. */
export const power = (base: number, x: number): number => {
  const y = multiply(logarithm(base), [x, 0]);
  const k = Math.floor(y[0] * log2e + 0.5);
  const [r, rest] = add(y, multiply([-k, 0], ln2));
  let result = 1 + (r + (r * r * series(expPlaces, r) + rest));
  for (let doubled = 0; doubled < k; doubled++) result *= 2;
  for (let halved = 0; halved > k; halved--) result *= 0.5;
  return result;
};

/** π/2: three parts of 33 bits, whose multiples by whole numbers below 2^20 are exact, and what is left. */
const quarterTurn = { first: 1.570_796_326_734_125_6, second: 6.077_100_506_303_966e-11, third: 2.022_266_248_711_166_5e-21, rest: 8.478_427_660_348_229e-32 } as const;
const perQuarterTurn = 0.636_619_772_367_581_4;
/** The largest angle, of either sign, that is reduced without loss. */
export const angleMax = 2 ** 20;

const sinPlaces = [17, 15, 13, 11, 9, 7, 5, 3];
const cosPlaces = [18, 16, 14, 12, 10, 8, 6, 4];

/** cos x and sin x for |x| ≤ angleMax. */
export const cosineAndSine = (x: number): readonly [number, number] => {
  const n = Math.floor(x * perQuarterTurn + 0.5);
  const [most, error] = sumOf(x - n * quarterTurn.first, -(n * quarterTurn.second));
  const [more, error2] = sumOf(most, -(n * quarterTurn.third));
  // r + rest = x − n · π/2, within −π/4 … π/4.
  const [r, rest] = sumOf(more, error + error2 - n * quarterTurn.rest);
  const z = r * r, half = 0.5 * z, near = 1 - half;
  // Powers of −z, for the series alternate.
  const sin = r + (rest * near - r * z * series(sinPlaces, -z));
  const cos = near + (1 - near - half + (z * z * series(cosPlaces, -z) - r * rest));
  switch (n & 3) {
    case 0:
      return [cos, sin];
    case 1:
      return [-sin, cos];
    case 2:
      return [-cos, -sin];
    default:
      return [sin, -cos];
  }
};
