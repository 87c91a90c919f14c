/**
 * Sweeping norms: LayerNorm and RMSNorm over the panels of a band, with their deltas and the leaves of their gradients (docs/numerics.md §10).
 *
 *   x ─▶ mean, 1/deviation kept ─▶ y          d, x ─▶ two sums ─▶ dx (+ what passes by)          d, x ─▶ one leaf a slab ─▶ token tree
 *
 * Not here: where gain and bias come from (memoryx/).
 */
import type { NormPlan } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes } from '../../kernels/types.js';
import { assert } from '../../util/errors.js';
import { leafOf } from '../token-tree.js';
import { slabsOfSample } from '../deal.js';
import { bufferAt, nodeWidth, panelStride, type BandContext, type BandWorker } from './band.js';
import { NodePile } from './pile.js';

export const sweepNorms = (context: BandContext): Pick<BandWorker, 'norm' | 'normGradient' | 'normDelta'> => {
  const { program, arena, band, batch, kernels: k } = context;
  const row = (number: number): number => band.rows + number * panelRowBytes;
  const gainAt = (slot: number): number => arena.weightSlots[slot] as number;
  const statsAt = (norm: NormPlan, p: number): number => bufferAt(band, norm.stats) + p * panelStride(program, norm.stats);
  const together = slabsOfSample(batch);

  return {
    norm(share, norm, slot) {
      const n = norm.inputs, bytes = n * panelRowBytes, gain = gainAt(slot), bias = norm.bias === null ? 0 : gain + n * 4;
      for (let p = 0; p < share.slabs; p++) {
        const x = bufferAt(band, norm.x) + p * bytes, mean = statsAt(norm, p), deviation = mean + panelRowBytes;
        k.clear(row(0), 2 * panelRowBytes);
        if (norm.centered) {
          k.featureSum(row(0), row(1), x, 0, n, n);
          k.divideRow(mean, row(0), n);
          k.clear(row(0), 2 * panelRowBytes);
        } else k.clear(mean, panelRowBytes);
        k.featureSquares(row(0), row(1), x, mean, 0, n, n);
        k.rootRow(deviation, row(0), n, norm.epsilon);
        k.normApply(bufferAt(band, norm.y) + p * bytes, x, mean, gain, bias, n);
      }
    },

    normDelta(share, norm, slot) {
      assert(norm.dx !== null, 'a norm delta has a place to go');
      const n = norm.inputs, bytes = n * panelRowBytes, gain = gainAt(slot);
      for (let p = 0; p < share.slabs; p++) {
        const at = p * bytes, stats = statsAt(norm, p), x = bufferAt(band, norm.x) + at, d = bufferAt(band, norm.dy) + at;
        k.clear(row(0), 4 * panelRowBytes);
        k.normDeltaSums(row(0), row(1), row(2), row(3), x, d, stats, gain, 0, n, n);
        if (norm.centered) k.divideRow(row(0), row(0), n);
        k.divideRow(row(2), row(2), n);
        k.normDelta(bufferAt(band, norm.dx) + at, x, d, stats, norm.centered ? row(0) : arena.zeros, row(2), gain, norm.skip === null ? 0 : bufferAt(band, norm.skip) + at, n);
      }
    },

    normGradient(share, norm, slot) {
      const n = norm.inputs, bytes = n * panelRowBytes, width = nodeWidth(n, nodeAlign);
      const nodeBytes = (norm.bias === null ? 1 : 2) * width * 4;
      const dst = band.gradients[slot];
      assert(dst !== undefined, `gradient slot ${slot} exists`);
      const pile = new NodePile(k, band.stack, nodeBytes, together);
      for (let p = 0; p < share.slabs; p++) {
        const leaf = pile.top;
        k.normLeaf(leaf, norm.bias === null ? 0 : leaf + width * 4, bufferAt(band, norm.x) + p * bytes, bufferAt(band, norm.dy) + p * bytes, statsAt(norm, p), n, share.tokensOf[p] ?? 0);
        pile.push([{ level: 0, index: leafOf(share.firstSlab + p, together), slot: 0 }]);
      }
      k.copy(dst, band.stack, pile.bytes);
    },
  };
};
