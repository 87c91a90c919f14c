/**
 * First values of parameters: each a pure function of (seed, parameter, dense index), so placement never shows.
 * Expression trees: docs/numerics.md §8. Not here: training.
 */
import { purposes, randomUnit } from '../util/prng.js';
import type { ParameterSpec } from './graph.js';

/** Fills `out` (length spec.size) with the first values of a parameter. */
export const initialize = (spec: ParameterSpec, seed: number, out: Float32Array): void => {
  const { init, index } = spec;
  switch (init.kind) {
    case 'zeros':
      out.fill(0);
      return;
    case 'ones':
      out.fill(1);
      return;
    case 'uniform':
      for (let i = 0; i < spec.size; i++) out[i] = (2 * randomUnit(seed, purposes.init, i, 0, index) - 1) * init.bound;
      return;
    case 'normal':
      for (let i = 0; i < spec.size; i++) {
        let sum = 0;
        for (let k = 0; k < 12; k++) sum += randomUnit(seed, purposes.init, i, k, index);
        out[i] = init.std * (sum - 6);
      }
      return;
    default:
      init satisfies never;
  }
};
