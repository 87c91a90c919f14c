/** The additions of a reduce: follows merges in the order of the token tree. Shared by wafers (rows) and SwarmX nodes (wafers). */
import type { Kernels } from '../kernels/types.js';
import { nodeAddress, type BlockShape } from './gradient-nodes.js';
import type { BandPlan } from './layout.js';
import type { Merge } from './token-tree.js';

/** left = left + right for every merge. Returns the elements added. */
export const followMerges = (kernels: Kernels, bands: readonly BandPlan[], merges: readonly Merge[], slot: number, shape: BlockShape): number => {
  for (const { into, from } of merges) {
    const left = nodeAddress(bands, into, slot, shape);
    kernels.add(left, left, nodeAddress(bands, from, slot, shape), shape.floats);
  }
  return merges.length * shape.floats;
};
