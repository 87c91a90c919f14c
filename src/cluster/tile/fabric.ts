/**
 * The fabric of a band: mailboxes and routes of its tiles, every tile working for itself.
 *
 *   host ─▶ column 0 ─▶ column 1 ─▶ … ─▶ last column ─ring─▶ column 0, next phase            down the columns: leaves of the gradient
 *
 * Slower than sweep.ts by far and equal to it in every bit: it shows that nothing but messages joins two tiles, and is the bridge to
 * finer rungs of fidelity. Mailboxes hold `mailboxMax` messages; the ring keeps one phase of a row in flight. Not here: a tile's turn (tile.ts).
 */
import type { BlockPlan, LinearPlan, LocalStep, Program } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { mergeNodes, nodesOfRange } from '../token-tree.js';
import { bufferAt, nodeWidth, panelStride, type BandContext, type BandWorker, type Share } from './band.js';
import { sweepNorms } from './sweep-norm.js';
import { sweepWorker } from './sweep.js';
import { tileTurn, type Piece, type TileMessage, type TileSram } from './tile.js';

/** Messages that a tile can hold. */
const mailboxMax = 4;

const blockMaxOf = (program: Program): number => Math.max(1, ...program.streamed.flatMap((linear) => [...linear.forwardBlocks, ...linear.deltaBlocks].map((block) => block.count)));
const featuresMaxOf = (program: Program): number => Math.max(blockMaxOf(program), ...program.buffers.map((buffer) => buffer.features));

/** Floats of fabric buffers that a band needs: two travelling sums, two scratch panels. */
export const fabricFloats = (program: Program): number => (2 * blockMaxOf(program) + 2 * featuresMaxOf(program)) * slabTokens;

export const fabricWorker = (context: BandContext): BandWorker => {
  const { program, arena, band, kernels: k, memory } = context;
  const { rowEdges, rectangle } = program;
  const blockMax = blockMaxOf(program), featuresMax = featuresMaxOf(program);
  const sum = band.fabric, chunk = sum + blockMax * panelRowBytes;
  const scratch = [chunk + blockMax * panelRowBytes, chunk + (blockMax + featuresMax) * panelRowBytes] as const;
  const [max, denominator, runningChunk, logit, losses] = [0, 1, 2, 3, 4].map((row) => band.rows + row * panelRowBytes) as [number, number, number, number, number];

  /** A scratch buffer holds panels of the width in use, placed like any buffer of that width. */
  let scratchWidth = 0;
  const isScratch = (buffer: number): boolean => program.buffers[buffer]?.scratch ?? false;
  const edgeOf = (column: number): number => Math.floor((column * scratchWidth) / rectangle.cols);

  const tiles = Array.from({ length: rectangle.cols }, (_, c): { readonly sram: TileSram; readonly mailbox: TileMessage[] } => ({
    mailbox: [],
    sram: {
      kernels: k, memory, scratch,
      range: (buffer) => {
        if (isScratch(buffer)) return [edgeOf(c), edgeOf(c + 1)];
        const edges = program.buffers[buffer]?.featureEdges ?? [];
        return [edges[c] ?? 0, edges[c + 1] ?? 0];
      },
      at: (buffer, slab, feature) => bufferAt(band, buffer, feature) + slab * strideOf(buffer),
    },
  }));
  const strideOf = (buffer: number): number => (isScratch(buffer) ? scratchWidth * panelRowBytes : panelStride(program, buffer));

  const put = (column: number, message: TileMessage): void => {
    const mailbox = tiles[column]?.mailbox;
    assert(mailbox !== undefined && mailbox.length < mailboxMax, `the mailbox of column ${column} holds at most ${mailboxMax} messages`);
    mailbox.push(message);
  };
  /** One phase of a row: the message enters at column 0 and travels east until the ring's end. */
  const travel = (message: TileMessage): void => {
    put(0, message);
    for (let column = 0; column < tiles.length; column++) {
      const tile = tiles[column];
      for (let next = tile?.mailbox.shift(); tile !== undefined && next !== undefined; next = tile.mailbox.shift()) {
        tileTurn(tile.sram, next);
        if (column + 1 < tiles.length) put(column + 1, next);
      }
    }
  };

  /** Pieces of the share's slabs, row by row: what lies in one row and one slab. */
  const pieces = (share: Share): Piece[] => {
    const list: Piece[] = [];
    const start = band.firstSlab * slabTokens;
    for (let row = 0; row < rectangle.rows; row++) {
      const from = Math.max(0, (rowEdges[row] ?? 0) - start), to = Math.min((rowEdges[row + 1] ?? 0) - start, share.tokens);
      for (let token = from; token < to; token = (Math.floor(token / slabTokens) + 1) * slabTokens) {
        const slab = Math.floor(token / slabTokens);
        list.push({ slab, first: token - slab * slabTokens, last: Math.min(to - slab * slabTokens, slabTokens) });
      }
    }
    return list;
  };
  const endsSlab = (share: Share, piece: Piece): boolean => piece.last === (piece.slab === share.slabs - 1 ? share.lastTokens : slabTokens);
  const slotAt = (slot: number): number => arena.weightSlots[slot] as number;

  const product = (share: Share, x: number, out: number, n: number, block: BlockPlan, packed: number, bias: number): void => {
    for (const piece of pieces(share)) {
      k.clear(sum, block.count * panelRowBytes);
      k.clear(chunk, block.count * panelRowBytes);
      travel({ type: 'product', piece, x, packed, n, m: block.count, sum, chunk });
      travel({ type: 'keep', piece, out, first: block.first, m: block.count, sum, bias });
    }
  };

  const swept = sweepWorker(context);
  return {
    ...sweepNorms(context),
    forward(share, linear, block, slot) {
      const packed = slotAt(slot);
      product(share, linear.x, linear.y, linear.inputs, block, packed, linear.bias === null ? -1 : packed + linear.inputs * block.count * 4);
    },
    delta(share, linear, block, slot) {
      assert(linear.dx !== null, 'a delta block has a place to go');
      scratchWidth = linear.inputs;
      product(share, linear.dy, linear.dx, linear.outputs, block, slotAt(slot), -1);
    },
    gradient(share, linear, block, slot) {
      formNodes(share, linear, block, band.gradients[slot] as number);
    },
    local(share, step) {
      for (const piece of pieces(share)) localTurn(share, step, piece);
    },
  };

  function formNodes(share: Share, linear: LinearPlan, block: BlockPlan, dst: number): void {
    const width = nodeWidth(block.count, nodeAlign);
    const rows = linear.inputs + (linear.bias === null ? 0 : 1);
    const nodeFloats = rows * width;
    const leaf = dst;
    const leaves: Float32Array[] = [];
    for (const piece of pieces(share)) {
      if (piece.first === 0) k.clear(leaf, nodeFloats * 4);
      k.clear(sum, block.count * panelRowBytes);
      travel({ type: 'multicast', piece, dy: linear.dy, first: block.first, m: block.count, block: sum });
      k.turn(band.turned, sum, block.count);
      travel({ type: 'outer', piece, x: linear.x, turned: band.turned, width, leaf });
      if (linear.bias !== null) k.gradientSegment(leaf + linear.inputs * width * 4, arena.ones, band.turned, 1, width, piece.first, piece.last);
      if (endsSlab(share, piece)) leaves.push(floats(memory, leaf, nodeFloats).slice());
    }
    // The leaves meet on their way down the columns: neighbours in the token tree first.
    const tree = mergeNodes(leaves.map((_, i) => ({ level: 0, index: share.firstSlab + i, slot: i })));
    for (const { into, from } of tree.merges) addInto(leaves[into] as Float32Array, leaves[from] as Float32Array);
    assert(tree.nodes.length === nodesOfRange(share.firstSlab, share.slabs).length, 'a band leaves the maximal aligned nodes');
    tree.nodes.forEach((node, ordinal) => floats(memory, dst + ordinal * nodeFloats * 4, nodeFloats).set(leaves[node.slot] as Float32Array));
  }

  function localTurn(share: Share, step: LocalStep, piece: Piece): void {
    switch (step.op) {
      case 'relu':
      case 'gelu':
        travel({ type: step.op, piece, from: step.x, to: step.y });
        return;
      case 'reluDelta':
      case 'geluDelta':
        scratchWidth = program.buffers[step.dst]?.features ?? 0;
        travel({ type: step.op, piece, d: step.d, with: step.op === 'reluDelta' ? step.y : step.x, to: step.dst });
        return;
      case 'loss': {
        const labels = band.labels + piece.slab * panelRowBytes;
        const tokens = piece.slab === share.slabs - 1 ? share.lastTokens : slabTokens;
        floats(memory, max, slabTokens).fill(-Infinity);
        k.clear(denominator, 3 * panelRowBytes);
        travel({ type: 'max', piece, x: step.x, max, logit, labels });
        travel({ type: 'exp', piece, x: step.x, max, sum: denominator, chunk: runningChunk, classes: step.classes });
        const before = floats(memory, losses, slabTokens).slice();
        k.softmaxLoss(losses, denominator, logit, max);
        // Losses of the slab's earlier rows came down the column.
        floats(memory, losses, piece.first).set(before.subarray(0, piece.first));
        travel({ type: 'finish', piece, x: step.x, sum: denominator, labels, factor: floats(memory, band.factor, 1)[0] as number, tokens });
        if (endsSlab(share, piece)) k.lossLeaf(arena.lossLeaves + (share.firstSlab + piece.slab) * 4, losses, labels, tokens);
        return;
      }
      default:
        if (piece.first === 0 && piece.slab === 0) swept.local(share, step);
    }
  }
};

const addInto = (into: Float32Array, from: Float32Array): void => {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) + (from[i] as number);
};
