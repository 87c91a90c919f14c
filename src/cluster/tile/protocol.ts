/**
 * What a tile host is told, and what it answers. Blocks and buffers by number: the layout says where they lie.
 *
 * A host works off its commands in order; that order is the program's, so nothing else synchronizes layers inside a band.
 */
import { defineProtocol } from '../../actor/protocol-codec.js';

export type TileCommand =
  /** Samples or gathered rows are in the entry buffer: do the local steps behind it. */
  | { readonly type: 'tile.enter'; readonly step: number; readonly microBatch: number }
  /** A weight block (all inputs × a few outputs) is in the slot. */
  | { readonly type: 'tile.forward'; readonly step: number; readonly microBatch: number; readonly linear: number; readonly block: number; readonly slot: number }
  /** Form the gradient nodes of a block in the gradient slot. */
  | { readonly type: 'tile.gradient'; readonly step: number; readonly microBatch: number; readonly linear: number; readonly block: number; readonly slot: number }
  /** A transposed block (all outputs × a few inputs) is in the slot. */
  | { readonly type: 'tile.delta'; readonly step: number; readonly microBatch: number; readonly linear: number; readonly block: number; readonly slot: number }
  /** Turn the entry buffer's deltas for MemoryX. */
  | { readonly type: 'tile.scatter'; readonly step: number; readonly microBatch: number };

export type TileReply = { readonly type: 'tile.done' };

export const tileCommands = defineProtocol<TileCommand>()({
  'tile.enter': ['step', 'microBatch'],
  'tile.forward': ['step', 'microBatch', 'linear', 'block', 'slot'],
  'tile.gradient': ['step', 'microBatch', 'linear', 'block', 'slot'],
  'tile.delta': ['step', 'microBatch', 'linear', 'block', 'slot'],
  'tile.scatter': ['step', 'microBatch'],
});
export const tileReplies = defineProtocol<TileReply>()({ 'tile.done': [] });
