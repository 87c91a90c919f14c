/**
 * What an optimizer keeps of each parameter from step to step: tensors of moments, by name and size. All are 0 before the first update.
 *
 *   optimizer, parameter ─▶ ['exp_avg', 'exp_avg_sq'], [size, size]
 *
 * Names are those of the field's checkpoints. Not here: where they lie (cluster/memoryx/places.ts), how they change (docs/numerics.md §6).
 */
import type { Optimizer } from './optimizer.js';

interface Shaped {
  readonly shape: readonly number[];
}

interface Moment {
  readonly name: string;
  readonly floats: number;
}

/** Whether second moments are kept by rows and columns. */
export const isFactored = ({ kind }: Optimizer, { shape }: Shaped): boolean => kind === 'adafactor' && shape.length === 2;

const moments = (optimizer: Optimizer, parameter: Shaped): readonly Moment[] => {
  const size = parameter.shape.reduce((product, n) => product * n, 1);
  const whole = (name: string, isKept = true): readonly Moment[] => (isKept ? [{ name, floats: size }] : []);
  switch (optimizer.kind) {
    case 'sgd':
      return whole('momentum_buffer', optimizer.momentum !== 0);
    case 'adam':
    case 'adamW':
    case 'lamb':
      return [...whole('exp_avg'), ...whole('exp_avg_sq')];
    case 'lion':
      return whole('exp_avg');
    case 'rmsProp':
      return [...whole('square_avg'), ...whole('grad_avg', optimizer.centered), ...whole('momentum_buffer', optimizer.momentum !== 0)];
    case 'adafactor': {
      const [rows = 0, cols = 0] = parameter.shape;
      const second = isFactored(optimizer, parameter) ? [{ name: 'exp_avg_sq_row', floats: rows }, { name: 'exp_avg_sq_col', floats: cols }] : whole('exp_avg_sq');
      return [...second, ...whole('exp_avg', optimizer.beta1 !== 0)];
    }
  }
};

/** Floats of each moment tensor that the optimizer keeps beside a parameter: mostly the parameter's size. Rows and columns are those of this project's layout, [inputs][outputs]. */
export const momentSizes = (optimizer: Optimizer, parameter: Shaped): readonly number[] => moments(optimizer, parameter).map(({ floats }) => floats);

/** Their names, in the same order. */
export const momentNames = (optimizer: Optimizer, parameter: Shaped): readonly string[] => moments(optimizer, parameter).map(({ name }) => name);
