/**
 * Embedding of the oracle: the gather is exact, the table's gradient a sum over tokens of the rows that occur.
 *
 *   y[t][c·dim + k] = table[ids[t][c]][k] (+ positions[place of t][k])        dtable[v][k] = Σ (t, c) with ids[t][c] = v of dy[t][c·dim + k]
 *
 * The positions' gradient is that of a table whose ids are the places. Not here: where the rows lie in the cluster.
 */
import { type Bounded, bounded, growth, unit } from './bounded.js';
import { eachSlab, type TokenTree } from './tokens.js';

export const embeddingForward = (table: Float64Array, positions: Float64Array | null, ids: Int32Array, dim: number, tokensPerSample: number): Bounded => {
  const y = bounded(ids.length * dim);
  for (let at = 0; at < ids.length; at++) {
    const row = (ids[at] as number) * dim;
    y.value.set(table.subarray(row, row + dim), at * dim);
    if (positions === null) continue;
    for (let k = 0, place = (at % tokensPerSample) * dim; k < dim; k++) {
      const value = (table[row + k] as number) + (positions[place + k] as number);
      y.value[at * dim + k] = value;
      y.bound[at * dim + k] = unit * Math.abs(value) * growth(1);
    }
  }
  return y;
};

/** Places of the tokens in their samples: the ids of learned positions. */
export const placesOf = (tokens: number, tokensPerSample: number): Int32Array => Int32Array.from({ length: tokens }, (_, t) => t % tokensPerSample);

export const embeddingGradient = (dy: Bounded, ids: Int32Array, vocabulary: number, context: number, dim: number, tree: TokenTree): Bounded => {
  const out = bounded(vocabulary * dim);
  const leaf = new Float64Array(vocabulary * dim);
  eachSlab(tree, (first, end) => {
    const rows = new Set<number>();
    for (let at = first * context; at < end * context; at++) {
      const row = (ids[at] as number) * dim;
      rows.add(row);
      for (let k = 0; k < dim; k++) {
        const partial = (leaf[row + k] as number) + (dy.value[at * dim + k] as number);
        leaf[row + k] = partial;
        out.bound[row + k] = (out.bound[row + k] as number) + unit * Math.abs(partial) + (dy.bound[at * dim + k] as number);
      }
    }
    for (const row of rows) {
      for (let k = row; k < row + dim; k++) {
        out.value[k] = (out.value[k] as number) + (leaf[k] as number);
        out.bound[k] = (out.bound[k] as number) + unit * tree.depth * Math.abs(leaf[k] as number);
        leaf[k] = 0;
      }
    }
  });
  const grown = growth(tree.additions * context);
  for (let k = 0; k < out.bound.length; k++) out.bound[k] = (out.bound[k] as number) * grown;
  return out;
};
