/**
 * LayerNorm and RMSNorm of the oracle over the n features of a token (docs/numerics.md §10), with bounds.
 *
 *   x ─▶ mean, x − mean, rstd ─▶ xhat ─▶ xhat · gain + bias          dx, dgain, dbias behind it
 *
 * Errors of the input pass through the mean, the variance and the root one after the other; the root is taken over the whole interval of the
 * variance, which never falls below ε. For any input |xhat| ≤ √n, which stands in where the errors say nothing. Not here: residuals (step.ts).
 */
import { type Bounded, bounded, chunkLength, growth, productError, roundedError, tiny, unit } from './bounded.js';
import { additionsOf } from './softmax.js';
import { eachSlab, type TokenTree } from './tokens.js';

/** What a norm knows of its tokens: xhat [tokens][n], rstd [tokens]. */
export interface Normalized {
  readonly xhat: Bounded;
  readonly rstd: Bounded;
}

/** Mean of n terms by the tree over features: `term` and `bound` fill the two numbers. */
const meanOf = (n: number, terms: Float64Array, bounds: Float64Array): { readonly v: number; readonly e: number } => {
  let sum = 0, error = 0;
  for (let first = 0; first < n; first += chunkLength) {
    let chunk = 0;
    for (let i = first; i < Math.min(n, first + chunkLength); i++) {
      chunk += terms[i] as number;
      error += unit * Math.abs(chunk) + (bounds[i] as number);
    }
    sum += chunk;
    if (first > 0) error += unit * Math.abs(sum);
  }
  const grown = growth(additionsOf(n, chunkLength));
  return { v: sum / n, e: roundedError(sum / n, (error * grown) / n) + (error === 0 ? 0 : tiny) };
};

export const normalize = (x: Bounded, n: number, epsilon: number, centered: boolean): Normalized => {
  const tokens = x.value.length / n;
  const xhat = bounded(tokens * n), rstd = bounded(tokens);
  const c = new Float64Array(n), cError = new Float64Array(n), square = new Float64Array(n), squareError = new Float64Array(n);
  const most = Math.sqrt(n) * (1 + 16 * unit), grown = growth(8), least = epsilon * (1 - 4 * unit);
  for (let t = 0; t < tokens; t++) {
    const at = t * n;
    const mean = centered ? meanOf(n, x.value.subarray(at, at + n), x.bound.subarray(at, at + n)) : { v: 0, e: 0 };
    for (let i = 0; i < n; i++) {
      const value = (x.value[at + i] as number) - mean.v;
      const error = centered ? roundedError(value, (x.bound[at + i] as number) + mean.e) : (x.bound[at + i] as number);
      c[i] = value;
      cError[i] = error;
      square[i] = value * value;
      squareError[i] = productError(value, error, value, error);
    }
    const variance = meanOf(n, square, squareError);
    const v = variance.v + epsilon, vError = roundedError(v, variance.e + unit * epsilon) * grown;
    const scale = 1 / Math.sqrt(v);
    // Root and reciprocal round once each.
    const high = 1 / Math.sqrt(Math.max(v - vError, least));
    const scaleError = (high - scale + 2 * unit * high) * grown;
    rstd.value[t] = scale;
    rstd.bound[t] = scaleError;
    for (let i = 0; i < n; i++) {
      const value = (c[i] as number) * scale;
      xhat.value[at + i] = value;
      xhat.bound[at + i] = Math.min(productError(c[i] as number, cError[i] as number, scale, scaleError) * grown, Math.abs(value) + most);
    }
  }
  return { xhat, rstd };
};

/** y = xhat · gain + bias. */
export const normForward = ({ xhat }: Normalized, gain: Float64Array, bias: Float64Array | null): Bounded => {
  const y = bounded(xhat.value.length), n = gain.length;
  for (let at = 0; at < y.value.length; at++) {
    const g = gain[at % n] as number, h = xhat.value[at] as number;
    let value = h * g, error = productError(h, xhat.bound[at] as number, g, 0);
    if (bias !== null) {
      value += bias[at % n] as number;
      error = roundedError(value, error);
    }
    y.value[at] = value;
    y.bound[at] = error * growth(2);
  }
  return y;
};

/** dx = ((dh − a) − xhat · b) · rstd, dh = d · gain. */
export const normDelta = (d: Bounded, { xhat, rstd }: Normalized, gain: Float64Array, centered: boolean): Bounded => {
  const n = gain.length, out = bounded(d.value.length);
  const dh = new Float64Array(n), dhError = new Float64Array(n), product = new Float64Array(n), productBound = new Float64Array(n);
  const grown = growth(8);
  for (let t = 0; t < rstd.value.length; t++) {
    const at = t * n;
    for (let i = 0; i < n; i++) {
      const g = gain[i] as number, value = d.value[at + i] as number, h = xhat.value[at + i] as number;
      dh[i] = value * g;
      dhError[i] = productError(value, d.bound[at + i] as number, g, 0);
      product[i] = value * g * h;
      productBound[i] = productError(value * g, dhError[i] as number, h, xhat.bound[at + i] as number);
    }
    const a = centered ? meanOf(n, dh, dhError) : { v: 0, e: 0 }, b = meanOf(n, product, productBound);
    const scale = rstd.value[t] as number, scaleError = rstd.bound[t] as number;
    for (let i = 0; i < n; i++) {
      const h = xhat.value[at + i] as number;
      const left = (dh[i] as number) - a.v, leftError = centered ? roundedError(left, (dhError[i] as number) + a.e) : (dhError[i] as number);
      const right = h * b.v, rightError = productError(h, xhat.bound[at + i] as number, b.v, b.e);
      const value = left - right, error = roundedError(value, leftError + rightError);
      out.value[at + i] = value * scale;
      out.bound[at + i] = productError(value, error, scale, scaleError) * grown;
    }
  }
  return out;
};

/** dgain[i] = Σ tokens d · xhat. */
export const gainGradient = (d: Bounded, { xhat }: Normalized, n: number, tree: TokenTree): Bounded => {
  const out = bounded(n), grown = growth(tree.additions + 1);
  for (let i = 0; i < n; i++) {
    let sum = 0, error = 0;
    eachSlab(tree, (first, end) => {
      let leaf = 0;
      for (let t = first; t < end; t++) {
        const at = t * n + i, dValue = d.value[at] as number, h = xhat.value[at] as number;
        leaf += dValue * h;
        error += unit * Math.abs(leaf) + productError(dValue, d.bound[at] as number, h, xhat.bound[at] as number);
      }
      sum += leaf;
      error += unit * tree.depth * Math.abs(leaf);
    });
    out.value[i] = sum;
    out.bound[i] = error * grown;
  }
  return out;
};
