/**
 * Embedding of the oracle: the gather is exact, the table's gradient a sum over tokens of the rows that occur.
 *
 *   y[t][c·dim + k] = table[ids[t][c]][k]        dtable[v][k] = Σ (t, c) with ids[t][c] = v of dy[t][c·dim + k]
 *
 * Not here: where the rows lie in the cluster.
 */
import { type Bounded, bounded, growth, slabLength, treeDepth, unit } from './bounded.js';

export const embeddingForward = (table: Float64Array, ids: Int32Array, dim: number): Bounded => {
  const y = bounded(ids.length * dim);
  for (let at = 0; at < ids.length; at++) {
    const row = (ids[at] as number) * dim;
    y.value.set(table.subarray(row, row + dim), at * dim);
  }
  return y;
};

export const embeddingGradient = (dy: Bounded, ids: Int32Array, vocabulary: number, context: number, dim: number): Bounded => {
  const out = bounded(vocabulary * dim);
  const samples = ids.length / context;
  const depth = treeDepth(Math.ceil(samples / slabLength));
  const leaf = new Float64Array(vocabulary * dim);
  for (let first = 0; first < samples; first += slabLength) {
    const rows = new Set<number>();
    for (let at = first * context; at < Math.min(samples, first + slabLength) * context; at++) {
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
        out.bound[k] = (out.bound[k] as number) + unit * depth * Math.abs(leaf[k] as number);
        leaf[k] = 0;
      }
    }
  }
  const grown = growth(Math.min(samples, slabLength) * context + depth);
  for (let k = 0; k < out.bound.length; k++) out.bound[k] = (out.bound[k] as number) * grown;
  return out;
};
