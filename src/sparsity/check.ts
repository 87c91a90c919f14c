/**
 * Whether a mask from outside (a user's function, zeros, a file) keeps to what its parameter asks for: length, 0 and 1, pattern, balance.
 *
 * Not here: names and shapes of masks in files (formats/), masks that the algorithms make, which keep to it by themselves.
 */
import type { SparseParameter } from '../model/sparsity.js';
import { InvalidConfig } from '../util/errors.js';
import { cellsOf, storedIn } from './cells.js';

/** A sparse parameter with what a user's function is told of it. */
export type NamedSparseParameter = SparseParameter & { readonly name: string; readonly shape: readonly number[] };

/** A copy of a mask that keeps to everything. @throws InvalidConfig that says where it does not */
export const checkMask = (plan: NamedSparseParameter, answer: Uint8Array): Uint8Array => {
  const { name, inputs, outputs, pattern, balance } = plan, cells = cellsOf(plan);
  const refuse = (what: string, value: unknown, limit: unknown): InvalidConfig => new InvalidConfig({ what: `mask of ${name}: ${what}`, value, limit });
  if (!(answer instanceof Uint8Array)) throw refuse('its type', typeof answer, 'a Uint8Array');
  const mask = Uint8Array.from(answer);
  if (mask.length !== inputs * outputs) throw refuse('positions', mask.length, inputs * outputs);
  const odd = mask.findIndex((stored) => stored > 1);
  if (odd >= 0) throw refuse(`position ${odd}`, mask[odd], '0 or 1');
  if (pattern === 'blocks') {
    const broken = mask.findIndex((stored, i) => stored !== mask[i - (i % 4)]);
    if (broken >= 0) throw refuse(`position ${broken} is ${mask[broken] === 1 ? 'stored' : 'absent'}`, mask[broken], 'the same for four consecutive outputs');
  } else if (pattern !== 'unstructured') {
    for (let first = 0; first < inputs; first += pattern.m) {
      for (let o = 0; o < outputs; o++) {
        let stored = 0;
        for (let i = first; i < first + pattern.m; i++) stored += mask[i * outputs + o] as number;
        if (stored !== pattern.n) throw refuse(`stored positions of output ${o} among inputs ${first} to ${first + pattern.m - 1}`, stored, pattern.n);
      }
    }
  }
  if (balance !== null) {
    const counts = cells.groups.map((group) => storedIn(mask, outputs, { ...group, firstColumn: group.firstColumn * cells.lanes, endColumn: group.endColumn * cells.lanes }));
    const other = counts.findIndex((count) => count !== counts[0]);
    if (other >= 0) throw refuse(`stored positions in group ${other} of ${balance.axis}`, counts[other], `${counts[0]}, as in group 0`);
  }
  return mask;
};
