/**
 * What neither learns nor bends, in the oracle: residual additions, deltas that meet, dropout.
 *
 *   y = x + f        d = d(y) + d(through the branch)        dropout: kept ? x / (1 − rate) : 0
 *
 * Dropout's mask is data: counter-based words of (seed, step, layer, token of the global batch, feature), docs/numerics.md §3. Not here: which layer reads which (step.ts).
 */
import type { LayerOf } from '../model/graph.js';
import { purposes, randomWord } from '../util/prng.js';
import { type Bounded, bounded, growth, productError, roundedError, unit } from './bounded.js';

/** The keys of a step's dropout masks. */
export interface DropoutKeys {
  readonly seed: number;
  readonly step: number;
}

export const add = (a: Bounded, b: Bounded): Bounded => {
  const y = bounded(a.value.length);
  for (let at = 0; at < y.value.length; at++) {
    const x = a.value[at] as number, f = b.value[at] as number, error = (a.bound[at] as number) + (b.bound[at] as number);
    y.value[at] = x + f;
    // A zero that is exact adds nothing.
    y.bound[at] = (x === 0 && a.bound[at] === 0) || (f === 0 && b.bound[at] === 0) ? error : roundedError(x + f, error) * growth(1);
  }
  return y;
};

/** Forward and delta alike; without keys, as when no training is going on, x as it is. */
export const dropout = (layer: LayerOf<'dropout'>, x: Bounded, keys: DropoutKeys | null): Bounded => {
  if (keys === null) return x;
  const y = bounded(x.value.length), { rate, features } = layer;
  const threshold = Math.floor(rate * 2 ** 32), scale = 1 / (1 - rate), error = rate === 0 ? 0 : unit * scale * growth(1);
  const key = randomWord(keys.seed, purposes.dropout, keys.step, layer.id);
  for (let at = 0; at < x.value.length; at++) {
    if (randomWord(keys.seed, purposes.dropout, at % features, Math.floor(at / features), key) < threshold) continue;
    const value = x.value[at] as number, bound = x.bound[at] as number;
    y.value[at] = value * scale;
    y.bound[at] = rate === 0 ? bound : productError(value, bound, scale, error);
  }
  return y;
};
