/**
 * Choosing a token out of logits (docs/numerics.md §13): greedy, or drawn under temperature, top-k and top-p.
 *
 *   logits ─▶ z = logit / temperature ─▶ top-k ─▶ e = exp(z − max) ─▶ top-p ─▶ draw
 *
 * A draw is keyed by seed, place and the prompt's id, so companions and order never show. Not here: where logits come from (generation.ts), checks of the
 * options (emulator/).
 */
import { expF32 } from '../../kernels/functions.js';
import { chunkFeatures } from '../../kernels/types.js';
import { purposes, randomUnit } from '../../util/prng.js';

export interface SamplingOptions {
  /** 0: greedy. */
  readonly temperature: number;
  /** How many of the largest are left; null: all. */
  readonly topK: number | null;
  /** Share of Σ e that the ids that are left reach; 1: all. */
  readonly topP: number;
  readonly seed: number;
}

const f = Math.fround;

/** The largest logit; of equals the lowest id. −1 if there is a NaN: then nothing is the largest. */
export const greedyToken = (logits: Float32Array): number => {
  let best = 0, max = logits[0] as number;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id] as number;
    if (value > max) {
      max = value;
      best = id;
    } else if (Number.isNaN(value)) return -1;
  }
  return best;
};

/** The `count` largest of `ids`, of equals the lowest ids; ascending by id. */
const largest = (z: Float32Array, count: number): Int32Array => {
  if (count >= z.length) return Int32Array.from(z, (_, id) => id);
  const threshold = Float32Array.from(z).toSorted()[z.length - count] as number;
  let ties = count;
  for (const value of z) if (value > threshold) ties--;
  const left = new Int32Array(count);
  let next = 0;
  for (let id = 0; id < z.length; id++) {
    const value = z[id] as number;
    if (value > threshold || (value === threshold && ties-- > 0)) left[next++] = id;
  }
  return left;
};

/** Σfeatures over what is left, in its order. */
const sumOf = (e: Float32Array): number => {
  let sum = 0;
  for (let first = 0; first < e.length; first += chunkFeatures) {
    let chunk = 0;
    for (let i = first; i < Math.min(e.length, first + chunkFeatures); i++) chunk = f(chunk + (e[i] as number));
    sum = first === 0 ? chunk : f(sum + chunk);
  }
  return sum;
};

/** Indices into `e` of the fewest that reach `share` · Σ e, largest z first (of equals the lowest id), ascending. */
const nucleus = (z: Float32Array, ids: Int32Array, e: Float32Array, share: number): Int32Array => {
  const goal = f(f(share) * sumOf(e));
  const order = Int32Array.from(ids, (_, i) => i).toSorted((a, b) => (z[ids[b] as number] as number) - (z[ids[a] as number] as number) || a - b);
  let sum = 0, count = 0;
  while (count < order.length && (count === 0 || sum < goal)) sum = f(sum + (e[order[count++] as number] as number));
  return order.subarray(0, count).toSorted();
};

/** The id of the next token, for the token at `place` of the prompt `promptId`; −1 if there is no largest logit. */
export const chooseToken = (logits: Float32Array, o: SamplingOptions, place: number, promptId: number): number => {
  const best = greedyToken(logits);
  if (o.temperature === 0 || best < 0) return best;
  const temperature = f(o.temperature), z = logits.map((logit) => logit / temperature);
  let ids = largest(z, o.topK ?? z.length);
  const max = z[best] as number;
  let e = Float32Array.from(ids, (id) => expF32(f((z[id] as number) - max)));
  if (o.topP < 1) {
    const kept = nucleus(z, ids, e, o.topP);
    [ids, e] = [kept.map((i) => ids[i] as number), Float32Array.from(kept, (i) => e[i] as number)];
  }
  const goal = f(randomUnit(o.seed, purposes.sampling, place, promptId) * sumOf(e));
  let running = 0;
  for (const [i, value] of e.entries()) {
    running = f(running + value);
    if (running > goal) return ids[i] as number;
  }
  // Running sums and chunked sums round apart: the last id that can be drawn at all.
  return ids[e.findLastIndex((value) => value > 0)] ?? best;
};
