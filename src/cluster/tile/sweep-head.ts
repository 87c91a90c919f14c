/**
 * Sweeping a streamed head: the last linear layer and the loss over one block of classes after the other (docs/numerics.md §2, §4).
 *
 *   block ─▶ its logits ─▶ maxima  ·  again ─▶ exponentials' sum, at the end the losses  ·  again ─▶ delta of the block ─▶ dx, gradient nodes
 *
 * The logits of a block are the same bits each time, so nothing of them needs to be kept. Not here: the loss over logits that are held (sweep.ts).
 */
import type { BlockPlan, HeadPlan } from '../../compiler/program.js';
import { panelRowBytes, roundKinds, slabTokens } from '../../kernels/types.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { bufferAt, panelStride, type BandContext, type Share } from './band.js';
import { gradientNodes } from './gradient.js';

export interface HeadWorker {
  headMax(share: Share, head: HeadPlan, block: BlockPlan, slot: number): void;
  headSum(share: Share, head: HeadPlan, block: BlockPlan, slot: number): void;
  headDelta(share: Share, head: HeadPlan, block: BlockPlan, slot: number, gradientSlot: number): void;
}

export const sweepHead = (context: BandContext): HeadWorker => {
  const { program, arena, band, kernels: k, memory } = context, { activations } = program.numbers;
  const row = (number: number): number => band.rows + number * panelRowBytes;
  const logitsOf = (share: Share, head: HeadPlan, block: BlockPlan, slot: number): number => {
    const packed = arena.weightSlots[slot], y = bufferAt(band, head.y), stride = panelStride(program, head.y);
    assert(packed !== undefined, `weight slot ${slot} exists`);
    k.linear(y, stride, bufferAt(band, head.x), head.inputs * panelRowBytes, packed, head.inputs, block.count, share.slabs);
    if (head.bias !== null) k.addBias(y, stride, packed + head.inputs * block.count * 4, block.count, share.slabs);
    return packed;
  };
  /** For each slab: its logits, and its rows of maximum, sum, chunk and label's logit. */
  const eachSlab = (share: Share, head: HeadPlan, visit: (p: number, logits: number, rows: { readonly max: number; readonly sum: number; readonly chunk: number; readonly label: number }) => void): void => {
    for (let p = 0; p < share.slabs; p++) {
      const max = bufferAt(band, head.stats) + p * panelStride(program, head.stats);
      visit(p, bufferAt(band, head.y) + p * panelStride(program, head.y), { max, sum: max + panelRowBytes, chunk: max + 2 * panelRowBytes, label: max + 3 * panelRowBytes });
    }
  };
  const labelsOf = (p: number): number => band.labels + p * panelRowBytes;

  return {
    headMax(share, head, block, slot) {
      logitsOf(share, head, block, slot);
      eachSlab(share, head, (p, logits, { max, label }) => {
        const own = floats(memory, label, slabTokens), labels = words(memory, labelsOf(p), slabTokens);
        if (block.first === 0) {
          floats(memory, max, slabTokens).fill(-Infinity);
          own.fill(0);
        }
        k.softmaxMax(max, logits, block.count);
        const values = floats(memory, logits, block.count * slabTokens);
        for (let t = 0; t < slabTokens; t++) {
          const at = (labels[t] as number) - block.first;
          if (at >= 0 && at < block.count) own[t] = values[at * slabTokens + t] as number;
        }
      });
    },

    headSum(share, head, block, slot) {
      logitsOf(share, head, block, slot);
      eachSlab(share, head, (p, logits, { max, sum, chunk, label }) => {
        if (block.first === 0) k.clear(sum, 2 * panelRowBytes);
        k.softmaxExp(logits, sum, chunk, logits, max, block.first, block.count, head.outputs);
        if (block.first + block.count < head.outputs) return;
        k.softmaxLoss(row(0), sum, label, max);
        k.lossLeaf(arena.lossLeaves + (share.firstSlab + p) * 4, row(0), labelsOf(p), share.tokensOf[p] ?? 0);
      });
    },

    headDelta(share, head, block, slot, gradientSlot) {
      const packed = logitsOf(share, head, block, slot);
      const factor = floats(memory, band.factor, 1)[0] as number;
      const turned = packed + (head.inputs + (head.bias === null ? 0 : 1)) * block.count * 4;
      const panel = head.inputs * panelRowBytes, stride = panelStride(program, head.y);
      eachSlab(share, head, (p, logits, { max, sum }) => {
        // Only the exponentials are wanted: their sum is known, and runs on in rows that nobody reads.
        k.softmaxExp(logits, row(1), row(2), logits, max, block.first, block.count, head.outputs);
        k.softmaxDelta(logits, logits, sum, labelsOf(p), factor, block.first, block.count, share.tokensOf[p] ?? 0);
        if (activations !== 'float32') k.roundTo(logits, block.count * slabTokens, roundKinds[activations]);
        if (head.dx === null) return;
        const dx = bufferAt(band, head.dx) + p * panel;
        k.linear(block.first === 0 ? dx : band.partial, panel, logits, stride, turned, block.count, head.inputs, 1);
        if (block.first > 0) k.add(dx, dx, band.partial, head.inputs * slabTokens);
      });
      gradientNodes(context, share, head, block, bufferAt(band, head.y), stride, gradientSlot);
    },
  };
};
