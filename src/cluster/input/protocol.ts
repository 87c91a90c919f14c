/** What an input worker is told: bring a band its part of a micro-batch. */
import { defineProtocol } from '../../actor/protocol-codec.js';

/** `factor` is f32(1 / valid labels of the global batch). */
export type InputCommand = { readonly type: 'input.deal'; readonly step: number; readonly microBatch: number; readonly factor: number };
export type InputReply = { readonly type: 'input.done' };

export const inputCommands = defineProtocol<InputCommand>()({ 'input.deal': ['step', 'microBatch', 'factor:f64'] });
export const inputReplies = defineProtocol<InputReply>()({ 'input.done': [] });
