/** What an input worker is told: bring a band its part of a micro-batch. */
import { defineProtocol } from '../../actor/protocol-codec.js';

/** `factor` is f32(1 / valid labels of the global batch). `evaluate` is 1 for the evaluation data, whose batch number is `batch`; in training `batch` is the step. */
export type InputCommand = { readonly type: 'input.deal'; readonly step: number; readonly batch: number; readonly microBatch: number; readonly factor: number; readonly evaluate: number };
export type InputReply = { readonly type: 'input.done' };

export const inputCommands = defineProtocol<InputCommand>()({ 'input.deal': ['step', 'batch', 'microBatch', 'factor:f64', 'evaluate'] });
export const inputReplies = defineProtocol<InputReply>()({ 'input.done': [] });
