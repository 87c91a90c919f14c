/** GPTs for the benchmarks: the model, its first weights, its batch; every side makes the same from the same numbers. Not here: the peer's own (peers/python_gpt.py). */
import { adamW, gpt, type Model, type NamedTensor, type TrainingData } from '../../src/index.js';
import { mixed, mixedAt } from './data.js';
import type { Job } from './training.js';

export interface GptSize {
  readonly layers: number;
  readonly heads: number;
  readonly dim: number;
  readonly context: number;
  readonly vocabulary: number;
}

/** Width of the weights' even distribution: a deviation of 0.02. */
export const weightScale = 0.07;
/** Salt of ids; parameter i has salt i. */
export const dataSalt = 1000;
export const learningRate = 1e-3;

/** Gains 1, biases 0, the rest random. */
export const gptWeights = (model: Model, scale = weightScale): readonly NamedTensor[] =>
  model.parameters.map(({ name, shape, size, role, index }) => ({
    name, shape, data: role === 'gain' ? new Float32Array(size).fill(1) : role === 'bias' ? new Float32Array(size) : mixed(size, index, scale),
  }));

export const ids = (length: number, vocabulary: number): Int32Array => Int32Array.from({ length }, (_, i) => Math.floor((mixedAt(i, dataSalt, 1) + 0.5) * vocabulary));

/** `samples` samples, of which every step with that batch size sees all. */
export const gptData = ({ context, vocabulary }: GptSize, samples: number): TrainingData => {
  const stream = ids(samples * context + 1, vocabulary);
  return { kind: 'sequence', ids: stream.slice(0, -1), labels: stream.slice(1) };
};

export const gptJob = (size: GptSize, batchSize: number): Job => {
  const model = gpt(size);
  return { model, data: gptData(size, batchSize), optimizer: adamW({ learningRate }), batchSize, weights: gptWeights(model) };
};
