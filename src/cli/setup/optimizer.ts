/** The optimizer and its schedule out of the options. Not here: batches (batch.ts). */
import { adafactor, adam, adamW, constant, cosine, decayMatricesOnly, lamb, linearDecay, linearWarmup, lion, rmsProp, sgd, type Optimizer, type Schedule } from '../../index.js';
import type { Options } from '../options.js';
import { outside, refuse } from './rules.js';

const makeSchedule = (options: Options, peak: number, steps: number): Schedule => {
  const { schedule = 'constant' } = options;
  switch (schedule) {
    case 'constant':
      refuse(options, ['warmupSteps'], 'belongs to --schedule warmup, linear or cosine');
      return constant(peak);
    case 'warmup':
      return linearWarmup(options.warmupSteps ?? Math.floor(steps / 10), peak);
    case 'linear':
    case 'cosine': {
      const warmup = options.warmupSteps ?? 0;
      if (warmup >= steps) throw outside('warmupSteps', warmup, `below the ${steps} steps of the run`);
      const fall = (schedule === 'linear' ? linearDecay : cosine)({ peak, startStep: warmup, totalSteps: steps });
      return warmup === 0 ? fall : linearWarmup(warmup, fall);
    }
  }
};

/** Learning rates unless given. */
const usualRates = { sgd: 0.1, adam: 1e-3, adamw: 1e-3, rmsprop: 1e-2, lion: 1e-4, lamb: 1e-3 } as const;

/** `isTransformer`: gains and biases then do not decay. @throws InvalidConfig */
export const makeOptimizer = (options: Options, steps: number, isTransformer: boolean): Optimizer => {
  const { optimizer = 'adamw', momentum, nesterov, weightDecay } = options;
  const common = { ...(weightDecay === undefined ? {} : { weightDecay }), ...(isTransformer ? { groups: decayMatricesOnly } : {}) };
  if (optimizer !== 'sgd') refuse(options, ['nesterov'], 'belongs to --optimizer sgd');
  if (optimizer !== 'sgd' && optimizer !== 'rmsprop') refuse(options, ['momentum'], 'belongs to --optimizer sgd or rmsprop');
  if (optimizer === 'adafactor') {
    if (options.learningRate !== undefined) return adafactor({ ...common, learningRate: makeSchedule(options, options.learningRate, steps), relativeStep: false });
    refuse(options, ['schedule', 'warmupSteps'], 'with --optimizer adafactor belongs to --learning-rate: without one, steps are relative');
    return adafactor(common);
  }
  const given = { ...common, learningRate: makeSchedule(options, options.learningRate ?? usualRates[optimizer], steps), ...(momentum === undefined ? {} : { momentum }) };
  switch (optimizer) {
    case 'sgd':
      return sgd({ ...given, ...(nesterov === undefined ? {} : { nesterov }) });
    case 'rmsprop':
      return rmsProp(given);
    default:
      return { adam, adamw: adamW, lion, lamb }[optimizer](given);
  }
};
