/**
 * Linear layers of the oracle: forward, delta and gradients, with the running error of their fp32 sums.
 *
 *   x, y, dx, dy  [samples][features]      weight [inputs][outputs]
 *
 * A running error analysis (Higham, "Accuracy and stability of numerical algorithms", §3.3): each addition of a sum adds unit · |partial sum|,
 * each product unit · |product|, and the errors of the factors are carried along. The partial sums are those of the contract's
 * order (chunks of 256 features, slabs of 32 tokens), which changes the bound and not the value. Inner loops count errors in `unit`.
 * Not here: any kernel's code or order beyond that.
 */
import { type Bounded, bounded, chunkLength, growth, slabLength, tiny, treeDepth, unit } from './bounded.js';

/** out[t][k] = Σ i weight[i][k] · x[t][i], i < n in chunks, k < m. */
const contract = (weight: Float64Array, n: number, m: number, x: Bounded, samples: number): Bounded => {
  const out = bounded(samples * m);
  const chunk = new Float64Array(m), sum = new Float64Array(m), units = new Float64Array(m);
  const zeroIsNoTerm = weight.every(Number.isFinite);
  const grown = growth(Math.min(n, chunkLength) + Math.ceil(n / chunkLength));
  for (let t = 0; t < samples; t++) {
    sum.fill(0);
    units.fill(0);
    let terms = 0;
    for (let first = 0; first < n; first += chunkLength) {
      const end = Math.min(n, first + chunkLength);
      chunk.fill(0);
      for (let i = first; i < end; i++) {
        const value = x.value[t * n + i] as number, bound = x.bound[t * n + i] as number;
        if (zeroIsNoTerm && value === 0 && bound === 0) continue;
        terms++;
        const carried = Math.abs(value) + bound + bound / unit;
        for (let k = 0, at = i * m; k < m; k++, at++) {
          const w = weight[at] as number;
          const partial = (chunk[k] as number) + w * value;
          chunk[k] = partial;
          units[k] = (units[k] as number) + Math.abs(partial) + Math.abs(w) * carried;
        }
      }
      for (let k = 0; k < m; k++) {
        const partial = (sum[k] as number) + (chunk[k] as number);
        sum[k] = partial;
        if (first > 0) units[k] = (units[k] as number) + Math.abs(partial);
      }
    }
    for (let k = 0; k < m; k++) {
      out.value[t * m + k] = sum[k] as number;
      out.bound[t * m + k] = units[k] === 0 ? 0 : ((units[k] as number) * unit + terms * tiny) * grown;
    }
  }
  return out;
};

/** y[t][o] = Σ i weight[i][o] · x[t][i], then + bias[o]. */
export const linearForward = (weight: Float64Array, bias: Float64Array | null, inputs: number, outputs: number, x: Bounded, samples: number): Bounded => {
  const y = contract(weight, inputs, outputs, x, samples);
  if (bias === null) return y;
  for (let at = 0; at < samples * outputs; at++) {
    const b = bias[at % outputs] as number;
    if (b === 0) continue;
    const value = (y.value[at] as number) + b, bound = y.bound[at] as number;
    y.value[at] = value;
    y.bound[at] = bound + unit * (Math.abs(value) + bound) * growth(1);
  }
  return y;
};

/** dx[t][i] = Σ o weight[i][o] · dy[t][o]. */
export const linearDelta = (weight: Float64Array, inputs: number, outputs: number, dy: Bounded, samples: number): Bounded => {
  const turned = new Float64Array(inputs * outputs);
  for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) turned[o * inputs + i] = weight[i * outputs + o] as number;
  return contract(turned, outputs, inputs, dy, samples);
};

/** dw[i][o] = Σ t x[t][i] · dy[t][o], leaves of 32 tokens, their tree bounded by its depth · Σ |leaf|. */
export const weightGradient = (x: Bounded, dy: Bounded, inputs: number, outputs: number, samples: number): Bounded => {
  const out = bounded(inputs * outputs);
  const depth = treeDepth(Math.ceil(samples / slabLength));
  const grown = growth(Math.min(samples, slabLength) + depth + 1);
  const leaf = new Float64Array(outputs), sum = new Float64Array(outputs), units = new Float64Array(outputs);
  const size = new Float64Array(samples * outputs), carried = new Float64Array(samples * outputs);
  for (let at = 0; at < samples * outputs; at++) {
    const bound = dy.bound[at] as number;
    size[at] = Math.abs(dy.value[at] as number);
    carried[at] = (size[at] as number) + bound + bound / unit;
  }
  for (let i = 0; i < inputs; i++) {
    sum.fill(0);
    units.fill(0);
    let terms = 0;
    for (let first = 0; first < samples; first += slabLength) {
      leaf.fill(0);
      for (let t = first; t < Math.min(samples, first + slabLength); t++) {
        const value = x.value[t * inputs + i] as number, bound = x.bound[t * inputs + i] as number;
        if (value === 0 && bound === 0) continue;
        terms++;
        const xSize = Math.abs(value) + bound, xUnits = bound / unit;
        for (let o = 0, at = t * outputs; o < outputs; o++, at++) {
          const partial = (leaf[o] as number) + value * (dy.value[at] as number);
          leaf[o] = partial;
          units[o] = (units[o] as number) + Math.abs(partial) + xSize * (carried[at] as number) + xUnits * (size[at] as number);
        }
      }
      for (let o = 0; o < outputs; o++) {
        sum[o] = (sum[o] as number) + (leaf[o] as number);
        units[o] = (units[o] as number) + depth * Math.abs(leaf[o] as number);
      }
    }
    for (let o = 0; o < outputs; o++) {
      out.value[i * outputs + o] = sum[o] as number;
      out.bound[i * outputs + o] = units[o] === 0 ? 0 : ((units[o] as number) * unit + terms * tiny) * grown;
    }
  }
  return out;
};

/** db[o] = Σ t dy[t][o], leaves of 32 tokens and their tree. */
export const biasGradient = (dy: Bounded, outputs: number, samples: number): Bounded => {
  const out = bounded(outputs);
  const depth = treeDepth(Math.ceil(samples / slabLength));
  const grown = growth(Math.min(samples, slabLength) + depth);
  for (let o = 0; o < outputs; o++) {
    let sum = 0, error = 0;
    for (let first = 0; first < samples; first += slabLength) {
      let leaf = 0;
      for (let t = first; t < Math.min(samples, first + slabLength); t++) {
        leaf += dy.value[t * outputs + o] as number;
        error += unit * Math.abs(leaf) + (dy.bound[t * outputs + o] as number);
      }
      sum += leaf;
      error += unit * depth * Math.abs(leaf);
    }
    out.value[o] = sum;
    out.bound[o] = error * grown;
  }
  return out;
};
