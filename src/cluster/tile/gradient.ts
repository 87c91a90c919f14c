/**
 * The gradient nodes of a block that a band sends, swept: sums over its slabs by the token tree (docs/numerics.md §1, §2).
 *
 *   x, dy of the block ─turned─▶ nodes in the gradient slot            tied: rows of the node are the block's outputs, each over all inputs
 *
 * Not here: norms (sweep-norm.ts), tile by tile (fabric.ts).
 */
import type { BlockPlan, HeadPlan, LinearPlan } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import { assert } from '../../util/errors.js';
import { bufferAt, nodeWidth, type BandContext, type Share } from './band.js';

/** `dy`, `dyStride`: the block's own rows of the delta. */
export const gradientNodes = (context: BandContext, share: Share, plan: LinearPlan | HeadPlan, block: BlockPlan, dy: number, dyStride: number, slot: number): void => {
  const { arena, band, kernels: k } = context;
  const dst = band.gradients[slot];
  assert(dst !== undefined, `gradient slot ${slot} exists`);
  const x = bufferAt(band, plan.x), stride = plan.inputs * panelRowBytes;
  const width = nodeWidth(plan.tied ? plan.inputs : block.count, nodeAlign), rowBytes = width * 4;
  const tree = [share.slabs, share.firstLeaf, share.slabsPerSample, share.lastTokens] as const;
  const turn = (from: number, fromStride: number, features: number): void => {
    for (let p = 0; p < share.slabs; p++) k.turn(band.turned + p * slabTokens * rowBytes, from + p * fromStride, features);
  };
  if (plan.tied) {
    // The turned activations serve all blocks of the layer, which follow each other.
    if (block.first === 0) turn(x, stride, plan.inputs);
    k.gradient(dst, block.count * rowBytes, band.stack, dy, dyStride, band.turned, block.count, width, ...tree);
    return;
  }
  turn(dy, dyStride, block.count);
  const nodeBytes = (plan.inputs + (plan.bias === null ? 0 : 1)) * rowBytes;
  k.gradient(dst, nodeBytes, band.stack, x, stride, band.turned, plan.inputs, width, ...tree);
  if (plan.bias !== null) k.gradient(dst + plan.inputs * rowBytes, nodeBytes, band.stack, arena.ones, 0, band.turned, 1, width, ...tree);
};
