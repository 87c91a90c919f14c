/**
 * The algorithms that change a mask: what of a weight is stored from a version on (docs/numerics.md §14).
 *
 *   gmp         the largest |w|, as many as the sparsity of the version leaves
 *   set, rigl   drop the smallest stored |w|, then grow absent ones up to the same number: drawn at random (set), or by the largest |dense gradient| (rigl)
 *
 * A grown position holds 0. Not here: first masks (init.ts), at which versions and with what numbers (plan.ts), skipping an update whose gradients are not finite.
 */
import type { MaskUpdate, SparseParameter } from '../model/sparsity.js';
import { assert } from '../util/errors.js';
import { purposes } from '../util/prng.js';
import { cellMask, cellsOf, groupSize, maskOfCells, share, storedCount, storedIn, type Cells } from './cells.js';
import { chooseNOfM } from './n-of-m.js';
import { magnitudeScores, randomScores } from './scores.js';
import { chooseTop } from './select.js';

/** What an update reads, by dense index. */
export interface MaskState {
  readonly mask: Uint8Array;
  /** 0 where absent. */
  readonly weights: Float32Array;
  /** Gradients of all positions; rigl alone reads them. */
  readonly gradient: Float32Array | null;
}

/** The mask from version `update.version` on; the old one stays as it is. */
export const nextMask = (plan: SparseParameter, update: MaskUpdate, state: MaskState, seed: number): Uint8Array => {
  const cells = cellsOf(plan);
  switch (plan.algorithm) {
    case 'static':
      return state.mask.slice();
    case 'gmp':
      return largest(plan, cells, magnitudeScores(state.weights, cells), update.sparsity);
    case 'set':
    case 'rigl':
      return dropAndGrow(plan, cells, update, state, seed);
  }
};

/** The cells of highest score, as many as a sparsity leaves in each group; N:M by its own rule. */
export const largest = (plan: SparseParameter, cells: Cells, scores: Uint32Array, sparsity: number): Uint8Array => {
  if (typeof plan.pattern === 'object') return chooseNOfM(scores, plan.inputs, plan.outputs, plan.pattern);
  const chosen = new Uint8Array(scores.length);
  for (const group of cells.groups) chooseTop(scores, cells.columns, group, null, 0, storedCount(sparsity, groupSize(group)), chosen);
  return maskOfCells(chosen, cells);
};

const dropAndGrow = (plan: SparseParameter, cells: Cells, { version, sparsity, dropFraction }: MaskUpdate, { mask, weights, gradient }: MaskState, seed: number): Uint8Array => {
  const before = cellMask(mask, cells), { columns, groups } = cells;
  const stored = groups.reduce((sum, group) => sum + storedIn(before, columns, group), 0), keep = share(dropFraction, stored / groups.length);
  const kept = new Uint8Array(before.length), magnitudes = magnitudeScores(weights, cells);
  for (const group of groups) chooseTop(magnitudes, columns, group, before, 1, keep, kept);
  assert(plan.algorithm !== 'rigl' || gradient !== null, 'rigl has the gradients of all positions');
  const grow = gradient !== null && plan.algorithm === 'rigl' ? magnitudeScores(gradient, cells) : randomScores(cells, kept, seed, purposes.maskGrow, plan.parameter, version);
  for (const group of groups) chooseTop(grow, columns, group, kept, 0, storedCount(sparsity, groupSize(group)) - storedIn(kept, columns, group), kept);
  return maskOfCells(kept, cells);
};
