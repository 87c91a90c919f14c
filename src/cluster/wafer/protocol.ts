/** What a wafer is told once its bands have formed a gradient block: reduce it over the rows. SwarmX nodes are told the same. */
import { defineProtocol } from '../../actor/protocol-codec.js';

export type WaferCommand = { readonly type: 'wafer.reduce'; readonly step: number; readonly microBatch: number; readonly streamed: number; readonly block: number; readonly slot: number };
export type WaferReply = { readonly type: 'wafer.done' };

export const waferCommands = defineProtocol<WaferCommand>()({ 'wafer.reduce': ['step', 'microBatch', 'streamed', 'block', 'slot'] });
export const waferReplies = defineProtocol<WaferReply>()({ 'wafer.done': [] });
