/**
 * Sweeping: all tiles of a band in one kernel call for each arriving block.
 *
 *   block ─▶ panels of the band ─▶ sums, in place            same bits as fabric.ts, which hands sums from tile to tile
 *
 * The panels of a buffer lie one behind the other, [slab][feature][32], and a tile is a view (its features × its tokens) of
 * them; so a travelling sum needs no message inside a band. Not here: counting (host.ts), order of blocks (the coordinator).
 */
import { panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import type { BlockPlan } from '../../compiler/program.js';
import { bufferAt, panelStride, type BandContext, type BandWorker, type Share } from './band.js';
import { gradientNodes } from './gradient.js';
import { sparseGradientNodes } from './gradient-sparse.js';
import { dropoutKeys, elementwise, firstTokenOf, placeOf } from './locals.js';
import { sweepNorms } from './sweep-norm.js';
import { liveSweep } from './sweep-live.js';
import { sparseSweep, type Panels } from './sweep-sparse.js';

export const sweepWorker = (context: BandContext): BandWorker => {
  const { program, arena, band, batch, seed, kernels: k, memory } = context;
  const slotAt = (slot: number): number => {
    const address = arena.weightSlots[slot];
    assert(address !== undefined, `weight slot ${slot} exists`);
    return address;
  };
  const featuresOf = (layer: number): number => program.model.layers[layer]?.features ?? 0;
  const rotaryOf = new Map(arena.rotary.map((tables) => [tables.layer, tables]));

  const sparse = sparseSweep(context), live = liveSweep(context);
  /** A dense product; `zeros`: a ReLU may have left features that are zero for a whole slab. */
  const product = (zeros: boolean, share: Share, block: BlockPlan, packed: number, n: number, out: Panels, inp: Panels): void => {
    if (zeros) live.product(share, block, packed, n, out, inp);
    else k.linear(out.address, out.stride, inp.address, inp.stride, packed, n, block.count, share.slabs);
  };

  return {
    ...sweepNorms(context),

    forward(share, linear, block, slot) {
      const packed = slotAt(slot);
      const out = bufferAt(band, linear.y, block.first), stride = panelStride(program, linear.y);
      if (context.isSparse(linear)) {
        const { biasAt } = sparse.product(share, block, packed, { n: linear.inputs, bias: linear.bias !== null }, { address: out, stride }, { address: bufferAt(band, linear.x), stride: panelStride(program, linear.x) });
        if (linear.bias !== null) k.addBias(out, stride, biasAt, block.count, share.slabs);
        return;
      }
      product(linear.zeroInputs, share, block, packed, linear.inputs, { address: out, stride }, { address: bufferAt(band, linear.x), stride: panelStride(program, linear.x) });
      if (linear.bias !== null) k.addBias(out, stride, packed + linear.inputs * block.count * 4, block.count, share.slabs);
    },

    delta(share, linear, block, slot) {
      assert(linear.dx !== null, 'a delta block has a place to go');
      const out = bufferAt(band, linear.dx, block.first);
      // dx and dy may be a scratch buffer wider than this layer: its panels lie as far apart as the layer needs.
      if (context.isSparse(linear)) {
        sparse.product(share, block, slotAt(slot), { n: linear.outputs, bias: false }, { address: out, stride: linear.inputs * panelRowBytes }, { address: bufferAt(band, linear.dy), stride: linear.outputs * panelRowBytes });
        return;
      }
      product(linear.zeroDeltas, share, block, slotAt(slot), linear.outputs, { address: out, stride: linear.inputs * panelRowBytes }, { address: bufferAt(band, linear.dy), stride: linear.outputs * panelRowBytes });
    },

    gradient(share, linear, block, slot, positions) {
      if (positions >= 0) {
        sparseGradientNodes(context, share, linear, block, slotAt(positions), slot);
        return;
      }
      gradientNodes(context, share, linear, block, bufferAt(band, linear.dy, block.first), linear.outputs * panelRowBytes, slot);
    },

    local(share, step) {
      const features = featuresOf(step.layer);
      switch (step.op) {
        case 'relu':
        case 'gelu':
        case 'add':
        case 'reluDelta':
        case 'geluDelta':
        case 'round':
          elementwise(k, step, (buffer) => bufferAt(band, buffer), share.slabs * features * slabTokens);
          return;
        case 'swiglu':
        case 'swigluDelta': {
          const half = features * panelRowBytes;
          for (let p = 0; p < share.slabs; p++) {
            const gate = bufferAt(band, step.x) + 2 * p * half;
            if (step.op === 'swiglu') k.swiglu(bufferAt(band, step.y) + p * half, gate, gate + half, features * slabTokens);
            else {
              const dst = bufferAt(band, step.dst) + 2 * p * half;
              k.swigluDelta(dst, dst + half, bufferAt(band, step.d) + p * half, gate, gate + half, features * slabTokens);
            }
          }
          return;
        }
        case 'dropout': {
          if (share.evaluate) {
            if (step.x !== step.y) k.copy(bufferAt(band, step.y), bufferAt(band, step.x), share.slabs * features * panelRowBytes);
            return;
          }
          const { key0, key1, threshold, scale } = dropoutKeys(seed, share.step, step);
          for (let p = 0; p < share.slabs; p++) {
            const at = p * features * panelRowBytes;
            k.dropout(bufferAt(band, step.y) + at, bufferAt(band, step.x) + at, features, 0, firstTokenOf(batch, share.firstSlab + p), key0, key1, threshold, scale);
          }
          return;
        }
        case 'rotary': {
          const tables = rotaryOf.get(step.layer);
          assert(tables !== undefined, 'rotary positions have their angles');
          for (let p = 0; p < share.slabs; p++) {
            const at = placeOf(batch, share.firstSlab + p) * step.headSize * 2;
            k.rotary(bufferAt(band, step.x) + p * features * panelRowBytes, step.heads + step.kvHeads, step.headSize, tables.cos + at, tables.sin + at, step.direction);
          }
          return;
        }
        case 'loss': {
          const [max, sum, chunk, xl, loss] = [0, 1, 2, 3, 4].map((row) => band.rows + row * panelRowBytes) as [number, number, number, number, number];
          const factor = floats(memory, band.factor, 1)[0] as number;
          for (let p = 0; p < share.slabs; p++) {
            const x = bufferAt(band, step.x) + p * panelStride(program, step.x);
            const labels = band.labels + p * panelRowBytes;
            const tokens = share.tokensOf[p] ?? 0;
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
