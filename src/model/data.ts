/**
 * Training data as plain arrays, and the order in which samples are drawn: a function of (seed, position), nothing else.
 *
 * Not here: reading files (formats/), dealing a batch out to wafers (cluster/input/).
 */
import { InvalidConfig } from '../util/errors.js';
import { permuted, purposes } from '../util/prng.js';
import type { Model } from './graph.js';

export type TrainingData =
  /** `inputs` [samples][features] and one class number a sample; −1 masks a label. */
  | { readonly kind: 'features'; readonly inputs: Float32Array; readonly labels: Int32Array }
  /** `ids` [samples][context] and one class number a sample; −1 masks a label. */
  | { readonly kind: 'tokens'; readonly ids: Int32Array; readonly labels: Int32Array }
  /** Sample i reads bytes i … i+context−1 and is labelled with byte i+context. */
  | { readonly kind: 'text'; readonly bytes: Uint8Array };

/** Samples in the data, as the model reads them. */
export const sampleCount = (data: TrainingData, context: number): number => (data.kind === 'text' ? Math.max(0, data.bytes.length - context) : data.labels.length);

/**
 * Checks that data and model fit each other.
 *
 * @throws InvalidConfig naming the field, the sample, the value and the limit.
 */
export const checkData = (model: Model, data: TrainingData): void => {
  const input = model.layers[0];
  const loss = model.layers[model.layers.length - 1];
  if (input === undefined || loss?.kind !== 'softmaxCrossEntropy') throw new InvalidConfig({ what: 'a model without input or loss', hint: 'build it with model({ … })' });
  const wanted = input.kind === 'tokens' ? 'token' : 'feature';
  if ((input.kind === 'tokens') !== (data.kind !== 'features')) {
    throw new InvalidConfig({ what: `the model reads ${wanted}s`, where: 'data.kind', value: data.kind, hint: input.kind === 'tokens' ? "give data of kind 'text' or 'tokens'" : "give data of kind 'features'" });
  }
  if (data.kind === 'text') {
    if (input.kind === 'tokens' && data.bytes.length <= input.context) {
      throw new InvalidConfig({ what: 'text is shorter than one sample', where: 'data.bytes', value: data.bytes.length, limit: `more than the context of ${input.context} bytes` });
    }
    if ((input.kind === 'tokens' && input.vocabulary < 256) || loss.classes < 256) {
      throw new InvalidConfig({ what: 'text has byte values up to 255', where: 'model', value: Math.min(loss.classes, input.kind === 'tokens' ? input.vocabulary : 256), limit: 'a vocabulary and classes of at least 256' });
    }
    return;
  }
  const width = input.features;
  const values = data.kind === 'features' ? data.inputs : data.ids;
  if (data.labels.length === 0) throw new InvalidConfig({ what: 'no samples', where: 'data.labels' });
  if (values.length !== data.labels.length * width) {
    throw new InvalidConfig({ what: `${data.labels.length} labels need ${data.labels.length * width} input values`, where: 'data', value: values.length, hint: `give ${width} values for each sample` });
  }
  const range = (where: string, list: Int32Array, low: number, high: number): void => {
    for (let i = 0; i < list.length; i++) {
      const value = list[i] as number;
      if (value < low || value >= high) throw new InvalidConfig({ what: `value ${i} is outside its range`, where, value, limit: `${low} to ${high - 1}` });
    }
  };
  range('data.labels', data.labels, -1, loss.classes);
  if (data.kind === 'tokens' && input.kind === 'tokens') range('data.ids', data.ids, 0, input.vocabulary);
};

/**
 * The sample that stands at place `position` of step `step`'s global batch: epochs follow each other, each in its own order
 * drawn from the seed.
 */
export const sampleAt = (samples: number, batchSize: number, step: number, position: number, seed: number): number => {
  const drawn = step * batchSize + position;
  return permuted(drawn % samples, samples, seed, purposes.shuffle, Math.floor(drawn / samples));
};
