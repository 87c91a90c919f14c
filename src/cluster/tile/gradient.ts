/**
 * The gradient nodes of a block that a band sends, swept: sums over its slabs by the token tree (docs/numerics.md §1, §2).
 *
 *   x, dy of the block ─turned, group of slabs by group─▶ nodes of the group ─merged like a binary counter─▶ nodes in the gradient slot
 *
 * A group is a few aligned leaves whose turned panels stay in a core's cache while all rows of the block pass over them. Tied: rows of the node are the block's
 * outputs, each over all inputs. Not here: norms (sweep-norm.ts), tile by tile (fabric.ts).
 */
import type { BlockPlan, HeadPlan, LinearPlan } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import { assert } from '../../util/errors.js';
import { slabsOfSample } from '../deal.js';
import { groupsOf, slabGroup } from '../gradient-nodes.js';
import { leafOf, nodesOfRange } from '../token-tree.js';
import { bufferAt, nodeWidth, type BandContext, type Share } from './band.js';
import { NodePile } from './pile.js';

/** Forms the nodes of a group of slabs at `to`, one behind the other; returns how many bytes each takes. */
export const denseNodes = (context: BandContext, share: Share, plan: LinearPlan | HeadPlan, block: BlockPlan, dy: number, dyStride: number, to: number, p: number, slabs: number): number => {
  const { arena, band, batch, kernels: k } = context;
  const together = slabsOfSample(batch);
  const x = bufferAt(band, plan.x), stride = plan.inputs * panelRowBytes;
  const width = nodeWidth(plan.tied ? plan.inputs : block.count, nodeAlign), rowBytes = width * 4, panelBytes = slabTokens * rowBytes;
  const rows = plan.tied ? block.count : plan.inputs, hasBias = plan.bias !== null;
  const nodeBytes = (rows + (hasBias ? 1 : 0)) * rowBytes;
  const turned = band.turned + p * panelBytes, isEnd = p + slabs === share.slabs;
  // In samples of one token only the last slab of the share is short.
  const tree = [slabs, leafOf(share.firstSlab + p, together), share.slabsPerSample, share.slabsPerSample > 0 || isEnd ? share.lastTokens : slabTokens] as const;
  if (plan.tied) {
    // The turned activations serve all blocks of the layer, which follow each other.
    if (block.first === 0) for (let i = 0; i < slabs; i++) k.turn(turned + i * panelBytes, x + (p + i) * stride, plan.inputs);
    k.gradient(to, nodeBytes, band.stack, dy + p * dyStride, dyStride, turned, rows, width, ...tree);
    return nodeBytes;
  }
  for (let i = 0; i < slabs; i++) k.turn(turned + i * panelBytes, dy + (p + i) * dyStride, block.count);
  k.gradient(to, nodeBytes, band.stack, x + p * stride, stride, turned, rows, width, ...tree);
  if (hasBias) k.gradient(to + rows * rowBytes, nodeBytes, band.stack, arena.ones, 0, turned, 1, width, ...tree);
  return nodeBytes;
};

/** `dy`, `dyStride`: the block's own rows of the delta. */
export const gradientNodes = (context: BandContext, share: Share, plan: LinearPlan | HeadPlan, block: BlockPlan, dy: number, dyStride: number, slot: number): void => {
  const { arena, band, batch, kernels: k } = context;
  const dst = band.gradients[slot], apart = arena.nodes[band.thread];
  assert(dst !== undefined && apart !== undefined, `gradient slot ${slot} exists`);
  const together = slabsOfSample(batch), width = nodeWidth(plan.tied ? plan.inputs : block.count, nodeAlign);
  const nodeBytes = ((plan.tied ? block.count : plan.inputs) + (plan.bias === null ? 0 : 1)) * width * 4;
  const groups = groupsOf(share.firstSlab, share.slabs, together, slabGroup(width));
  if (groups.length === 1) {
    denseNodes(context, share, plan, block, dy, dyStride, dst, 0, share.slabs);
    return;
  }
  const pile = new NodePile(k, apart, nodeBytes, together);
  for (const { p, slabs } of groups) {
    denseNodes(context, share, plan, block, dy, dyStride, pile.top, p, slabs);
    pile.push(nodesOfRange(share.firstSlab + p, slabs, 0, together));
  }
  k.copy(dst, apart, pile.bytes);
};
