/**
 * The twins of RMSprop, Lion, Lamb and Adafactor, one parameter at a time (docs/numerics.md §6). Not here: the scalars (memoryx/), the sums of squares (squares.ts).
 */
import type { Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;
const root = (x: number): number => f(Math.sqrt(x));

type Adaptive = 'rmsProp' | 'lion' | 'lambDirection' | 'lambStep' | 'squaredMoment' | 'overRoot' | 'overFactors' | 'directedStep' | 'directedMomentumStep';

export const adaptiveOptimizerTwins = ({ floats: F }: View): Pick<Kernels, Adaptive> => ({
  rmsProp(wNext, w, g, v, a, b, count, lr, alpha, oneMinusAlpha, epsilon, momentum, weightDecay, flags) {
    const [decays, hasMomentum, isCentered] = [1, 2, 4].map((bit) => (flags & bit) !== 0);
    for (let i = 0; i < count; i++) {
      const weight = F[at(w) + i]!;
      const gradient = decays ? f(F[at(g) + i]! + f(f(weightDecay) * weight)) : F[at(g) + i]!;
      const square = f(f(f(alpha) * F[at(v) + i]!) + f(f(f(oneMinusAlpha) * gradient) * gradient));
      F[at(v) + i] = square;
      let variance = square;
      if (isCentered) {
        const mean = f(f(f(alpha) * F[at(a) + i]!) + f(f(oneMinusAlpha) * gradient));
        F[at(a) + i] = mean;
        variance = Math.max(f(square - f(mean * mean)), 0);
      }
      let direction = f(gradient / f(root(variance) + f(epsilon)));
      if (hasMomentum) {
        direction = f(f(f(momentum) * F[at(b) + i]!) + direction);
        F[at(b) + i] = direction;
      }
      F[at(wNext) + i] = f(weight - f(f(lr) * direction));
    }
  },

  lion(wNext, w, g, m, count, lr, beta1, oneMinusBeta1, beta2, oneMinusBeta2, decay) {
    for (let i = 0; i < count; i++) {
      const gradient = F[at(g) + i]!, old = F[at(m) + i]!;
      const mixed = f(f(f(beta1) * old) + f(f(oneMinusBeta1) * gradient));
      F[at(m) + i] = f(f(f(beta2) * old) + f(f(oneMinusBeta2) * gradient));
      const sign = mixed > 0 ? 1 : mixed < 0 ? -1 : mixed;
      F[at(wNext) + i] = f(f(F[at(w) + i]! * f(decay)) - f(f(lr) * sign));
    }
  },

  lambDirection(u, w, g, m, v, count, beta1, oneMinusBeta1, beta2, oneMinusBeta2, epsilon, kappa, rootBias2, weightDecay) {
    for (let i = 0; i < count; i++) {
      const gradient = F[at(g) + i]!;
      const first = f(f(f(beta1) * F[at(m) + i]!) + f(f(oneMinusBeta1) * gradient));
      const second = f(f(f(beta2) * F[at(v) + i]!) + f(f(f(oneMinusBeta2) * gradient) * gradient));
      F[at(m) + i] = first;
      F[at(v) + i] = second;
      F[at(u) + i] = f(f(f(kappa) * f(first / f(f(root(second) / f(rootBias2)) + f(epsilon)))) + f(f(weightDecay) * F[at(w) + i]!));
    }
  },

  lambStep(wNext, w, m, v, count, epsilon, kappa, rootBias2, weightDecay, factor) {
    for (let i = 0; i < count; i++) {
      const weight = F[at(w) + i]!;
      const direction = f(f(f(kappa) * f(F[at(m) + i]! / f(f(root(F[at(v) + i]!) / f(rootBias2)) + f(epsilon)))) + f(f(weightDecay) * weight));
      F[at(wNext) + i] = f(weight - f(f(factor) * direction));
    }
  },

  squaredMoment(v, g, count, beta, oneMinusBeta, epsilon) {
    for (let i = 0; i < count; i++) {
      const gradient = F[at(g) + i]!;
      F[at(v) + i] = f(f(f(beta) * F[at(v) + i]!) + f(f(oneMinusBeta) * f(f(gradient * gradient) + f(epsilon))));
    }
  },

  overRoot(u, g, v, count) {
    for (let i = 0; i < count; i++) F[at(u) + i] = f(F[at(g) + i]! / root(F[at(v) + i]!));
  },

  overFactors(u, g, r, c, first, cols, count, mean) {
    for (let i = 0; i < count; i++) {
      const row = Math.floor((first + i) / cols), col = (first + i) % cols;
      const factor = f(1 / root(f(F[at(r) + row]! / f(mean))));
      F[at(u) + i] = f(f(factor * F[at(c) + col]!) * F[at(g) + i]!);
    }
  },

  directedStep(wNext, w, u, count, factor, decay) {
    for (let i = 0; i < count; i++) F[at(wNext) + i] = f(f(F[at(w) + i]! * f(decay)) - f(f(factor) * F[at(u) + i]!));
  },

  directedMomentumStep(wNext, w, u, m, count, factor, decay, beta1, oneMinusBeta1) {
    for (let i = 0; i < count; i++) {
      const momentum = f(f(f(beta1) * F[at(m) + i]!) + f(f(oneMinusBeta1) * f(f(factor) * F[at(u) + i]!)));
      F[at(m) + i] = momentum;
      F[at(wNext) + i] = f(f(F[at(w) + i]! * f(decay)) - momentum);
    }
  },
});
