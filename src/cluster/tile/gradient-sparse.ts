/**
 * The gradient nodes of a sparse block, swept: sums over the slabs of a band at the stored positions alone, in the order in which they stream.
 *
 *   four slabs of x and dy ─quad─▶ tokens of all four side by side ─gradientStored─▶ four leaves at once, or their node ─pile─▶ nodes in the gradient slot
 *
 * The four lanes of a vector are four leaves, so each is summed in its own order; where a group of four leaves is whole, its node is formed at once. Where most positions are
 * stored, nodes are formed at every position and the stored ones taken from them: an element's sum does not depend on its neighbours.
 * Not here: dense gradients (gradient.ts), norms.
 */
import type { BlockPlan, LinearPlan, Program } from '../../compiler/program.js';
import { panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats, halves, words } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { slabsOfSample } from '../deal.js';
import { groupsOf, quadSlabs, slabGroup, storedNode, widestBlock } from '../gradient-nodes.js';
import type { QuadPlan } from '../layout.js';
import { readSparseBlock, type SparseBlock } from '../sparse-block.js';
import { leafOf, nodesOfRange, type TreeNode } from '../token-tree.js';
import { bufferAt, type BandContext, type Share } from './band.js';
import { denseNodes } from './gradient.js';
import { NodePile } from './pile.js';

/** A bias is a weight from one feature that is always 1: its structure, and that feature. */
export const prepareQuads = (memory: WebAssembly.Memory, room: QuadPlan, program: Program): void => {
  const results = widestBlock(program), starts = words(memory, room.everyStart, results + 1);
  floats(memory, room.ones, quadSlabs * slabTokens).fill(1);
  halves(memory, room.noIndices, results).fill(0);
  for (let i = 0; i <= results; i++) starts[i] = i;
};

/** `positions`: address of the block that says which positions are stored. */
export const sparseGradientNodes = (context: BandContext, share: Share, plan: LinearPlan, run: BlockPlan, positions: number, slot: number): void => {
  const { arena, band, batch, kernels: k, memory } = context;
  const dst = band.gradients[slot], apart = arena.nodes[band.thread], room = arena.quads[band.thread];
  assert(dst !== undefined && apart !== undefined && room !== undefined, `gradient slot ${slot} exists`);
  const together = slabsOfSample(batch), block = readSparseBlock(memory, positions, { n: plan.inputs, m: run.count, values: false, bias: false });
  const { biasAt, width, floats: nodeFloats } = storedNode(plan, run, block.stored), nodeBytes = nodeFloats * 4;
  const pile = new NodePile(k, apart, nodeBytes, together);
  const form = block.dense ? formDense : formStored;
  for (const { p, slabs } of groupsOf(share.firstSlab, share.slabs, together, block.dense ? slabGroup(width) : quadSlabs)) pile.push(form(pile.top, p, slabs));
  k.copy(dst, apart, pile.bytes);

  /** Forms the leaves of up to four slabs, or their node, at `to`. */
  function formStored(to: number, p: number, slabs: number): readonly TreeNode[] {
    assert(slabs <= quadSlabs && room !== undefined, 'a group of leaves is a quad at most');
    const x = bufferAt(band, plan.x), stride = plan.inputs * panelRowBytes, dy = bufferAt(band, plan.dy, run.first), dyStride = plan.outputs * panelRowBytes;
    k.quad(room.x, x + p * stride, stride, plan.inputs, slabs);
    k.quad(room.dy, dy + p * dyStride, dyStride, run.count, slabs);
    const firstLeaf = leafOf(share.firstSlab + p, together);
    const isWhole = slabs === quadSlabs && firstLeaf % quadSlabs === 0 && leafOf(share.firstSlab + p + slabs - 1, together) === firstLeaf + slabs - 1;
    let tokens = 0;
    for (let s = 0; s < slabs; s++) tokens |= (share.tokensOf[p + s] ?? 0) << (8 * s);
    const merged = isWhole ? 1 : 0;
    (block.lanes === 4 ? k.gradientFourRow : k.gradientStored)(to, nodeBytes, room.x, room.dy, block.indicesAt, block.startsAt, plan.inputs, run.count, tokens, slabs, merged);
    if (plan.bias !== null) k.gradientStored(to + biasAt, nodeBytes, room.ones, room.dy, room.noIndices, room.everyStart, 1, run.count, tokens, slabs, merged);
    if (isWhole) return [{ level: 2, index: firstLeaf / quadSlabs, slot: 0 }];
    return Array.from({ length: slabs }, (_, s) => ({ level: 0, index: leafOf(share.firstSlab + p + s, together), slot: s }));
  }

  /** Forms the nodes of a group of slabs at every position, and takes the stored ones. */
  function formDense(to: number, p: number, slabs: number): readonly TreeNode[] {
    assert(room !== undefined, 'there is room for dense nodes');
    const nodes = nodesOfRange(share.firstSlab + p, slabs, 0, together);
    const denseBytes = denseNodes(context, share, plan, run, bufferAt(band, plan.dy, run.first), plan.outputs * panelRowBytes, room.dense, p, slabs);
    nodes.forEach((_, i) => take(block, room.dense + i * denseBytes, to + i * nodeBytes));
    return nodes;
  }

  function take({ indicesAt, startsAt, n, m, lanes }: SparseBlock, from: number, to: number): void {
    k.gatherNode(to, from, width, indicesAt, startsAt, n, m, lanes);
    if (plan.bias !== null) k.copy(to + biasAt, from + plan.inputs * width * 4, width * 4);
  }
};
