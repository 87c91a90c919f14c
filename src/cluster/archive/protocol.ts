/**
 * What the archive is told: to write a version of the state, parameter by parameter, to a checkpoint. Versions count steps done.
 */
import { defineProtocol } from '../../actor/protocol-codec.js';

export type ArchiveCommand =
  /** again 1: whoever began may have died since; what was answered is written. */
  | { readonly type: 'archive.begin'; readonly version: number; readonly again: number }
  /** The parameter is in DRAM at that version, and stays so until the answer. */
  | { readonly type: 'archive.write'; readonly version: number; readonly parameter: number }
  /** All is written: `textBytes` of the state's text in shared memory complete it. */
  | { readonly type: 'archive.finish'; readonly version: number; readonly textBytes: number };

export type ArchiveReply = { readonly type: 'archive.done'; readonly bytes: number };

export const archiveCommands = defineProtocol<ArchiveCommand>()({
  'archive.begin': ['version', 'again'],
  'archive.write': ['version', 'parameter'],
  'archive.finish': ['version', 'textBytes'],
});
export const archiveReplies = defineProtocol<ArchiveReply>()({ 'archive.done': ['bytes:f64'] });
