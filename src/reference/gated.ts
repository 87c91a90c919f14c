/**
 * SwiGLU of the oracle: silu(gate) · up, the gate in the first half of the features, with bounds.
 *
 *   sigmoid's error is that of an exponential, an addition and a division; silu is smooth, so the gate's error passes through its derivative, with the
 *   supremum of the next one for the rest of the Taylor step
 *
 * Not here: GELU (activations.ts).
 */
import { type Bounded, bounded, drift, expUlps, expUnderflow, growth, productError, roundedError, unit } from './bounded.js';

/** Suprema of the second and third derivative of silu, from above. */
export const siluSecondMax = 0.51;
export const siluThirdMax = 0.32;

const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** silu and its first two derivatives. */
export const siluAt = (x: number): readonly [number, number, number] => {
  const s = sigmoid(x), t = sigmoid(-x);
  return [x * s, s * (1 + x * t), s * t * (2 + x * (t - s))];
};

/** Error of fp32 1 / (1 + exp(−x)) at x; exp(−x) overflows where the sigmoid is below the smallest normal number. */
const sigmoidError = (x: number, s: number): number => s * (sigmoid(-x) * 2 * expUlps + 2) * unit * growth(4) + expUnderflow;

/** fp32 silu at x with an input error: value, error. */
const silu = (x: number, bound: number, s: number): readonly [number, number] => {
  const [value, slope] = siluAt(x);
  const rounding = x === 0 && bound === 0 ? 0 : productError(x, 0, s, sigmoidError(x, s)) * growth(2);
  return [value, rounding + bound * (Math.abs(slope) + 0.5 * siluSecondMax * bound + drift(x))];
};

/** features: those of the output, half of the input's. */
export const swigluForward = (x: Bounded, features: number): Bounded => {
  const y = bounded(x.value.length / 2);
  for (let at = 0; at < y.value.length; at++) {
    const i = Math.floor(at / features) * 2 * features + (at % features), j = i + features;
    const gate = x.value[i] as number, up = x.value[j] as number;
    const [value, error] = silu(gate, x.bound[i] as number, sigmoid(gate));
    y.value[at] = value * up;
    y.bound[at] = productError(value, error, up, x.bound[j] as number) * growth(2);
  }
  return y;
};

export const swigluDelta = (d: Bounded, x: Bounded, features: number): Bounded => {
  const out = bounded(x.value.length);
  for (let at = 0; at < d.value.length; at++) {
    const i = Math.floor(at / features) * 2 * features + (at % features), j = i + features;
    const gate = x.value[i] as number, up = x.value[j] as number, bound = x.bound[i] as number, upBound = x.bound[j] as number;
    const dValue = d.value[at] as number, dBound = d.bound[at] as number;
    if (dValue === 0 && dBound === 0) continue;
    const s = sigmoid(gate), sError = sigmoidError(gate, s), t = sigmoid(-gate);
    const [value, error] = silu(gate, bound, s);
    out.value[j] = dValue * value;
    out.bound[j] = productError(dValue, dBound, value, error) * growth(2);
    // s · (1 + gate · (1 − s))
    const tError = roundedError(t, sError), inner = 1 + gate * t, innerError = roundedError(inner, productError(gate, 0, t, tError));
    const [, slope, second] = siluAt(gate);
    const slopeError = productError(s, sError, inner, innerError) * growth(6) + bound * (Math.abs(second) + 0.5 * siluThirdMax * bound + drift(gate));
    const product = dValue * up, carried = productError(dValue, dBound, up, upBound);
    out.value[i] = product * slope;
    out.bound[i] = productError(product, carried, slope, slopeError) * growth(3);
  }
  return out;
};
