/** The optimizer and its schedule out of the options. Not here: batches (batch.ts). */
import { adam, adamW, constant, cosine, decayMatricesOnly, linearDecay, linearWarmup, sgd, type Optimizer, type Schedule } from '../../index.js';
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

/** `isTransformer`: gains and biases then do not decay. @throws InvalidConfig */
export const makeOptimizer = (options: Options, steps: number, isTransformer: boolean): Optimizer => {
  const { optimizer = 'adamw', momentum, nesterov, weightDecay } = options;
  const decay = { ...(weightDecay === undefined ? {} : { weightDecay }), ...(isTransformer ? { groups: decayMatricesOnly } : {}) };
  if (optimizer === 'sgd') {
    const rate = makeSchedule(options, options.learningRate ?? 0.1, steps);
    return sgd({ learningRate: rate, ...decay, ...(momentum === undefined ? {} : { momentum }), ...(nesterov === undefined ? {} : { nesterov }) });
  }
  refuse(options, ['momentum', 'nesterov'], 'belongs to --optimizer sgd');
  const rate = makeSchedule(options, options.learningRate ?? 1e-3, steps);
  return optimizer === 'adam' ? adam({ learningRate: rate, ...decay }) : adamW({ learningRate: rate, ...decay });
};
