/**
 * A tile: one core of the wafer as an actor over its own SRAM, stepping from message to message.
 *
 *   west ─sums─▶ tile (its features × its tokens) ─sums─▶ east            the row is a ring: the last column sends to the first
 *
 * A turn reads and writes the tile's own view of the band's buffers and the message's fabric buffers, nothing else; `load` and
 * `store` are the only doors to SRAM. Not here: routes and mailboxes (fabric.ts), the same work done for a whole band at once (sweep.ts).
 */
import { panelRowBytes, slabTokens, type Kernels } from '../../kernels/types.js';
import { floats, words } from '../../tensor/shared-memory.js';

/** Tokens of one slab that lie in one row: lanes first … last−1 of the slab's panel. */
export interface Piece {
  /** Place of the slab in the band. */
  readonly slab: number;
  readonly first: number;
  readonly last: number;
}

/** What travels along a row. Addresses are fabric buffers of the row. */
export type TileMessage = { readonly piece: Piece } & (
  /** Add your features' products to the travelling sums, then pass them on. */
  | { readonly type: 'product'; readonly x: number; readonly packed: number; readonly n: number; readonly m: number; readonly sum: number; readonly chunk: number }
  /** Keep the outputs that are yours, with their bias (address, or −1). */
  | { readonly type: 'keep'; readonly out: number; readonly first: number; readonly m: number; readonly sum: number; readonly bias: number }
  /** Put your part of the delta block into the multicast buffer. */
  | { readonly type: 'multicast'; readonly dy: number; readonly first: number; readonly m: number; readonly block: number }
  /** Add your outer product to the leaf that travels down your column. */
  | { readonly type: 'outer'; readonly x: number; readonly turned: number; readonly width: number; readonly leaf: number }
  | { readonly type: 'relu' | 'gelu'; readonly from: number; readonly to: number }
  | { readonly type: 'reluDelta' | 'geluDelta'; readonly d: number; readonly with: number; readonly to: number }
  | { readonly type: 'max'; readonly x: number; readonly max: number; readonly logit: number; readonly labels: number }
  | { readonly type: 'exp'; readonly x: number; readonly max: number; readonly sum: number; readonly chunk: number; readonly classes: number }
  | { readonly type: 'finish'; readonly x: number; readonly sum: number; readonly labels: number; readonly factor: number; readonly tokens: number }
);

export interface TileSram {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** Features that this tile holds of a buffer. */
  range(buffer: number): readonly [number, number];
  /** Address of feature `feature` of slab `slab` of a buffer. */
  at(buffer: number, slab: number, feature: number): number;
  /** Two panels of the tile's features, private to the turn. */
  readonly scratch: readonly [number, number];
}

/** One turn: what this tile does with what travels past it. */
export const tileTurn = (sram: TileSram, message: TileMessage): void => {
  const { kernels: k, memory, scratch } = sram;
  const { piece } = message;

  /** Own lanes of features from … to−1 into a scratch panel whose other lanes are +0. */
  const load = (buffer: number, panel: number, from: number, to: number): void => {
    const own = floats(memory, sram.at(buffer, piece.slab, from), Math.max(0, (to - from) * slabTokens));
    const into = floats(memory, panel, own.length);
    into.fill(0);
    for (let row = 0; row < own.length; row += slabTokens) for (let t = piece.first; t < piece.last; t++) into[row + t] = own[row + t] as number;
  };
  const store = (buffer: number, panel: number, from: number, to: number): void => {
    const own = floats(memory, sram.at(buffer, piece.slab, from), Math.max(0, (to - from) * slabTokens));
    const source = floats(memory, panel, own.length);
    for (let row = 0; row < own.length; row += slabTokens) for (let t = piece.first; t < piece.last; t++) own[row + t] = source[row + t] as number;
  };
  /** The overlap of the tile's features of a buffer with a block. */
  const overlap = (buffer: number, first: number, count: number): readonly [number, number] => {
    const [from, to] = sram.range(buffer);
    return [Math.max(from, first), Math.min(to, first + count)];
  };
  const [a, b] = scratch;

  switch (message.type) {
    case 'product': {
      const [from, to] = sram.range(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.linearSegment(message.sum, message.chunk, a, message.packed, message.n, message.m, from, to);
      return;
    }
    case 'keep': {
      const [from, to] = overlap(message.out, message.first, message.m);
      if (to <= from) return;
      const rows = to - from;
      k.copy(a, message.sum + (from - message.first) * panelRowBytes, rows * panelRowBytes);
      if (message.bias >= 0) k.addBias(a, 0, message.bias + (from - message.first) * 4, rows, 1);
      store(message.out, a, from, to);
      return;
    }
    case 'multicast': {
      const [from, to] = overlap(message.dy, message.first, message.m);
      if (to <= from) return;
      load(message.dy, a, from, to);
      k.copy(message.block + (from - message.first) * panelRowBytes, a, (to - from) * panelRowBytes);
      return;
    }
    case 'outer': {
      const [from, to] = sram.range(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.gradientSegment(message.leaf + from * message.width * 4, a, message.turned, to - from, message.width, piece.first, piece.last);
      return;
    }
    case 'relu':
    case 'gelu': {
      const [from, to] = sram.range(message.from);
      if (to <= from) return;
      load(message.from, a, from, to);
      k[message.type](b, a, (to - from) * slabTokens);
      store(message.to, b, from, to);
      return;
    }
    case 'reluDelta':
    case 'geluDelta': {
      const [from, to] = sram.range(message.to);
      if (to <= from) return;
      load(message.d, a, from, to);
      load(message.with, b, from, to);
      k[message.type](a, a, b, (to - from) * slabTokens);
      store(message.to, a, from, to);
      return;
    }
    case 'max': {
      const [from, to] = sram.range(message.x);
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
      const [from, to] = sram.range(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.softmaxExp(a, message.sum, message.chunk, a, message.max, from, to - from, message.classes);
      store(message.x, a, from, to);
      return;
    }
    case 'finish': {
      const [from, to] = sram.range(message.x);
      if (to <= from) return;
      load(message.x, a, from, to);
      k.softmaxDelta(a, a, message.sum, message.labels, message.factor, from, to - from, message.tokens);
      store(message.x, a, from, to);
      return;
    }
    default:
      message satisfies never;
  }
};
