/**
 * Sweeping: all tiles of a band in one kernel call for each arriving block.
 *
 *   block ─▶ panels of the band ─▶ sums, in place            same bits as fabric.ts, which hands sums from tile to tile
 *
 * The panels of a buffer lie one behind the other, [slab][feature][32], and a tile is a view (its features × its tokens) of
 * them; so a travelling sum needs no message inside a band. Not here: counting (host.ts), order of blocks (the coordinator).
 */
import { nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { bufferAt, nodeWidth, panelStride, type BandContext, type BandWorker } from './band.js';

export const sweepWorker = (context: BandContext): BandWorker => {
  const { program, arena, band, kernels: k, memory } = context;
  const slotAt = (slot: number): number => {
    const address = arena.weightSlots[slot];
    assert(address !== undefined, `weight slot ${slot} exists`);
    return address;
  };
  const featuresOf = (buffer: number): number => program.buffers[buffer]?.features ?? 0;

  return {
    forward(share, linear, block, slot) {
      const packed = slotAt(slot);
      const out = bufferAt(band, linear.y, block.first), stride = panelStride(program, linear.y);
      k.linear(out, stride, bufferAt(band, linear.x), panelStride(program, linear.x), packed, linear.inputs, block.count, share.slabs);
      if (linear.bias !== null) k.addBias(out, stride, packed + linear.inputs * block.count * 4, block.count, share.slabs);
    },

    delta(share, linear, block, slot) {
      assert(linear.dx !== null, 'a delta block has a place to go');
      const out = bufferAt(band, linear.dx, block.first);
      // dx may be a scratch buffer wider than this layer's inputs: its panels lie as far apart as the inputs need.
      const stride = linear.inputs * panelRowBytes;
      k.linear(out, stride, bufferAt(band, linear.y), panelStride(program, linear.y), slotAt(slot), linear.outputs, block.count, share.slabs);
    },

    gradient(share, linear, block, slot) {
      const width = nodeWidth(block.count, nodeAlign);
      const dst = band.gradients[slot];
      assert(dst !== undefined, `gradient slot ${slot} exists`);
      const dy = bufferAt(band, linear.y, block.first), stride = panelStride(program, linear.y);
      for (let p = 0; p < share.slabs; p++) k.turn(band.turned + p * slabTokens * width * 4, dy + p * stride, block.count);
      const rowBytes = width * 4;
      const nodeBytes = (linear.inputs + (linear.bias === null ? 0 : 1)) * rowBytes;
      k.gradient(dst, nodeBytes, band.stack, bufferAt(band, linear.x), panelStride(program, linear.x), band.turned, linear.inputs, width, share.slabs, share.firstSlab, share.lastTokens);
      if (linear.bias !== null) {
        k.gradient(dst + linear.inputs * rowBytes, nodeBytes, band.stack, arena.ones, 0, band.turned, 1, width, share.slabs, share.firstSlab, share.lastTokens);
      }
    },

    local(share, step) {
      switch (step.op) {
        case 'relu':
          k.relu(bufferAt(band, step.y), bufferAt(band, step.x), share.slabs * featuresOf(step.x) * slabTokens);
          return;
        case 'gelu':
          k.gelu(bufferAt(band, step.y), bufferAt(band, step.x), share.slabs * featuresOf(step.x) * slabTokens);
          return;
        case 'reluDelta':
          k.reluDelta(bufferAt(band, step.dst), bufferAt(band, step.d), bufferAt(band, step.y), share.slabs * featuresOf(step.y) * slabTokens);
          return;
        case 'geluDelta':
          k.geluDelta(bufferAt(band, step.dst), bufferAt(band, step.d), bufferAt(band, step.x), share.slabs * featuresOf(step.x) * slabTokens);
          return;
        case 'loss': {
          const [max, sum, chunk, xl, loss] = [0, 1, 2, 3, 4].map((row) => band.softmax + row * panelRowBytes) as [number, number, number, number, number];
          const factor = floats(memory, band.factor, 1)[0] as number;
          for (let p = 0; p < share.slabs; p++) {
            const x = bufferAt(band, step.x) + p * panelStride(program, step.x);
            const labels = band.labels + p * panelRowBytes;
            const tokens = p === share.slabs - 1 ? share.lastTokens : slabTokens;
            floats(memory, max, slabTokens).fill(-Infinity);
            k.clear(sum, 2 * panelRowBytes);
            k.softmaxMax(max, x, step.classes);
            gatherLabelled(floats(memory, xl, slabTokens), floats(memory, x, step.classes * slabTokens), words(memory, labels, slabTokens));
            k.softmaxExp(x, sum, chunk, x, max, 0, step.classes, step.classes);
            k.softmaxLoss(loss, sum, xl, max);
            k.softmaxDelta(x, x, sum, labels, factor, 0, step.classes, tokens);
            k.lossLeaf(arena.lossLeaves + (share.firstSlab + p) * 4, loss, labels, tokens);
          }
          return;
        }
        default:
          step satisfies never;
      }
    },
  };
};

/** xl[t] = the logit of token t's label, 0 where it is masked. */
const gatherLabelled = (xl: Float32Array, logits: Float32Array, labels: Int32Array): void => {
  for (let t = 0; t < slabTokens; t++) {
    const label = labels[t] as number;
    xl[t] = label < 0 ? 0 : (logits[label * slabTokens + t] as number);
  }
};
