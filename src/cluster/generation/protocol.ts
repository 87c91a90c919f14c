/**
 * What a generation host is told: one stage of the layout over the lanes of the lane table. Steps count from 0; their parity chooses the counters.
 */
import { defineProtocol } from '../../actor/protocol-codec.js';

export interface GenerationCommand {
  readonly type: 'generation.work';
  readonly step: number;
  readonly stage: number;
}

export type GenerationReply = { readonly type: 'generation.done' };

export const generationCommands = defineProtocol<GenerationCommand>()({ 'generation.work': ['step', 'stage'] });
export const generationReplies = defineProtocol<GenerationReply>()({ 'generation.done': [] });
