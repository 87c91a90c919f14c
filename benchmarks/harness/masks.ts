/** Masks that every side of a benchmark makes for itself, from the mixed numbers of data.ts: nothing is sent between processes. Not here: the project's own masks (src/sparsity). */
import { chooseNOfM } from '../../src/sparsity/n-of-m.js';
import type { MaskPattern } from '../../src/model/sparsity.js';
import { mixedAt } from './data.js';

/** Salt of masks. */
export const maskSalt = 77;

/** Whether cell i is stored: a draw for each cell, so that the share of stored ones is 1 − sparsity but for chance. */
export const isStored = (i: number, sparsity: number): boolean => mixedAt(i, maskSalt, 1) + 0.5 >= sparsity;

/** 1 for every stored position, by dense index. N:M ignores the sparsity. */
export const madeMask = (inputs: number, outputs: number, pattern: MaskPattern, sparsity: number): Uint8Array => {
  const size = inputs * outputs;
  if (typeof pattern === 'object') return chooseNOfM(Uint32Array.from({ length: size }, (_, i) => Math.floor((mixedAt(i, maskSalt, 1) + 0.5) * 2 ** 24)), inputs, outputs, pattern);
  const cell = pattern === 'blocks' ? 4 : 1;
  return Uint8Array.from({ length: size }, (_, i) => (isStored(Math.floor(i / cell), sparsity) ? 1 : 0));
};
