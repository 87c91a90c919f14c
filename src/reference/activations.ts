/**
 * ReLU and GELU (tanh form) of the oracle, with their derivatives and bounds.
 *
 * ReLU has a kink: where an input lies within its bound of zero, fp32 may take the other side, so the delta behind it is uncertain
 * by all of |d|; such elements are listed. GELU is smooth: the input's error passes through the derivative, with the supremum of the
 * next derivative for the rest of the Taylor step. Constants are the true ones; that fp32 rounds them is part of the bound.
 * Not here: which layer's input is meant (step.ts), the erf form (gelu-erf.ts).
 */
import { type Bounded, bounded, drift, growth, tanhUlps, tiny, ulp, unit } from './bounded.js';

/** An element whose derivative fp32 may see from the other side. */
export interface Kink {
  readonly layer: number;
  readonly token: number;
  readonly feature: number;
  readonly value: number;
  readonly bound: number;
}

/** Whether fp32 may see another sign than f64. */
const uncertain = (value: number, bound: number): boolean => bound > 0 && Math.abs(value) <= bound;

export const reluForward = (x: Bounded, layer: number, features: number, kinks: Kink[]): Bounded => {
  const y = bounded(x.value.length);
  for (let at = 0; at < x.value.length; at++) {
    const value = x.value[at] as number, bound = x.bound[at] as number;
    if (uncertain(value, bound)) kinks.push({ layer, token: Math.floor(at / features), feature: at % features, value, bound });
    y.value[at] = value <= 0 ? 0 : value;
    y.bound[at] = value <= 0 ? Math.max(0, value + bound) : bound;
  }
  return y;
};

export const reluDelta = (d: Bounded, x: Bounded): Bounded => {
  const out = bounded(d.value.length);
  for (let at = 0; at < d.value.length; at++) {
    const value = x.value[at] as number, dValue = d.value[at] as number, dBound = d.bound[at] as number;
    out.value[at] = value > 0 ? dValue : 0;
    out.bound[at] = uncertain(value, x.bound[at] as number) ? Math.abs(dValue) + dBound : value > 0 ? dBound : 0;
  }
  return out;
};

const c = Math.sqrt(2 / Math.PI);
const a = 0.044715;
/** Suprema of the second and third derivative of gelu, from above. */
export const geluSecondMax = 0.8;
export const geluThirdMax = 0.8;

/** gelu and its first two derivatives. */
export const geluAt = (x: number): readonly [number, number, number] => {
  const th = Math.tanh(c * (x + a * x * x * x));
  const s = 1 - th * th, g = c * (1 + 3 * a * x * x);
  return [0.5 * x * (1 + th), 0.5 * (1 + th) + 0.5 * x * s * g, s * g + 0.5 * x * (-2 * th * s * g * g + s * 6 * a * c * x)];
};

/**
 * Error of fp32 tanh(u(x)) at x: what u's operations and its two constants lose, through tanh's derivative, and tanh's own bound.
 * The derivative is 4·e^(−2|u|) / (1 + e^(−2|u|))², and by an error of u grows by no more than e^(2·error).
 */
const tanhError = (x: number, u: number, th: number): number => {
  const cubic = c * a * Math.abs(x * x * x);
  const uError = unit * (4 * cubic + 3 * Math.abs(u)) * growth(8) + 6 * tiny;
  const slope = Math.min(1, (4 * Math.exp(2 * (uError - Math.abs(u)))) / (1 + Math.exp(-2 * Math.abs(u))) ** 2);
  return Math.min(2, slope * uError * growth(1)) + tanhUlps * ulp(Math.min(Math.abs(th), 1 - unit));
};

export const geluForward = (x: Bounded): Bounded => {
  const y = bounded(x.value.length);
  for (let at = 0; at < x.value.length; at++) {
    const v = x.value[at] as number, bound = x.bound[at] as number;
    const u = c * (v + a * v * v * v), th = Math.tanh(u);
    const [value, first] = geluAt(v);
    const sumError = tanhError(v, u, th) + unit * (1 + th);
    const rounding = Math.abs(0.5 * v) * sumError + unit * Math.abs(value) + 2 * tiny;
    y.value[at] = value;
    y.bound[at] = v === 0 && bound === 0 ? 0 : rounding * growth(8) + bound * (Math.abs(first) + 0.5 * geluSecondMax * bound + drift(v));
  }
  return y;
};

export const geluDelta = (d: Bounded, x: Bounded): Bounded => {
  const out = bounded(d.value.length);
  for (let at = 0; at < d.value.length; at++) {
    const v = x.value[at] as number, bound = x.bound[at] as number;
    const dValue = d.value[at] as number, dBound = d.bound[at] as number;
    if (dValue === 0 && dBound === 0) continue;
    const u = c * (v + a * v * v * v), th = Math.tanh(u), thError = tanhError(v, u, th);
    const s = 1 - th * th, sError = 2 * Math.abs(th) * thError + thError * thError + unit * (th * th + s) * growth(4);
    const g = c * (1 + 3 * a * v * v), gError = unit * (3 * (g - c) + 3 * g) * growth(6) + 3 * tiny;
    const leftError = 0.5 * (thError + unit * (1 + th));
    const product = 0.5 * v * s, productError = Math.abs(0.5 * v) * sError + unit * Math.abs(product) + 2 * tiny;
    const rightError = (g + gError) * productError + Math.abs(product) * gError + unit * Math.abs(product * g) + tiny;
    const [, slope, second] = geluAt(v);
    const rounding = (leftError + rightError + unit * Math.abs(slope)) * growth(8);
    const slopeError = rounding + bound * (Math.abs(second) + 0.5 * geluThirdMax * bound + drift(v));
    const value = dValue * slope;
    const error = Math.abs(slope) * dBound + (Math.abs(dValue) + dBound) * slopeError;
    out.value[at] = value;
    out.bound[at] = (error + unit * (Math.abs(value) + error) + tiny) * growth(1);
  }
  return out;
};
