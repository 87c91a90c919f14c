/**
 * What a MemoryX unit is told. A unit packs and sends blocks, collects gradients, gathers and scatters table rows, and updates.
 *
 * Steps count from 0; a block of step s is read from weights[s mod 2].
 */
import { defineProtocol } from '../../actor/protocol-codec.js';

export type MemoryXCommand =
  /** Pack a forward (pass 0) or delta (pass 1) block into a weight slot of the arena. */
  | { readonly type: 'memoryx.send'; readonly step: number; readonly pass: number; readonly linear: number; readonly block: number; readonly slot: number }
  /** Take what SwarmX left of a gradient block: nodes in the bands' gradient slot. */
  | { readonly type: 'memoryx.collect'; readonly step: number; readonly microBatch: number; readonly linear: number; readonly block: number; readonly slot: number }
  /** Gather the table rows of a band's samples into its entry buffer. */
  | { readonly type: 'memoryx.gather'; readonly step: number; readonly microBatch: number; readonly band: number }
  /** Take the deltas of gathered rows of a micro-batch from all bands. */
  | { readonly type: 'memoryx.scatter'; readonly microBatch: number }
  /** The gradient of a parameter is whole: update this unit's share of it. */
  | { readonly type: 'memoryx.update'; readonly step: number; readonly parameter: number }
  /** A step begins again: forget gradients collected so far. */
  | { readonly type: 'memoryx.restart' };

export type MemoryXReply = { readonly type: 'memoryx.done' };

export const memoryXCommands = defineProtocol<MemoryXCommand>()({
  'memoryx.send': ['step', 'pass', 'linear', 'block', 'slot'],
  'memoryx.collect': ['step', 'microBatch', 'linear', 'block', 'slot'],
  'memoryx.gather': ['step', 'microBatch', 'band'],
  'memoryx.scatter': ['microBatch'],
  'memoryx.update': ['step', 'parameter'],
  'memoryx.restart': [],
});
export const memoryXReplies = defineProtocol<MemoryXReply>()({ 'memoryx.done': [] });
