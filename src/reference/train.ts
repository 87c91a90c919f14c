/**
 * The oracle's training loop: everything in f64 from the first weights on, for curves to stand beside (the verify command, PyTorch's golden values).
 *
 * A long run in f64 drifts from one in fp32 by more than any step's bound; what judges the cluster is step.ts, started anew from its bits.
 * Not here: bounds.
 */
import { sampleAt, samplesOf, streamOf, type TrainingData } from '../model/data.js';
import { isSequence, type Model } from '../model/graph.js';
import { momentSizes } from '../model/moments.js';
import { type Optimizer, optimizerFor } from '../model/optimizer.js';
import { EmulatorBug, InvalidConfig } from '../util/errors.js';
import type { Values } from './bounded.js';
import { referenceClip } from './clip.js';
import { type ReferenceBatch, referenceStep } from './step.js';
import { referenceUpdate } from './update.js';

export interface ReferenceRun {
  /** The loss of each step's batch, before its update. */
  readonly losses: readonly number[];
  /** The global norm of each step's gradient, before any clipping. */
  readonly norms: readonly number[];
  readonly parameters: readonly Float64Array[];
}

/** Sequences of the stream behind each other, each id labelled with the one behind it or with its own label. */
const gatherSequences = (model: Model, data: TrainingData, samples: readonly number[]): ReferenceBatch => {
  const stream = streamOf(data), length = model.tokensPerSample;
  if (stream === null) throw new InvalidConfig({ what: 'the model reads sequences of token ids', where: 'data.kind', value: data.kind, limit: "'sequence' or 'text'" });
  const inputs = new Int32Array(samples.length * length), labels = new Int32Array(samples.length * length);
  for (const [position, sample] of samples.entries()) {
    const from = sample * length;
    inputs.set(stream.ids.subarray(from, from + length), position * length);
    labels.set(stream.labels === null ? stream.ids.subarray(from + 1, from + 1 + length) : stream.labels.subarray(from, from + length), position * length);
  }
  return { inputs, labels };
};

const gatherSingle = (model: Model, data: TrainingData, samples: readonly number[]): ReferenceBatch => {
  const width = model.layers[0]?.features ?? 0;
  if (data.kind === 'sequence') throw new InvalidConfig({ what: 'the model reads no sequences', where: 'data.kind', value: data.kind });
  const labels = new Int32Array(samples.length);
  const inputs = data.kind === 'features' ? new Float32Array(samples.length * width) : new Int32Array(samples.length * width);
  for (const [position, sample] of samples.entries()) {
    const from = data.kind === 'text' ? sample : sample * width;
    const source = data.kind === 'features' ? data.inputs : data.kind === 'tokens' ? data.ids : data.bytes;
    inputs.set(source.subarray(from, from + width), position * width);
    labels[position] = (data.kind === 'text' ? data.bytes[sample + width] : data.labels[sample]) as number;
  }
  return { inputs, labels };
};

/** The global batch of a step, gathered in the order of model/data.ts, with the keys of its dropout masks. */
export const gatherBatch = (model: Model, data: TrainingData, batchSize: number, step: number, seed: number): ReferenceBatch => {
  const count = samplesOf(model, data);
  const samples = Array.from({ length: batchSize }, (_, position) => sampleAt(count, batchSize, step, position, seed));
  return { ...(isSequence(model) ? gatherSequences : gatherSingle)(model, data, samples), dropout: { seed, step } };
};

/** Trains for `steps` steps from `parameters`; `batchAt(step)` gives each step's global batch. */
export const referenceTrain = (spec: {
  readonly model: Model;
  readonly parameters: readonly Values[];
  readonly optimizer: Optimizer;
  readonly steps: number;
  readonly batchAt: (step: number) => ReferenceBatch;
  /** Largest global norm of the gradient; unlimited unless given. */
  readonly clipNorm?: number;
}): ReferenceRun => {
  const losses: number[] = [], norms: number[] = [];
  const optimizers = spec.model.parameters.map((p) => optimizerFor(spec.optimizer, p));
  const optimizerAt = (index: number): Optimizer => optimizers[index] ?? spec.optimizer;
  const shapeAt = (index: number): { readonly shape: readonly number[] } => spec.model.parameters[index] ?? { shape: [] };
  let states = spec.parameters.map((p, index): { weight: Float64Array; moments: Float64Array[]; shape: readonly number[] } => ({
    weight: Float64Array.from(p),
    moments: momentSizes(optimizerAt(index), shapeAt(index)).map((size) => new Float64Array(size)),
    shape: shapeAt(index).shape,
  }));
  for (let step = 0; step < spec.steps; step++) {
    const { loss, gradients } = referenceStep(spec.model, states.map((s) => s.weight), spec.batchAt(step));
    losses.push(loss.value[0] ?? NaN);
    const clip = referenceClip(gradients.map((g) => g.value), spec.clipNorm ?? Infinity);
    norms.push(clip.norm.value[0] ?? NaN);
    states = states.map((state, index) => {
      const gradient = gradients[index];
      if (gradient === undefined) throw new EmulatorBug({ what: 'a parameter without a gradient', value: index });
      const next = referenceUpdate(optimizerAt(index), step, state, gradient.value, clip);
      return { weight: next.weight.value, moments: next.moments.map((m) => m.value), shape: state.shape };
    });
  }
  return { losses, norms, parameters: states.map((s) => s.weight) };
};
