/** How many masks of a run ended other than they began. Not here: which they are (sparsity/). */
import { firstMasks, type RunResult } from '../../src/index.js';
import type { Training } from '../../src/testing/index.js';

export const maskChanges = ({ model, options: { sparsity, seed } }: Training, { masks }: RunResult): number => {
  if (sparsity === undefined) return 0;
  const first = firstMasks(model, undefined, sparsity, seed);
  return masks.filter(({ mask }, i) => mask.some((stored, at) => stored !== first[i]?.mask[at])).length;
};
