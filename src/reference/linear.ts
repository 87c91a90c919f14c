/**
 * Linear layers of the oracle: forward, delta and gradients, with the running error of their fp32 sums.
 *
 *   x, y, dx, dy  [tokens][features]      weight [inputs][outputs]; a tied one is turned by the caller
 *
 * A running error analysis (Higham, "Accuracy and stability of numerical algorithms", §3.3): each addition of a sum adds unit · |partial sum|,
 * each product unit · |product|, and the errors of the factors are carried along. The partial sums are those of the contract's
 * order (chunks of 256 features, slabs of 32 tokens), which changes the bound and not the value. Inner loops count errors in `unit`.
 * Not here: any kernel's code or order beyond that.
 */
import { type Bounded, bounded, chunkLength, growth, tiny, unit } from './bounded.js';
import { eachSlab, type TokenTree } from './tokens.js';

/** out[t][k] = Σ i weight[i][k] · x[t][i], i < n in chunks, k < m. */
const contract = (weight: Float64Array, n: number, m: number, x: Bounded, tokens: number): Bounded => {
  const out = bounded(tokens * m);
  const chunk = new Float64Array(m), sum = new Float64Array(m), units = new Float64Array(m);
  const zeroIsNoTerm = weight.every(Number.isFinite);
  const grown = growth(Math.min(n, chunkLength) + Math.ceil(n / chunkLength));
  for (let t = 0; t < tokens; t++) {
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
export const linearForward = (weight: Float64Array, bias: Float64Array | null, inputs: number, outputs: number, x: Bounded, tokens: number): Bounded => {
  const y = contract(weight, inputs, outputs, x, tokens);
  if (bias === null) return y;
  for (let at = 0; at < tokens * outputs; at++) {
    const b = bias[at % outputs] as number;
    if (b === 0) continue;
    const value = (y.value[at] as number) + b, bound = y.bound[at] as number;
    y.value[at] = value;
    y.bound[at] = bound + unit * (Math.abs(value) + bound) * growth(1);
  }
  return y;
};

/** [columns][rows] of [rows][columns]. */
export const transposed = (matrix: Float64Array, rows: number, columns: number): Float64Array => {
  const turned = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) turned[c * rows + r] = matrix[r * columns + c] as number;
  return turned;
};

/** dx[t][i] = Σ o weight[i][o] · dy[t][o]. */
export const linearDelta = (weight: Float64Array, inputs: number, outputs: number, dy: Bounded, tokens: number): Bounded =>
  contract(transposed(weight, inputs, outputs), outputs, inputs, dy, tokens);

/** dw[i][o] = Σ t x[t][i] · dy[t][o], leaves of 32 tokens, their tree bounded by its depth · Σ |leaf|. Slabs outside: a slab's deltas stay near. */
export const weightGradient = (x: Bounded, dy: Bounded, inputs: number, outputs: number, tree: TokenTree): Bounded => {
  const out = bounded(inputs * outputs), { value: sums, bound: units } = out;
  const { tokens, depth } = tree;
  const leaf = new Float64Array(outputs), leafUnits = new Float64Array(outputs), terms = new Float64Array(inputs);
  const size = new Float64Array(tokens * outputs), carried = new Float64Array(tokens * outputs);
  for (let at = 0; at < tokens * outputs; at++) {
    const bound = dy.bound[at] as number;
    size[at] = Math.abs(dy.value[at] as number);
    carried[at] = (size[at] as number) + bound + bound / unit;
  }
  eachSlab(tree, (first, end) => {
    for (let i = 0; i < inputs; i++) {
      leaf.fill(0);
      leafUnits.fill(0);
      for (let t = first; t < end; t++) {
        const value = x.value[t * inputs + i] as number, bound = x.bound[t * inputs + i] as number;
        if (value === 0 && bound === 0) continue;
        terms[i] = (terms[i] as number) + 1;
        const xSize = Math.abs(value) + bound, xUnits = bound / unit;
        for (let o = 0, at = t * outputs; o < outputs; o++, at++) {
          const partial = (leaf[o] as number) + value * (dy.value[at] as number);
          leaf[o] = partial;
          leafUnits[o] = (leafUnits[o] as number) + Math.abs(partial) + xSize * (carried[at] as number) + xUnits * (size[at] as number);
        }
      }
      for (let o = 0, at = i * outputs; o < outputs; o++, at++) {
        sums[at] = (sums[at] as number) + (leaf[o] as number);
        units[at] = (units[at] as number) + (leafUnits[o] as number) + depth * Math.abs(leaf[o] as number);
      }
    }
  });
  const grown = growth(tree.additions + 1);
  for (let at = 0; at < units.length; at++) units[at] = units[at] === 0 ? 0 : ((units[at] as number) * unit + (terms[Math.floor(at / outputs)] as number) * tiny) * grown;
  return out;
};

/** db[o] = Σ t dy[t][o], leaves of 32 tokens and their tree. */
export const biasGradient = (dy: Bounded, outputs: number, tree: TokenTree): Bounded => {
  const out = bounded(outputs);
  const grown = growth(tree.additions);
  for (let o = 0; o < outputs; o++) {
    let sum = 0, error = 0;
    eachSlab(tree, (first, end) => {
      let leaf = 0;
      for (let t = first; t < end; t++) {
        leaf += dy.value[t * outputs + o] as number;
        error += unit * Math.abs(leaf) + (dy.bound[t * outputs + o] as number);
      }
      sum += leaf;
      error += unit * tree.depth * Math.abs(leaf);
    });
    out.value[o] = sum;
    out.bound[o] = error * grown;
  }
  return out;
};
