/**
 * Clipping by the global norm, of the oracle: the factor by which every gradient of a step is multiplied, with its bound.
 *
 *   norm = √Σ g² over all parameters;   factor = min(1, maxNorm / (norm + 1e-6))
 *
 * All terms are positive, so the sum errs by no more than a share of itself: one rounding for each addition on the longest path and one for the square.
 * Not here: the update that uses the factor (update.ts).
 */
import { type Bounded, bounded, growth, tiny, treeDepth, unit, type Values } from './bounded.js';

/** Positions of a leaf of sums over parameters (docs/numerics.md §6). */
const leafLength = 1024;

export interface ReferenceClip {
  /** One value each. */
  readonly norm: Bounded;
  readonly factor: Bounded;
}

/** Gradients in graph order, taken as exact; an infinite `maxNorm` clips nothing. */
export const referenceClip = (gradients: readonly Values[], maxNorm: number): ReferenceClip => {
  let total = 0, count = 0, longest = 0;
  for (const gradient of gradients) {
    for (const g of gradient) total += g * g;
    count += gradient.length;
    longest = Math.max(longest, Math.min(leafLength, gradient.length) + treeDepth(Math.ceil(gradient.length / leafLength)));
  }
  const additions = longest + gradients.length + 1;
  const totalError = (additions * unit * total + count * tiny) * growth(additions);
  const norm = bounded(1), factor = bounded(1);
  const root = Math.sqrt(total);
  const carried = totalError === 0 ? 0 : Math.min(Math.sqrt(totalError), totalError / root);
  const rootError = carried + unit * (root + carried);
  norm.value[0] = root;
  norm.bound[0] = rootError * growth(1);
  if (maxNorm === Infinity) {
    factor.value[0] = 1;
    return { norm, factor };
  }
  // The constants and the sum round once each, then the quotient.
  const divisor = root + 1e-6, divisorError = rootError + unit * 2e-6 + unit * (divisor + rootError);
  const ratio = maxNorm / divisor;
  const ratioError = (divisor > divisorError ? (ratio * divisorError + unit * maxNorm) / (divisor - divisorError) : Infinity) + unit * ratio + tiny;
  factor.value[0] = Math.min(1, ratio);
  factor.bound[0] = ratio - ratioError * growth(4) >= 1 ? 0 : ratioError * growth(4);
  return { norm, factor };
};
