/**
 * The twins of the optimizers, one parameter at a time (docs/numerics.md §6). Not here: the scalars (model/, memoryx/).
 */
import type { Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

export const optimizerTwins = ({ floats: F }: View): Pick<Kernels, 'sgd' | 'adam'> => ({
  sgd(wNext, w, g, v, count, lr, momentum, oneMinusDampening, weightDecay, flags) {
    const [decays, hasMomentum, isFirst, isNesterov] = [1, 2, 4, 8].map((bit) => (flags & bit) !== 0);
    for (let i = 0; i < count; i++) {
      const weight = F[at(w) + i]!;
      const gradient = decays ? f(F[at(g) + i]! + f(f(weightDecay) * weight)) : F[at(g) + i]!;
      let direction = gradient;
      if (hasMomentum) {
        const velocity = isFirst ? gradient : f(f(f(momentum) * F[at(v) + i]!) + f(f(oneMinusDampening) * gradient));
        F[at(v) + i] = velocity;
        direction = isNesterov ? f(gradient + f(f(momentum) * velocity)) : velocity;
      }
      F[at(wNext) + i] = f(weight - f(f(lr) * direction));
    }
  },

  adam(wNext, w, g, m, v, count, beta1, oneMinusBeta1, beta2, oneMinusBeta2, epsilon, stepSize, rootBias2, weightDecay, decay, flags) {
    for (let i = 0; i < count; i++) {
      const weight = F[at(w) + i]!;
      const gradient = (flags & 1) !== 0 ? f(F[at(g) + i]! + f(f(weightDecay) * weight)) : F[at(g) + i]!;
      const first = f(f(f(beta1) * F[at(m) + i]!) + f(f(oneMinusBeta1) * gradient));
      const second = f(f(f(beta2) * F[at(v) + i]!) + f(f(f(oneMinusBeta2) * gradient) * gradient));
      F[at(m) + i] = first;
      F[at(v) + i] = second;
      const step = f(f(stepSize) * f(first / f(f(f(Math.sqrt(second)) / f(rootBias2)) + f(epsilon))));
      F[at(wNext) + i] = f(((flags & 2) !== 0 ? f(weight * f(decay)) : weight) - step);
    }
  },
});
