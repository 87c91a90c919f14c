/**
 * Causal attention of the oracle (docs/numerics.md §12), with bounds: one sample and query head after the other.
 *
 *   qkv [tokens][Q heads | K kvHeads | V kvHeads] ─▶ s ─▶ p ─▶ O            dO ─▶ D, dP ─▶ g ─▶ dQ, dK, dV
 *
 * Probabilities stand for e · r: a common factor of all e of a query, which the maximum leaves, cancels in O and p. Errors of the scores pass through the
 * softmax (softmax.ts). Heads that share keys and values add up in dK and dV in their order. Not here: rotary positions (rotary.ts), projections.
 */
import type { LayerOf } from '../model/graph.js';
import { type Bounded, bounded, chunkLength, expUnderflow, growth, productError, roundedError, slabLength, tiny, unit } from './bounded.js';
import { additionsOf, least, type SoftmaxRow, softmaxRow, softmaxRowOf } from './softmax.js';

/** Features `from` … `from + width − 1` of the T tokens of a sample, [T][width]. */
const part = (x: Bounded, features: number, first: number, places: number, from: number, width: number): Bounded => {
  const out = bounded(places * width);
  for (let t = 0; t < places; t++) {
    const at = (first + t) * features + from;
    out.value.set(x.value.subarray(at, at + width), t * width);
    out.bound.set(x.bound.subarray(at, at + width), t * width);
  }
  return out;
};

/** Sum over the features of a head, and its error in `dotError`. */
let dotError = 0;
const dot = (a: Bounded, aAt: number, b: Bounded, bAt: number, width: number): number => {
  let sum = 0, error = 0;
  for (let first = 0; first < width; first += chunkLength) {
    let chunk = 0;
    for (let f = first; f < Math.min(width, first + chunkLength); f++) {
      const x = a.value[aAt + f] as number, y = b.value[bAt + f] as number;
      chunk += x * y;
      error += unit * Math.abs(chunk) + productError(x, a.bound[aAt + f] as number, y, b.bound[bAt + f] as number);
    }
    sum += chunk;
    if (first > 0) error += unit * Math.abs(sum);
  }
  dotError = error * growth(additionsOf(width, chunkLength) + 2);
  return sum;
};

/** Σ rows[j] · weight[j] over slabs of places, a running sum for each of `width` features. */
class SlabSum {
  readonly value: Float64Array;
  readonly bound: Float64Array;
  readonly #leaf: Float64Array;
  #additions = 0;
  #started = false;

  constructor(width: number) {
    this.value = new Float64Array(width);
    this.bound = new Float64Array(width);
    this.#leaf = new Float64Array(width);
  }

  /** Adds the slabs of places `first` … `end − 1`; the weight of place j stands at `at + j · stride`. */
  add(rows: Bounded, weights: Bounded, at: number, stride: number, first: number, end: number): void {
    const { value, bound } = this, leaf = this.#leaf, width = value.length;
    for (let from = first - (first % slabLength); from < end; from += slabLength) {
      leaf.fill(0);
      for (let j = Math.max(first, from); j < Math.min(end, from + slabLength); j++) {
        const w = weights.value[at + j * stride] as number, wError = weights.bound[at + j * stride] as number;
        for (let f = 0, r = j * width; f < width; f++, r++) {
          const x = rows.value[r] as number, partial = (leaf[f] as number) + x * w;
          leaf[f] = partial;
          bound[f] = (bound[f] as number) + unit * Math.abs(partial) + productError(x, rows.bound[r] as number, w, wError);
        }
      }
      for (let f = 0; f < width; f++) {
        const partial = (value[f] as number) + (leaf[f] as number);
        value[f] = partial;
        if (this.#started) bound[f] = (bound[f] as number) + unit * Math.abs(partial);
      }
      this.#started = true;
      this.#additions++;
    }
  }

  /** Error of feature f. */
  error(f: number): number {
    return (this.bound[f] as number) * growth(slabLength + this.#additions + 2);
  }
}

interface Head {
  readonly q: Bounded;
  readonly k: Bounded;
  readonly v: Bounded;
}

const headOf = (layer: LayerOf<'attention'>, qkv: Bounded, first: number, places: number, head: number): Head => {
  const { heads, kvHeads, headSize } = layer, features = (heads + 2 * kvHeads) * headSize, shared = Math.floor(head / (heads / kvHeads));
  return {
    q: part(qkv, features, first, places, head * headSize, headSize),
    k: part(qkv, features, first, places, (heads + shared) * headSize, headSize),
    v: part(qkv, features, first, places, (heads + kvHeads + shared) * headSize, headSize),
  };
};

/** Row q of the scores, over keys 0 … q, and their softmax. */
const probabilities = ({ q, k }: Head, query: number, headSize: number, scores: Bounded, row: SoftmaxRow): void => {
  const scale = 1 / Math.sqrt(headSize), exactScale = Number.isInteger(Math.log2(scale));
  for (let key = 0; key <= query; key++) {
    const s = dot(k, key * headSize, q, query * headSize, headSize);
    scores.value[key] = s * scale;
    scores.bound[key] = productError(s, dotError, scale, exactScale ? 0 : unit * scale) * growth(2);
  }
  softmaxRow(row, scores.value, scores.bound, 0, query + 1, slabLength);
};

/** O [tokens][heads · headSize]. */
export const attentionForward = (layer: LayerOf<'attention'>, qkv: Bounded, places: number): Bounded => {
  const { heads, headSize, features } = layer, tokens = qkv.value.length / ((heads + 2 * layer.kvHeads) * headSize);
  const out = bounded(tokens * features), scores = bounded(places), weights = bounded(places), row = softmaxRowOf(places);
  for (let first = 0; first < tokens; first += places) {
    for (let head = 0; head < heads; head++) {
      const parts = headOf(layer, qkv, first, places, head);
      for (let query = 0; query < places; query++) {
        probabilities(parts, query, headSize, scores, row);
        for (let key = 0; key <= query; key++) {
          const p = row.p[key] as number, carried = row.carried[key] as number;
          weights.value[key] = p;
          weights.bound[key] = carried + (p + carried) * (row.relative[key] as number) + expUnderflow;
        }
        const sum = new SlabSum(headSize);
        sum.add(parts.v, weights, 0, 1, 0, query + 1);
        // The sum of e, its reciprocal and the last product.
        const relative = ((1 + unit) * (1 + unit)) / (1 - row.sumRelative) - 1;
        for (let f = 0, at = (first + query) * features + head * headSize; f < headSize; f++, at++) {
          const value = sum.value[f] as number, error = sum.error(f);
          out.value[at] = value;
          out.bound[at] = (error + (Math.abs(value) + error) * relative) * growth(1) + tiny;
        }
      }
    }
  }
  return out;
};

/** dQKV from dO and the layer's own input and output. */
export const attentionDelta = (layer: LayerOf<'attention'>, d: Bounded, qkv: Bounded, o: Bounded, places: number): Bounded => {
  const { heads, kvHeads, headSize, features } = layer, width = (heads + 2 * kvHeads) * headSize, tokens = d.value.length / features;
  const out = bounded(tokens * width), scores = bounded(places), row = softmaxRowOf(places);
  const p = bounded(places * places), g = bounded(places * places);
  const scale = 1 / Math.sqrt(headSize), scaleError = Number.isInteger(Math.log2(scale)) ? 0 : unit * scale, grown = growth(4);
  const put = (place: number, from: number, sum: SlabSum): void => {
    for (let f = 0, at = place * width + from; f < headSize; f++, at++) {
      out.value[at] = sum.value[f] as number;
      out.bound[at] = sum.error(f);
    }
  };
  for (let first = 0; first < tokens; first += places) {
    for (let shared = 0; shared < kvHeads; shared++) {
      const dk = Array.from({ length: places }, () => new SlabSum(headSize)), dv = Array.from({ length: places }, () => new SlabSum(headSize));
      for (let head = (shared * heads) / kvHeads; head < ((shared + 1) * heads) / kvHeads; head++) {
        const parts = headOf(layer, qkv, first, places, head);
        const dOut = part(d, features, first, places, head * headSize, headSize), output = part(o, features, first, places, head * headSize, headSize);
        for (let query = 0; query < places; query++) {
          probabilities(parts, query, headSize, scores, row);
          const dSum = dot(dOut, query * headSize, output, query * headSize, headSize), dSumError = dotError;
          for (let key = 0; key <= query; key++) {
            const at = query * places + key, value = row.p[key] as number, carried = row.carried[key] as number;
            const relative = ((1 + (row.relative[key] as number)) * (1 + unit) * (1 + unit)) / (1 - row.sumRelative) - 1;
            const error = least(carried + (value + carried) * relative + expUnderflow + tiny, 1 + row.sumRelative);
            p.value[at] = value;
            p.bound[at] = error;
            const dp = dot(parts.v, key * headSize, dOut, query * headSize, headSize);
            const difference = dp - dSum, differenceError = roundedError(difference, dotError + dSumError);
            const product = value * difference;
            g.value[at] = product * scale;
            g.bound[at] = productError(product, productError(value, error, difference, differenceError), scale, scaleError) * grown;
          }
          const dq = new SlabSum(headSize);
          dq.add(parts.k, g, query * places, 1, 0, query + 1);
          put(first + query, head * headSize, dq);
        }
        for (let key = 0; key < places; key++) {
          dk[key]?.add(parts.q, g, key, places, key, places);
          dv[key]?.add(dOut, p, key, places, key, places);
        }
      }
      for (let key = 0; key < places; key++) {
        put(first + key, (heads + shared) * headSize, dk[key] as SlabSum);
        put(first + key, (heads + kvHeads + shared) * headSize, dv[key] as SlabSum);
      }
    }
  }
  return out;
};
