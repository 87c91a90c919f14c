/**
 * The fabric of a band: what its rows of tiles do for each pass, every tile working for itself.
 *
 *   along the rows: travelling sums, multicasts (fabric-row.ts)            down the columns: leaves of the gradient, losses
 *
 * Slower than sweep.ts by far and equal to it in every bit: it shows that nothing but messages joins two tiles, and is the bridge to
 * finer rungs of fidelity. Here: products and their gradients. Not here: norms (fabric-norm.ts), local steps (fabric-local.ts), attention,
 * whose rows may lie in several bands (fabric-attention.ts), a tile's turn (tile.ts).
 */
import type { BlockPlan, LinearPlan } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { slabsOfSample } from '../deal.js';
import { storedNode } from '../gradient-nodes.js';
import { readSparseBlock } from '../sparse-block.js';
import { leafOf, mergeNodes, nodesOfRange } from '../token-tree.js';
import { bufferAt, nodeWidth, type BandContext, type BandWorker, type Share } from './band.js';
import { piecesOf, type Piece } from './doors.js';
import { fabricLocal } from './fabric-local.js';
import { fabricNorms } from './fabric-norm.js';
import { fabricBuffers, featuresOfColumn, rowOfTiles, type Fabric } from './fabric-row.js';

export const fabricWorker = (context: BandContext): BandWorker => {
  const { program, arena, band, batch, kernels: k, memory } = context;
  const { rowEdges, rectangle } = program;
  const buffers = fabricBuffers(program, band.fabric);
  const { sum, chunk, panels: [multicast] } = buffers;
  const firstLane = band.firstSlab * slabTokens, together = slabsOfSample(batch);

  /** Features of the scratch buffers as they are in use. */
  const widths = new Map<number, number>();
  const travel = rowOfTiles(rectangle.cols, {
    kernels: k, memory, scratch: buffers.scratch,
    range: (buffer, column) => {
      const width = widths.get(buffer);
      if (width !== undefined) return featuresOfColumn(width, rectangle.cols, column);
      const edges = program.buffers[buffer]?.featureEdges ?? [];
      return [edges[column] ?? 0, edges[column + 1] ?? 0];
    },
    at: (buffer, slab, feature) => bufferAt(band, buffer, feature) + slab * (widths.get(buffer) ?? program.buffers[buffer]?.features ?? 0) * panelRowBytes,
    holds: ({ row, slab, first, last }) => firstLane + slab * slabTokens + first >= (rowEdges[row] ?? 0) && firstLane + slab * slabTokens + last <= (rowEdges[row + 1] ?? 0),
  });
  const slotAt = (slot: number): number => arena.weightSlots[slot] as number;

  const fabric: Fabric = {
    context, buffers, travel,
    layOut(features, ...used) {
      for (const buffer of used) if (buffer !== null && program.buffers[buffer]?.scratch === true) widths.set(buffer, features);
    },
    everyPiece: (share) => piecesOf(rowEdges, firstLane, share.tokensOf).flat(),
    endsSlab: (share, piece) => piece.last === share.tokensOf[piece.slab],
    formNodes(share, slot, nodeFloats, add) {
      const leaf = band.gradients[slot];
      assert(leaf !== undefined, `gradient slot ${slot} exists`);
      const leaves: Float32Array[] = [];
      for (const piece of fabric.everyPiece(share)) {
        if (piece.first === 0) k.clear(leaf, nodeFloats * 4);
        add(piece, leaf);
        if (fabric.endsSlab(share, piece)) leaves.push(floats(memory, leaf, nodeFloats).slice());
      }
      // The leaves meet on their way down the columns: neighbours in the token tree first.
      const tree = mergeNodes(leaves.map((_, i) => ({ level: 0, index: leafOf(share.firstSlab + i, together), slot: i })), together);
      for (const { into, from } of tree.merges) addInto(leaves[into] as Float32Array, leaves[from] as Float32Array);
      assert(tree.nodes.length === nodesOfRange(share.firstSlab, share.slabs, 0, together).length, 'a band leaves the maximal aligned nodes');
      tree.nodes.forEach((node, ordinal) => floats(memory, leaf + ordinal * nodeFloats * 4, nodeFloats).set(leaves[node.slot] as Float32Array));
    },
  };

  /** Sums of a block's results travel east past every tile of a row, and are kept where they belong. */
  const product = (share: Share, out: number, block: BlockPlan, bias: number, add: (piece: Piece) => void): void => {
    for (const piece of fabric.everyPiece(share)) {
      k.clear(sum, block.count * panelRowBytes);
      k.clear(chunk, block.count * panelRowBytes);
      add(piece);
      travel({ type: 'keep', piece, out, first: block.first, m: block.count, sum, bias });
    }
  };
  const denseProduct = (share: Share, x: number, out: number, n: number, block: BlockPlan, packed: number, bias: number): void =>
    product(share, out, block, bias, (piece) => travel({ type: 'product', piece, x, packed, n, m: block.count, sum, chunk }));
  const storedProduct = (share: Share, x: number, out: number, run: BlockPlan, slot: number, n: number, hasBias: boolean): void => {
    const block = readSparseBlock(memory, slotAt(slot), { n, m: run.count, values: true, bias: hasBias });
    product(share, out, run, hasBias ? block.biasAt : -1, (piece) => travel({ type: 'productStored', piece, x, block, sum, chunk }));
  };
  const storedOuterProducts = (share: Share, linear: LinearPlan, run: BlockPlan, slot: number, positions: number): void => {
    const block = readSparseBlock(memory, slotAt(positions), { n: linear.inputs, m: run.count, values: false, bias: false });
    const { biasAt, floats: nodeFloats, width } = storedNode(linear, run, block.stored);
    fabric.formNodes(share, slot, nodeFloats, (piece, leaf) => {
      k.clear(multicast, run.count * panelRowBytes);
      travel({ type: 'multicast', piece, x: linear.dy, first: run.first, m: run.count, block: multicast });
      travel({ type: 'outerStored', piece, x: linear.x, block, dy: multicast, leaf });
      if (linear.bias === null) return;
      k.turn(band.turned, multicast, run.count);
      k.gradientSegment(leaf + biasAt, arena.ones, band.turned, 1, width, piece.first, piece.last);
    });
  };

  /** The node's columns are multicast along the row and turned around; its rows are the tiles' own features. */
  const outerProducts = (share: Share, slot: number, o: { readonly rows: readonly [buffer: number, first: number, count: number]; readonly columns: readonly [buffer: number, first: number, count: number]; readonly bias: boolean }): void => {
    const [x, first, m] = o.rows, [from, firstColumn, columns] = o.columns, width = nodeWidth(columns, nodeAlign);
    fabric.formNodes(share, slot, (m + (o.bias ? 1 : 0)) * width, (piece, leaf) => {
      k.clear(multicast, columns * panelRowBytes);
      travel({ type: 'multicast', piece, x: from, first: firstColumn, m: columns, block: multicast });
      k.turn(band.turned, multicast, columns);
      travel({ type: 'outer', piece, x, first, m, turned: band.turned, width, leaf });
      if (o.bias) k.gradientSegment(leaf + m * width * 4, arena.ones, band.turned, 1, width, piece.first, piece.last);
    });
  };

  return {
    ...fabricNorms(fabric),
    local: fabricLocal(fabric),
    forward(share, linear, block, slot) {
      const packed = slotAt(slot);
      if (context.isSparse(linear)) {
        storedProduct(share, linear.x, linear.y, block, slot, linear.inputs, linear.bias !== null);
        return;
      }
      denseProduct(share, linear.x, linear.y, linear.inputs, block, packed, linear.bias === null ? -1 : packed + linear.inputs * block.count * 4);
    },
    delta(share, linear, block, slot) {
      const { dx, dy } = linear;
      assert(dx !== null, 'a delta block has a place to go');
      fabric.layOut(linear.outputs, dy);
      fabric.layOut(linear.inputs, dx);
      if (context.isSparse(linear)) storedProduct(share, dy, dx, block, slot, linear.outputs, false);
      else denseProduct(share, dy, dx, linear.outputs, block, slotAt(slot), -1);
    },
    gradient(share, linear: LinearPlan, block, slot, positions) {
      fabric.layOut(linear.outputs, linear.dy);
      if (positions >= 0) {
        storedOuterProducts(share, linear, block, slot, positions);
        return;
      }
      const inputs = [linear.x, 0, linear.inputs] as const, outputs = [linear.dy, block.first, block.count] as const;
      outerProducts(share, slot, linear.tied ? { rows: outputs, columns: inputs, bias: false } : { rows: inputs, columns: outputs, bias: linear.bias !== null });
    },
  };
};

const addInto = (into: Float32Array, from: Float32Array): void => {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) + (from[i] as number);
};
