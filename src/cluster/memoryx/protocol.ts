/**
 * What a MemoryX unit is told. A unit packs and sends blocks, collects gradients, gathers and scatters table rows, updates, and changes masks.
 *
 * Steps count from 0; a block of step s is read from weights[s mod 2].
 */
import { defineProtocol } from '../../actor/protocol-codec.js';

export type MemoryXCommand =
  /**
   * Pack a forward (pass 0) or delta (pass 1) block, or both of a streamed head (pass 2), or the stored positions of a sparse weight for its gradient (pass 3), into a
   * weight slot of the arena. `gradientSlot`: that of pass 3, or −1.
   */
  | { readonly type: 'memoryx.send'; readonly step: number; readonly pass: number; readonly streamed: number; readonly block: number; readonly slot: number; readonly gradientSlot: number }
  /** Take what SwarmX left of a gradient block: nodes in the bands' gradient slot. */
  | { readonly type: 'memoryx.collect'; readonly step: number; readonly microBatch: number; readonly streamed: number; readonly block: number; readonly slot: number }
  /** Gather the table rows of a band's samples into its entry buffer. */
  | { readonly type: 'memoryx.gather'; readonly step: number; readonly microBatch: number; readonly band: number }
  /** Take the deltas of gathered rows of a micro-batch from all bands. */
  | { readonly type: 'memoryx.scatter'; readonly microBatch: number }
  /** The gradient of a parameter is whole: leaves of the sum of its squares, this unit's share of them, the gradient times `factor`. */
  | { readonly type: 'memoryx.squares'; readonly step: number; readonly parameter: number; readonly factor: number }
  /** The gradient of a parameter is whole, and so is its verdict: update this unit's share of it, the gradient times `clip`; `updates` were made before. Sweep 0 … n−1, each when all units are through the last. */
  | { readonly type: 'memoryx.update'; readonly step: number; readonly parameter: number; readonly clip: number; readonly sweep: number; readonly updates: number }
  /** The step is skipped: this unit's share of the parameter goes on as it is. */
  | { readonly type: 'memoryx.keep'; readonly step: number; readonly parameter: number }
  /** The gradient of a parameter is whole: is this unit's share of it finite? */
  | { readonly type: 'memoryx.check'; readonly step: number; readonly parameter: number }
  /** All gradients of the step are finite and the parameter is updated: make its next mask. */
  | { readonly type: 'memoryx.mask'; readonly step: number; readonly parameter: number }
  /** A step begins again: forget gradients collected so far. */
  | { readonly type: 'memoryx.restart' };

export type MemoryXReply =
  | { readonly type: 'memoryx.done' }
  /** Bytes of the block on a link. */
  | { readonly type: 'memoryx.sent'; readonly bytes: number }
  | { readonly type: 'memoryx.checked'; readonly finite: number };

export const memoryXCommands = defineProtocol<MemoryXCommand>()({
  'memoryx.send': ['step', 'pass', 'streamed', 'block', 'slot', 'gradientSlot'],
  'memoryx.collect': ['step', 'microBatch', 'streamed', 'block', 'slot'],
  'memoryx.gather': ['step', 'microBatch', 'band'],
  'memoryx.scatter': ['microBatch'],
  'memoryx.squares': ['step', 'parameter', 'factor:f64'],
  'memoryx.update': ['step', 'parameter', 'clip:f64', 'sweep', 'updates'],
  'memoryx.keep': ['step', 'parameter'],
  'memoryx.check': ['step', 'parameter'],
  'memoryx.mask': ['step', 'parameter'],
  'memoryx.restart': [],
});
export const memoryXReplies = defineProtocol<MemoryXReply>()({ 'memoryx.done': [], 'memoryx.sent': ['bytes'], 'memoryx.checked': ['finite'] });
