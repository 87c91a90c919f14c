/** Number types and the loss scale out of the options. Not here: what they do (model/precision.ts, docs/numerics.md §15). */
import { precision, type TrainOptions } from '../../index.js';
import { flagOf, type Options } from '../options.js';
import { outside, refuse } from './rules.js';

/** @throws InvalidConfig for options without effect, and for activations of another type than the weights */
export const precisionOf = (options: Options): Pick<TrainOptions, 'precision'> => {
  const { precision: weights, activations, lossScale, stochasticRounding } = options;
  if (weights === undefined) {
    refuse(options, ['activations', 'lossScale', 'stochasticRounding'], `belongs to ${flagOf('precision')}`);
    return {};
  }
  if (activations !== undefined && activations !== 'float32' && activations !== weights) throw outside('activations', activations, `float32, or ${weights} as the weights`);
  if (weights === 'float32') refuse(options, ['stochasticRounding'], 'has no effect on float32');
  return {
    precision: precision({
      weights,
      ...(activations === undefined ? {} : { activations }), ...(lossScale === undefined ? {} : { lossScale }), ...(stochasticRounding === undefined ? {} : { stochasticRounding }),
    }),
  };
};
