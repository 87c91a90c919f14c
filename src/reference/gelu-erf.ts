/**
 * GELU in its erf form, of the oracle: x · Φ(x), with bounds in the manner of the tanh form (activations.ts).
 *
 *   erf: the series of positive terms for |x| < 3, the continued fraction of erfc beyond (Abramowitz and Stegun 7.1.6, 7.1.14)
 *
 * Not here: the tanh form.
 */
import { type Bounded, bounded, drift, erfUlps, expUlps, expUnderflow, growth, productError, roundedError, tiny, ulp, unit } from './bounded.js';

const root2 = Math.SQRT1_2;
const density = 1 / Math.sqrt(2 * Math.PI);

/** erf in f64: Abramowitz and Stegun 7.1.6 below 3, the continued fraction 7.1.14 above. */
export const erf = (x: number): number => {
  const a = Math.abs(x), z = a * a;
  if (a > 6) return Math.sign(x);
  if (a >= 3) {
    let tail = 0;
    for (let k = 60; k >= 1; k--) tail = k / 2 / (a + tail);
    return Math.sign(x) * (1 - Math.exp(-z) / (Math.sqrt(Math.PI) * (a + tail)));
  }
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 2 ** -54; n++) {
    term *= (2 * z) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-z) * sum;
};

/** gelu and its first two derivatives; the second stays within 0.8, and so does the third (activations.ts). */
export const geluErfAt = (x: number): readonly [number, number, number] => {
  const phi = density * Math.exp(-0.5 * x * x), half = 0.5 * (1 + erf(x * root2));
  return [x * half, half + x * phi, phi * (2 - x * x)];
};
const secondMax = 0.8;
const thirdMax = 0.8;

/** 1 + erf(x · √½) and the error of its fp32 form at x. */
const shifted = (x: number): readonly [number, number] => {
  const e = erf(x * root2), g = 1 + e;
  // The argument errs by two roundings of itself; erf's slope is 2/√π · e^(−x²/2), and grows little within them.
  const argument = 2 * unit * Math.abs(x * root2) * growth(2) + tiny;
  const error = 2 * density * Math.SQRT2 * Math.exp(-0.5 * x * x) * argument * (1 + 8 * unit * x * x) + (x === 0 ? 0 : erfUlps * ulp(Math.min(Math.abs(e), 1 - unit)));
  return [g, Math.min(2, roundedError(g, error))];
};

export const geluErfForward = (x: Bounded): Bounded => {
  const y = bounded(x.value.length);
  for (let at = 0; at < x.value.length; at++) {
    const v = x.value[at] as number, bound = x.bound[at] as number;
    const [value, first] = geluErfAt(v), [g, gError] = shifted(v);
    y.value[at] = value;
    y.bound[at] = v === 0 && bound === 0 ? 0 : (productError(0.5 * v, tiny, g, gError) + tiny) * growth(4) + bound * (Math.abs(first) + 0.5 * secondMax * bound + drift(v));
  }
  return y;
};

export const geluErfDelta = (d: Bounded, x: Bounded): Bounded => {
  const out = bounded(d.value.length);
  for (let at = 0; at < d.value.length; at++) {
    const v = x.value[at] as number, bound = x.bound[at] as number;
    const dValue = d.value[at] as number, dBound = d.bound[at] as number;
    if (dValue === 0 && dBound === 0) continue;
    const [, gError] = shifted(v), [, slope, second] = geluErfAt(v);
    const phi = density * Math.exp(-0.5 * v * v);
    // exp's argument errs by a rounding of itself; the constant and the product round once each.
    const phiError = phi * (Math.expm1(Math.min(1, unit * 0.5 * v * v)) + (2 * expUlps + 2) * unit) * growth(8) + expUnderflow;
    const error = roundedError(slope, 0.5 * gError + productError(v, 0, phi, phiError)) * growth(4);
    const slopeError = error + bound * (Math.abs(second) + 0.5 * thirdMax * bound + drift(v));
    out.value[at] = dValue * slope;
    out.bound[at] = productError(dValue, dBound, slope, slopeError) * growth(1);
  }
  return out;
};
