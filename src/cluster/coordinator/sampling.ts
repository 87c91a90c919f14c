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

/** The largest values, ascending: at least `count` of them. The count-th largest of the maxima of several times as many runs is a bound that so many values reach. */
const sortedLargest = (values: Float32Array, count: number): Float32Array => {
  const length = Math.ceil(values.length / (4 * count));
  if (length < 2) return values.toSorted();
  const maxima = new Float32Array(Math.ceil(values.length / length)).fill(-Infinity);
  for (let run = 0, i = 0; run < maxima.length; run++) {
    for (const end = Math.min(values.length, i + length); i < end; i++) if ((values[i] as number) > (maxima[run] as number)) maxima[run] = values[i] as number;
  }
  if (maxima.length < count) return values.toSorted();
  const bound = maxima.toSorted()[maxima.length - count] as number;
  return values.filter((value) => value >= bound).toSorted();
};

/** Places of the `count` largest values, of equals the first ones; ascending. `sorted`: at least so many of the largest, ascending. */
const largest = (values: Float32Array, sorted: Float32Array, count: number): Int32Array => {
  const threshold = sorted[sorted.length - count] as number, left = new Int32Array(count);
  let ties = count, next = 0;
  for (let i = sorted.length - 1; i >= 0 && (sorted[i] as number) > threshold; i--) ties--;
  for (let place = 0; place < values.length; place++) {
    const value = values[place] as number;
    if (value > threshold || (value === threshold && ties-- > 0)) left[next++] = place;
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

/** How many of the largest reach `goal` together, or −1; equal values have equal e, so that their order does not matter. */
const reaching = (sorted: Float32Array, max: number, goal: number): number => {
  let sum = 0;
  for (let count = 1; count <= sorted.length; count++) {
    sum = f(sum + expF32(f((sorted[sorted.length - count] as number) - max)));
    if (sum >= goal) return count;
  }
  return -1;
};

/** How many candidates for a nucleus are sorted at first, and then, before all are. */
const nucleusTries = [256, 8192];

const exponentials = (z: Float32Array, max: number): Float32Array => {
  const e = new Float32Array(z.length);
  for (let i = 0; i < z.length; i++) e[i] = expF32(f((z[i] as number) - max));
  return e;
};

/** The id of the next token, for the token at `place` of the prompt `promptId`; −1 if there is no largest logit. */
export const chooseToken = (logits: Float32Array, o: SamplingOptions, place: number, promptId: number): number => {
  const best = greedyToken(logits);
  if (o.temperature === 0 || best < 0) return best;
  const temperature = f(o.temperature);
  let z = logits.map((logit) => logit / temperature);
  /** Ids of what is left, or null: all. */
  let ids: Int32Array | null = null;
  const max = z[best] as number;
  const keep = (places: Int32Array): void => {
    const [from, before] = [z, ids];
    z = new Float32Array(places.length);
    for (let i = 0; i < places.length; i++) z[i] = from[places[i] as number] as number;
    ids = before === null ? places : places.map((place) => before[place] as number);
  };
  const { topK } = o;
  if (topK !== null && topK < z.length) keep(largest(z, sortedLargest(z, topK), topK));
  let e = exponentials(z, max);
  if (o.topP < 1) {
    const goal = f(f(o.topP) * sumOf(e));
    for (const candidates of [...nucleusTries, z.length]) {
      const sorted = sortedLargest(z, candidates), count = reaching(sorted, max, goal);
      // Added in this order, all may round to less than the goal: then all are left.
      if (count < 0) continue;
      keep(largest(z, sorted, count));
      break;
    }
    e = exponentials(z, max);
  }
  const idOf = (i: number): number => (ids === null ? i : (ids[i] as number));
  const goal = f(randomUnit(o.seed, purposes.sampling, place, promptId) * sumOf(e));
  let running = 0;
  for (let i = 0; i < e.length; i++) {
    running = f(running + (e[i] as number));
    if (running > goal) return idOf(i);
  }
  // Running sums and chunked sums round apart: the last id that can be drawn at all.
  const last = e.findLastIndex((value) => value > 0);
  return last < 0 ? best : idOf(last);
};
