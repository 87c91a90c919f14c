/**
 * What a lane of flash is told: to move one piece of MemoryX's state between its shard's file and a room in DRAM, or to commit a step.
 *
 * Pages count 4,096 bytes; a lane moves the piece's blocks that are its own. Versions count steps done.
 */
import { defineProtocol } from '../../actor/protocol-codec.js';

export type FlashCommand =
  | { readonly type: 'flash.read'; readonly piece: number; readonly version: number; readonly memory: number; readonly page: number }
  | { readonly type: 'flash.write'; readonly piece: number; readonly version: number; readonly memory: number; readonly page: number }
  /** All pieces of a version are written: make it the one that a reopened store begins with. `textBytes`: of the state's text in shared memory; durability 1: it survives power loss. */
  | { readonly type: 'flash.commit'; readonly version: number; readonly textBytes: number; readonly durability: number };

export type FlashReply =
  /** Bytes moved, and the time it took. */
  { readonly type: 'flash.done'; readonly bytes: number; readonly seconds: number };

export const flashCommands = defineProtocol<FlashCommand>()({
  'flash.read': ['piece', 'version', 'memory', 'page'],
  'flash.write': ['piece', 'version', 'memory', 'page'],
  'flash.commit': ['version', 'textBytes', 'durability'],
});
export const flashReplies = defineProtocol<FlashReply>()({ 'flash.done': ['bytes:f64', 'seconds:f64'] });
