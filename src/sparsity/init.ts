/**
 * First masks: which positions are stored before the first step, where training does not start dense (docs/numerics.md §14).
 *
 *   random, topk, checkerboard   as many as the sparsity leaves in each group
 *   from_zeros                   what is not 0
 *   a function                   the user's own answer, checked
 *
 * Not here: whether training starts dense (plan.ts), what a mask must keep to (check.ts), later masks (algorithms.ts).
 */
import type { SparseParameter, SparsityGroup } from '../model/sparsity.js';
import { purposes } from '../util/prng.js';
import { largest } from './algorithms.js';
import { cellsOf, groupSize, maskOfCells, storedCount, type Cells } from './cells.js';
import { checkMask, type NamedSparseParameter } from './check.js';
import { magnitudeScores, randomScores } from './scores.js';

export type { NamedSparseParameter } from './check.js';

/** The mask of version 0, unless training starts dense. @throws InvalidConfig for a user's mask, or zeros, that do not keep to pattern and balance */
export const firstMask = (group: SparsityGroup, plan: NamedSparseParameter, weights: Float32Array, startSparsity: number, seed: number): Uint8Array => {
  const cells = cellsOf(plan), { init } = group;
  if (typeof init === 'function') return checkMask(plan, init({ name: plan.name, shape: plan.shape }, weights.slice()));
  switch (init) {
    case 'random':
      return largest(plan, cells, randomScores(cells, null, seed, purposes.maskInit, plan.parameter, 0), startSparsity);
    case 'topk':
      return largest(plan, cells, magnitudeScores(weights, cells), startSparsity);
    case 'from_zeros':
      return checkMask(plan, whereNotZero(plan, cells, weights));
    case 'checkerboard':
      return checkerboard(plan, cells, startSparsity);
  }
};

/** A block is stored if one of its weights is not 0; with N:M zeros fill up to n, the lower inputs first. */
const whereNotZero = (plan: SparseParameter, cells: Cells, weights: Float32Array): Uint8Array => {
  const scores = magnitudeScores(weights, cells);
  const chosen = maskOfCells(Uint8Array.from(scores, (score) => (score === 0 ? 0 : 1)), cells);
  if (typeof plan.pattern !== 'object') return chosen;
  const filled = largest(plan, cells, scores, 0);
  // Where more than n are not 0, the mask as it is shows where.
  return chosen.some((stored, i) => stored === 1 && filled[i] === 0) ? chosen : filled;
};

/**
 * Cell (row, column) of a group has the place r = row · columns + (column + row) mod columns and is stored if ⌊(r + 1) · k / cells⌋ > ⌊r · k / cells⌋: when k more each
 * place reach another whole number of cells. N:M: the same among the m inputs, turned by the output.
 */
const checkerboard = (plan: SparseParameter, cells: Cells, sparsity: number): Uint8Array => {
  const { pattern, inputs, outputs } = plan;
  if (typeof pattern === 'object') {
    const mask = new Uint8Array(inputs * outputs), { n, m } = pattern;
    for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) if (((((i + o) % m) + 1) * n) % m < n) mask[i * outputs + o] = 1;
    return mask;
  }
  const chosen = new Uint8Array(cells.rows * cells.columns);
  for (const group of cells.groups) {
    const size = groupSize(group), k = storedCount(sparsity, size), width = group.endColumn - group.firstColumn;
    let passed = 0;
    for (let row = 0; row < group.endRow - group.firstRow; row++) {
      for (let turned = 0; turned < width; turned++) {
        passed += k;
        if (passed < size) continue;
        passed -= size;
        chosen[(group.firstRow + row) * cells.columns + group.firstColumn + ((((turned - row) % width) + width) % width)] = 1;
      }
    }
  }
  return maskOfCells(chosen, cells);
};
