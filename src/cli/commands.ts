/** Which command takes which options. Not here: what they mean (options.ts, setup/). */
import type { OptionName } from './options.js';

const model = ['model', 'config', 'layers', 'hidden', 'embed', 'heads', 'kvHeads', 'dim', 'context', 'vocab', 'dropout', 'weights', 'tokenizer'] as const satisfies readonly OptionName[];
const data = ['data', 'field', 'images', 'labels'] as const satisfies readonly OptionName[];
const training = [
  'batchSize', 'microBatchSize', 'optimizer', 'learningRate', 'momentum', 'nesterov', 'weightDecay', 'clipNorm', 'schedule', 'warmupSteps', 'steps', 'recompute', 'seed',
] as const satisfies readonly OptionName[];
const sparsity = ['sparsity', 'sparsityAlgorithm', 'sparsityInit', 'sparsityPattern', 'sparsityUpdateEvery'] as const satisfies readonly OptionName[];
const precision = ['precision', 'activations', 'lossScale', 'stochasticRounding'] as const satisfies readonly OptionName[];
const memoryX = ['dram', 'flashDir', 'shards', 'durability', 'checkpointDir', 'checkpointEvery', 'keepCheckpoints', 'resume'] as const satisfies readonly OptionName[];
const saving = ['save', 'dtype', 'sparseLayout'] as const satisfies readonly OptionName[];
const evaluation = ['evaluationSplit', 'evaluateEvery', 'evaluationBatches', 'patience'] as const satisfies readonly OptionName[];
const outputs = ['trace', 'tensorboard', 'csv'] as const satisfies readonly OptionName[];
const shape = ['numCsx', 'rows', 'cols'] as const satisfies readonly OptionName[];
const host = ['threads', 'dispatcher', 'kernels'] as const satisfies readonly OptionName[];
const sampling = ['maxTokens', 'temperature', 'topK', 'topP'] as const satisfies readonly OptionName[];

export const commandOptions = {
  train: [...data, ...model, ...training, 'gradAccumSteps', ...sparsity, ...precision, ...evaluation, ...memoryX, ...saving, ...outputs, ...shape, ...host, 'json'],
  verify: [...data, ...model, ...training, ...sparsity, ...precision, ...shape, 'json'],
  generate: [...model.filter((name) => name !== 'embed' && name !== 'dropout'), 'prompt', 'prompts', ...sampling, 'seed', ...shape, ...host, 'json'],
  prune: [...model.filter((name) => name !== 'embed' && name !== 'dropout'), 'sparsity', 'sparsityInit', 'sparsityPattern', 'seed', ...saving, 'json'],
  inspect: ['json'],
  check: ['json'],
  demo: ['layers', 'heads', 'dim', 'context', 'batchSize', 'microBatchSize', 'learningRate', 'steps', ...sampling, 'seed', ...shape, 'threads', 'json'],
} as const satisfies Record<string, readonly OptionName[]>;
