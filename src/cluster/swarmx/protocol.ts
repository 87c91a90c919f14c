/** What a SwarmX node is told: a block passes it on its way down, or its children's nodes are to be reduced on their way up. */
import { defineProtocol } from '../../actor/protocol-codec.js';

export type { TreeNodePlan } from './tree.js';

export type SwarmXCommand =
  | { readonly type: 'swarmx.broadcast'; readonly step: number; readonly bytes: number }
  | { readonly type: 'swarmx.reduce'; readonly step: number; readonly microBatch: number; readonly streamed: number; readonly block: number; readonly slot: number };
export type SwarmXReply = { readonly type: 'swarmx.done' };

export const swarmXCommands = defineProtocol<SwarmXCommand>()({
  'swarmx.broadcast': ['step', 'bytes'],
  'swarmx.reduce': ['step', 'microBatch', 'streamed', 'block', 'slot'],
});
export const swarmXReplies = defineProtocol<SwarmXReply>()({ 'swarmx.done': [] });
