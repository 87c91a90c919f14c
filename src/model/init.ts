/**
 * First values of parameters: each a pure function of (seed, parameter, dense index), so placement never shows.
 * Expression trees: docs/numerics.md §8. Not here: training.
 */
import { purposes, streamKey, streamWord } from '../util/prng.js';
import type { ParameterSpec } from './graph.js';

const unitOf = (word: number): number => (word >>> 8) / 0x1_00_00_00;

/** Fills `out` (length spec.size) with the first values of a parameter. */
export const initialize = (spec: ParameterSpec, seed: number, out: Float32Array): void => {
  const { init, index } = spec, key = streamKey(seed, purposes.init, index);
  switch (init.kind) {
    case 'zeros':
      out.fill(0);
      return;
    case 'ones':
      out.fill(1);
      return;
    case 'uniform':
      for (let i = 0; i < spec.size; i++) out[i] = (2 * unitOf(streamWord(key, i, 0)) - 1) * init.bound;
      return;
    case 'normal':
      for (let i = 0; i < spec.size; i++) {
        let sum = 0;
        for (let k = 0; k < 12; k++) sum += unitOf(streamWord(key, i, k));
        out[i] = init.std * (sum - 6);
      }
      return;
    default:
      init satisfies never;
  }
};
