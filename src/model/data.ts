/**
 * Training data as plain arrays, and the order in which samples are drawn: a function of (seed, position), nothing else.
 *
 * Not here: reading files (formats/), dealing a batch out to wafers (cluster/input/).
 */
import { InvalidConfig } from '../util/errors.js';
import { permuted, purposes } from '../util/prng.js';
import { isSequence, type Model } from './graph.js';

export type TrainingData =
  /** `inputs` [samples][features] and one class number a sample; −1 masks a label. */
  | { readonly kind: 'features'; readonly inputs: Float32Array; readonly labels: Int32Array }
  /** `ids` [samples][context] and one class number a sample; −1 masks a label. */
  | { readonly kind: 'tokens'; readonly ids: Int32Array; readonly labels: Int32Array }
  /** Window models: sample i reads bytes i … i+context−1 and is labelled with byte i+context. Sequence models: as 'sequence', every byte an id. */
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  /**
   * One long stream of ids, documents packed one behind the other. Sample i reads ids i·T … i·T+T−1; each token is labelled with the id behind it, or, where `labels` are
   * given, with its own label (−1 masks it).
   */
  | { readonly kind: 'sequence'; readonly ids: Uint8Array | Uint16Array | Int32Array; readonly labels?: Int32Array };

/** The stream of ids of sequence data, or null for other kinds. */
export const streamOf = (data: TrainingData): { readonly ids: Uint8Array | Uint16Array | Int32Array; readonly labels: Int32Array | null } | null =>
  data.kind === 'sequence' ? { ids: data.ids, labels: data.labels ?? null } : data.kind === 'text' ? { ids: data.bytes, labels: null } : null;

/** Samples in the data, as the model reads them. */
export const samplesOf = (model: Model, data: TrainingData): number => {
  const stream = streamOf(data), width = model.layers[0]?.features ?? 0;
  if (isSequence(model)) return stream === null ? 0 : Math.max(0, Math.floor((stream.ids.length - (stream.labels === null ? 1 : 0)) / model.tokensPerSample));
  if (data.kind === 'text') return Math.max(0, data.bytes.length - width);
  return data.labels?.length ?? 0;
};

const range = (where: string, list: ArrayLike<number>, low: number, high: number): void => {
  for (let i = 0; i < list.length; i++) {
    const value = list[i] as number;
    if (value < low || value >= high) throw new InvalidConfig({ what: `value ${i} is outside its range`, where, value, limit: `${low} to ${high - 1}` });
  }
};

const checkStream = (model: Model, data: TrainingData, classes: number): void => {
  const input = model.layers[0], stream = streamOf(data);
  if (stream === null || input?.kind !== 'tokens') throw new InvalidConfig({ what: 'the model reads sequences of token ids', where: 'data.kind', value: data.kind, limit: "'sequence' or 'text'" });
  const { ids, labels } = stream, tokens = model.tokensPerSample;
  if (samplesOf(model, data) < 1) throw new InvalidConfig({ what: 'fewer ids than one sample', where: 'data.ids', value: ids.length, limit: `at least ${tokens + (labels === null ? 1 : 0)}`, hint: 'give more text or a shorter context' });
  if (labels !== null && labels.length !== ids.length) throw new InvalidConfig({ what: 'one label for each id', where: 'data.labels', value: labels.length, limit: ids.length });
  range('data.ids', ids, 0, labels === null ? Math.min(input.vocabulary, classes) : input.vocabulary);
  if (labels !== null) range('data.labels', labels, -1, classes);
};

/**
 * Checks that data and model fit each other.
 *
 * @throws InvalidConfig naming the field, the sample, the value and the limit.
 */
export const checkData = (model: Model, data: TrainingData): void => {
  const input = model.layers[0];
  const loss = model.layers[model.layers.length - 1];
  if (input === undefined || loss?.kind !== 'softmaxCrossEntropy') throw new InvalidConfig({ what: 'a model without input or loss', hint: 'build it with model({ … })' });
  if (isSequence(model)) {
    checkStream(model, data, loss.classes);
    return;
  }
  if (data.kind === 'sequence') throw new InvalidConfig({ what: 'the model reads no sequences', where: 'data.kind', value: data.kind, hint: 'build it with sequence({ vocabulary, context })' });
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
