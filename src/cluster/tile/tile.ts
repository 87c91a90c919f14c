/**
 * A tile: one core of the wafer as an actor over its own SRAM, stepping from message to message.
 *
 *   west ─sums─▶ tile (its features × its tokens) ─sums─▶ east            the row is a ring: the last column sends to the first
 *
 * A turn reads and writes the tile's own view of the band's buffers and the message's fabric buffers, nothing else; the doors (doors.ts)
 * are the only way to SRAM. Here: products, steps between them, loss. Not here: norms and attention (tile-norm.ts, tile-attention.ts), routes and
 * mailboxes (fabric-row.ts), the same work done for a whole band at once (sweep.ts).
 */
import { panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats, words } from '../../tensor/shared-memory.js';
import type { SparseBlock } from '../sparse-block.js';
import { openDoors, copyLanes, type Piece, type TileSram } from './doors.js';
import { elementwise, operandsOf, type ElementwiseStep } from './locals.js';
import { attentionTurn, type AttentionMessage } from './tile-attention.js';
import { normTurn, type NormMessage } from './tile-norm.js';

/** What travels along a row. Addresses are fabric buffers of the row; `first` is a feature of the buffer, `m` counts from it. */
export type TileMessage = NormMessage | AttentionMessage | ({ readonly piece: Piece } & (
  /** Add your features' products to the travelling sums, then pass them on. */
  | { readonly type: 'product'; readonly x: number; readonly packed: number; readonly n: number; readonly m: number; readonly sum: number; readonly chunk: number }
  /** The same at the stored positions of a sparse block. */
  | { readonly type: 'productStored'; readonly x: number; readonly block: SparseBlock; readonly sum: number; readonly chunk: number }
  /** Keep the outputs that are yours, with their bias (address, or −1). */
  | { readonly type: 'keep'; readonly out: number; readonly first: number; readonly m: number; readonly sum: number; readonly bias: number }
  /** Put your part of these features into the multicast buffer. */
  | { readonly type: 'multicast'; readonly x: number; readonly first: number; readonly m: number; readonly block: number }
  /** Add your outer product to the leaf that travels down your column. */
  | { readonly type: 'outer'; readonly x: number; readonly first: number; readonly m: number; readonly turned: number; readonly width: number; readonly leaf: number }
  /** The same at the stored positions; dy: the block's delta as it was multicast. */
  | { readonly type: 'outerStored'; readonly x: number; readonly block: SparseBlock; readonly dy: number; readonly leaf: number }
  | { readonly type: 'elementwise'; readonly step: ElementwiseStep }
  | { readonly type: 'move'; readonly from: number; readonly to: number; readonly first: number; readonly m: number }
  | { readonly type: 'dropout'; readonly x: number; readonly y: number; readonly firstToken: number; readonly key0: number; readonly key1: number; readonly threshold: number; readonly scale: number }
  /** Gate and values of all features came along the row: make those that are yours. */
  | { readonly type: 'swiglu'; readonly y: number; readonly gate: number; readonly up: number }
  /** So did the delta; dst holds the gate's deltas, then, `features` further, the values'. */
  | { readonly type: 'swigluDelta'; readonly dst: number; readonly features: number; readonly d: number; readonly gate: number; readonly up: number }
  /** The head, of which you hold a part, came along the row. */
  | { readonly type: 'rotary'; readonly x: number; readonly first: number; readonly headSize: number; readonly head: number; readonly cos: number; readonly sin: number; readonly direction: 1 | -1 }
  | { readonly type: 'max'; readonly x: number; readonly max: number; readonly logit: number; readonly labels: number }
  | { readonly type: 'exp'; readonly x: number; readonly max: number; readonly sum: number; readonly chunk: number; readonly classes: number }
  | { readonly type: 'finish'; readonly x: number; readonly sum: number; readonly labels: number; readonly factor: number; readonly tokens: number }
));

/** One turn: what this tile does with what travels past it. */
export const tileTurn = (sram: TileSram, message: TileMessage): void => {
  const { piece } = message;
  const doors = openDoors(sram, piece);
  const { kernels: k, memory, scratch, overlap, load, store } = doors;
  const [a, b] = scratch;

  switch (message.type) {
    case 'product': {
      const [from, to] = overlap(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.linearSegment(message.sum, message.chunk, a, message.packed, message.n, message.m, from, to);
      return;
    }
    case 'productStored': {
      const [from, to] = overlap(message.x), { valuesAt, indicesAt, startsAt, n, m } = message.block;
      if (to <= from) return;
      load(message.x, a, from, to);
      k.linearStoredSegment(message.sum, message.chunk, a, valuesAt, indicesAt, startsAt, n, m, from, to);
      return;
    }
    case 'keep': {
      const [from, to] = overlap(message.out, message.first, message.m), rows = to - from;
      if (rows <= 0) return;
      k.copy(a, message.sum + (from - message.first) * panelRowBytes, rows * panelRowBytes);
      if (message.bias >= 0) k.addBias(a, 0, message.bias + (from - message.first) * 4, rows, 1);
      store(message.out, a, from, to);
      return;
    }
    case 'multicast': {
      const [from, to] = overlap(message.x, message.first, message.m), count = (to - from) * slabTokens;
      if (count <= 0) return;
      load(message.x, a, from, to);
      copyLanes(floats(memory, message.block + (from - message.first) * panelRowBytes, count), floats(memory, a, count), piece);
      return;
    }
    case 'outer': {
      const [from, to] = overlap(message.x, message.first, message.m);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.gradientSegment(message.leaf + (from - message.first) * message.width * 4, a, message.turned, to - from, message.width, piece.first, piece.last);
      return;
    }
    case 'outerStored': {
      const [from, to] = overlap(message.x), { indicesAt, startsAt, n, m } = message.block;
      if (to <= from) return;
      load(message.x, a, from, to);
      k.gradientStoredSegment(message.leaf, a, message.dy, indicesAt, startsAt, n, m, from, to, piece.first, piece.last);
      return;
    }
    case 'elementwise': {
      const { reads, writes } = operandsOf(message.step);
      const [from, to] = overlap(writes);
      if (to <= from) return;
      reads.forEach((buffer, i) => load(buffer, scratch[i] as number, from, to));
      // A step in place stays so; else its result has a panel of its own.
      const panelOf = (buffer: number): number => scratch[reads.includes(buffer) ? reads.indexOf(buffer) : 2] as number;
      elementwise(k, message.step, panelOf, (to - from) * slabTokens);
      store(writes, panelOf(writes), from, to);
      return;
    }
    case 'move': {
      const [from, to] = overlap(message.from, message.first, message.m);
      if (to <= from) return;
      load(message.from, a, from, to);
      store(message.to, a, from, to);
      return;
    }
    case 'dropout': {
      const [from, to] = overlap(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.dropout(b, a, to - from, from, message.firstToken, message.key0, message.key1, message.threshold, message.scale);
      store(message.y, b, from, to);
      return;
    }
    case 'swiglu': {
      const [from, to] = overlap(message.y), at = from * panelRowBytes;
      if (to <= from) return;
      k.swiglu(a, message.gate + at, message.up + at, (to - from) * slabTokens);
      store(message.y, a, from, to);
      return;
    }
    case 'swigluDelta': {
      const { dst, features } = message;
      for (const half of [0, 1] as const) {
        const [from, to] = overlap(dst, half * features, features), at = (from - half * features) * panelRowBytes;
        if (to <= from) continue;
        k.swigluDelta(a, b, message.d + at, message.gate + at, message.up + at, (to - from) * slabTokens);
        store(dst, scratch[half], from, to);
      }
      return;
    }
    case 'rotary': {
      const { first, headSize } = message;
      const [from, to] = overlap(message.x, first, headSize);
      if (to <= from) return;
      k.copy(a, message.head, headSize * panelRowBytes);
      k.rotary(a, 1, headSize, message.cos, message.sin, message.direction);
      store(message.x, a + (from - first) * panelRowBytes, from, to);
      return;
    }
    case 'max': {
      const [from, to] = overlap(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.softmaxMax(message.max, a, to - from);
      const labels = words(memory, message.labels, slabTokens), logit = floats(memory, message.logit, slabTokens), own = floats(memory, a, (to - from) * slabTokens);
      for (let t = piece.first; t < piece.last; t++) {
        const label = labels[t] as number;
        if (label >= from && label < to) logit[t] = own[(label - from) * slabTokens + t] as number;
      }
      return;
    }
    case 'exp': {
      const [from, to] = overlap(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.softmaxExp(a, message.sum, message.chunk, a, message.max, from, to - from, message.classes);
      store(message.x, a, from, to);
      return;
    }
    case 'finish': {
      const [from, to] = overlap(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.softmaxDelta(a, a, message.sum, message.labels, message.factor, from, to - from, message.tokens);
      store(message.x, a, from, to);
      return;
    }
    case 'featureSum':
    case 'featureSquares':
    case 'normApply':
    case 'normDeltaSums':
    case 'normDelta':
    case 'normLeaf':
      normTurn(doors, message);
      return;
    case 'score':
    case 'headDot':
    case 'weigh':
    case 'scaleColumns':
      attentionTurn(doors, message);
      return;
    default:
      message satisfies never;
  }
};
