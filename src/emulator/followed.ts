/**
 * The optimizer in plain fp32 after docs/numerics.md §6: weights and moments after a step, from a gradient to the bit.
 *
 * Follows the state of a run whose bits are at hand step by step. Not here: the later optimizers' lines (followed-adaptive.ts), the update of the cluster (cluster/memoryx/), the reference's with its bounds (reference/update.ts).
 */
import { learningRateOf, type Optimizer } from '../model/optimizer.js';
import type { FollowedState } from './followed-adaptive.js';
import { followedAdafactor, followedLamb, followedLion, followedRmsProp, power } from './followed-adaptive.js';

const f32 = Math.fround;

const at = (list: Float32Array | undefined, i: number): number => list?.[i] ?? 0;
/** State after step `step` (from 0) of a parameter of that shape, whose own optimizer it is; `clip` is the factor on the gradient, `updates` were made before. */
export const followedUpdate = (optimizer: Optimizer, step: number, before: FollowedState, gradient: Float32Array, clip: number, shape: readonly number[], updates = step): FollowedState => {
  const { weight } = before, rate = learningRateOf(optimizer, step, updates), lambda = f32(optimizer.weightDecay);
  const clipped = clip === 1 ? gradient : gradient.map((value) => f32(value * clip));
  switch (optimizer.kind) {
    case 'lamb':
      return followedLamb({ ...optimizer, kind: optimizer.kind }, rate, updates, before, clipped);
    case 'lion':
      return followedLion(optimizer, rate, before, clipped);
    case 'adafactor':
      return followedAdafactor(optimizer, rate, updates, before, clipped, shape);
    default:
  }
  const isCoupled = optimizer.kind !== 'adamW' && optimizer.weightDecay !== 0;
  const g = isCoupled ? clipped.map((value, i) => f32(value + f32(lambda * at(weight, i)))) : clipped;
  if (optimizer.kind === 'rmsProp') return followedRmsProp(optimizer, rate, before, g);
  if (optimizer.kind === 'sgd') {
    const lr = f32(rate), momentum = f32(optimizer.momentum), rest = f32(1 - optimizer.dampening);
    if (optimizer.momentum === 0) return { weight: weight.map((w, i) => f32(w - f32(lr * at(g, i)))), moments: [] };
    const v = updates === 0 ? g.slice() : g.map((value, i) => f32(f32(momentum * at(before.moments[0], i)) + f32(rest * value)));
    const direction = optimizer.nesterov ? g.map((value, i) => f32(value + f32(momentum * at(v, i)))) : v;
    return { weight: weight.map((w, i) => f32(w - f32(lr * at(direction, i)))), moments: [v] };
  }
  const [b1, rest1, b2, rest2] = [optimizer.beta1, 1 - optimizer.beta1, optimizer.beta2, 1 - optimizer.beta2].map(f32) as [number, number, number, number];
  const stepSize = f32(rate / (1 - power(optimizer.beta1, updates + 1))), root = f32(Math.sqrt(1 - power(optimizer.beta2, updates + 1))), epsilon = f32(optimizer.epsilon), decay = f32(1 - rate * optimizer.weightDecay);
  const m = g.map((value, i) => f32(f32(b1 * at(before.moments[0], i)) + f32(rest1 * value)));
  const v = g.map((value, i) => f32(f32(b2 * at(before.moments[1], i)) + f32(f32(rest2 * value) * value)));
  const next = weight.map((w, i) => f32((optimizer.kind === 'adamW' ? f32(w * decay) : w) - f32(stepSize * f32(at(m, i) / f32(f32(f32(Math.sqrt(at(v, i))) / root) + epsilon)))));
  return { weight: next, moments: [m, v] };
};
