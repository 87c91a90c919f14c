/**
 * What a tile host is told, and what it answers. Passes, blocks and slots by number: the program and the layout say what they are.
 *
 * A host works off its commands in order; that order is the program's, so nothing else synchronizes layers inside a band.
 */
import { defineProtocol } from '../../actor/protocol-codec.js';

/**
 * Do a pass of the program, or one block of it: samples or gathered rows are in the entry buffer, a weight block is in a weight slot, or gradient
 * nodes are wanted in a gradient slot. Local steps follow the last block. `evaluate` is 1 where nothing is trained: no dropout.
 */
export interface TileCommand {
  readonly type: 'tile.work';
  readonly step: number;
  readonly microBatch: number;
  readonly pass: number;
  readonly block: number;
  readonly slot: number;
  readonly gradientSlot: number;
  readonly evaluate: number;
}

export type TileReply = { readonly type: 'tile.done' };

export const tileCommands = defineProtocol<TileCommand>()({ 'tile.work': ['step', 'microBatch', 'pass', 'block', 'slot', 'gradientSlot', 'evaluate'] });
export const tileReplies = defineProtocol<TileReply>()({ 'tile.done': [] });
