/**
 * Norms tile by tile: sums over features travel along the row, twice, then every tile norms its own features (docs/numerics.md §10).
 *
 *   row: mean ─▶ 1/deviation ─▶ y          row: two sums ─▶ dx          column: one leaf a slab, from row to row
 *
 * The last column divides and roots what arrives there. Not here: a tile's turn (tile-norm.ts), the same for a whole band at once (sweep-norm.ts).
 */
import type { NormPlan } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes } from '../../kernels/types.js';
import { assert } from '../../util/errors.js';
import { nodeWidth, type BandWorker } from './band.js';
import type { Piece } from './doors.js';
import type { Fabric } from './fabric-row.js';

export const fabricNorms = (fabric: Fabric): Pick<BandWorker, 'norm' | 'normGradient' | 'normDelta'> => {
  const { context: { arena, kernels: k }, buffers: { rows }, travel, everyPiece } = fabric;
  const [sum, , second] = rows as [number, number, number];
  const chunk = sum + panelRowBytes, stats = rows[4] as number, deviation = stats + panelRowBytes;
  const gainAt = (slot: number): number => arena.weightSlots[slot] as number;
  /** Mean and 1/deviation come from the columns that keep them. */
  const statistics = (norm: NormPlan, piece: Piece): void => {
    k.clear(stats, 2 * panelRowBytes);
    travel({ type: 'multicast', piece, x: norm.stats, first: 0, m: 2, block: stats });
  };

  return {
    norm(share, norm, slot) {
      const { x, y, inputs: all } = norm, gain = gainAt(slot);
      for (const piece of everyPiece(share)) {
        k.clear(stats, 2 * panelRowBytes);
        k.clear(sum, 2 * panelRowBytes);
        if (norm.centered) {
          travel({ type: 'featureSum', piece, x, sum, chunk, all });
          k.divideRow(stats, sum, all);
          k.clear(sum, 2 * panelRowBytes);
        }
        travel({ type: 'featureSquares', piece, x, mean: stats, sum, chunk, all });
        k.rootRow(deviation, sum, all, norm.epsilon);
        travel({ type: 'keep', piece, out: norm.stats, first: 0, m: 2, sum: stats, bias: -1 });
        travel({ type: 'normApply', piece, x, y, stats, gain, bias: norm.bias === null ? 0 : gain + all * 4 });
      }
    },

    normDelta(share, norm, slot) {
      const { x, dy: d, dx, skip, inputs: all } = norm, gain = gainAt(slot);
      assert(dx !== null, 'a norm delta has a place to go');
      fabric.layOut(all, x, d, dx, skip);
      for (const piece of everyPiece(share)) {
        statistics(norm, piece);
        k.clear(sum, 4 * panelRowBytes);
        travel({ type: 'normDeltaSums', piece, x, d, stats, gain, sums: sum, all });
        if (norm.centered) k.divideRow(sum, sum, all);
        k.divideRow(second, second, all);
        travel({ type: 'normDelta', piece, x, d, skip, to: dx, stats, a: norm.centered ? sum : arena.zeros, b: second, gain });
      }
    },

    normGradient(share, norm, slot) {
      const { x, dy: d, bias } = norm, width = nodeWidth(norm.inputs, nodeAlign);
      fabric.layOut(norm.inputs, x, d);
      fabric.formNodes(share, slot, (bias === null ? 1 : 2) * width, (piece, leaf) => {
        statistics(norm, piece);
        travel({ type: 'normLeaf', piece, x, d, stats, gainLeaf: leaf, biasLeaf: bias === null ? 0 : leaf + width * 4 });
      });
    },
  };
};
