/** What each optimizer does in a sweep (docs/numerics.md §6). Not here: the journal around it (update.ts), Lamb and Adafactor (lamb.ts, adafactor.ts). */
import type { Optimizer } from '../../model/optimizer.js';
import { adafactorSweep } from './adafactor.js';
import { lambSweep } from './lamb.js';
import type { Scalars } from './scalars.js';
import { gradientStretch, weightsIn, type Sweep, type UpdateShare } from './share.js';

export const sweepOf = (share: UpdateShare, optimizer: Optimizer, scalars: Scalars, step: number, sweep: number): Sweep => {
  if (optimizer.kind === 'lamb') return lambSweep(share, optimizer, scalars, step, sweep);
  if (optimizer.kind === 'adafactor') return adafactorSweep(share, { ...optimizer, kind: optimizer.kind }, scalars, step, sweep);
  return { kind: 'stretches', run: (from, floats) => apply(share, optimizer, scalars, step, from, floats) };
};

const apply = (share: UpdateShare, optimizer: Optimizer, s: Scalars, step: number, first: number, floats: number): void => {
  const { place, kernels } = share, { now, next } = weightsIn(place, step);
  const offset = first * 4, to = next + offset, from = now + offset;
  const [a = 0, b = 0, c = 0] = place.moments.map((moment) => moment + offset);
  const g = gradientStretch(kernels, place, first, floats, share.clip, share.stretch);
  switch (optimizer.kind) {
    case 'sgd': {
      const flags = (optimizer.weightDecay !== 0 ? 1 : 0) + (optimizer.momentum !== 0 ? 2 : 0) + (s.isFirst ? 4 : 0) + (optimizer.nesterov ? 8 : 0);
      kernels.sgd(to, from, g, a, floats, s.learningRate, s.momentum, s.oneMinusDampening, s.weightDecay, flags);
      return;
    }
    case 'rmsProp': {
      const flags = (optimizer.weightDecay !== 0 ? 1 : 0) + (optimizer.momentum !== 0 ? 2 : 0) + (optimizer.centered ? 4 : 0);
      kernels.rmsProp(to, from, g, a, b, optimizer.centered ? c : b, floats, s.learningRate, s.alpha, s.oneMinusAlpha, s.epsilon, s.momentum, s.weightDecay, flags);
      return;
    }
    case 'lion':
      kernels.lion(to, from, g, a, floats, s.learningRate, s.beta1, s.oneMinusBeta1, s.beta2, s.oneMinusBeta2, s.decay);
      return;
    default: {
      const flags = optimizer.kind === 'adamW' ? 2 : optimizer.weightDecay !== 0 ? 1 : 0;
      kernels.adam(to, from, g, a, b, floats, s.beta1, s.oneMinusBeta1, s.beta2, s.oneMinusBeta2, s.epsilon, s.stepSize, s.rootBias2, s.weightDecay, s.decay, flags);
    }
  }
};
