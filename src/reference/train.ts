/**
 * The oracle's training loop: everything in f64 from the first weights on, for curves to stand beside (the verify command, PyTorch's golden values).
 *
 * A long run in f64 drifts from one in fp32 by more than any step's bound; what judges the cluster is step.ts, started anew from its bits.
 * Not here: bounds.
 */
import { sampleAt, sampleCount, type TrainingData } from '../model/data.js';
import type { Model } from '../model/graph.js';
import { momentsOf, type Optimizer } from '../model/optimizer.js';
import { EmulatorBug } from '../util/errors.js';
import type { Values } from './bounded.js';
import { type ReferenceBatch, referenceStep } from './step.js';
import { referenceUpdate } from './update.js';

export interface ReferenceRun {
  /** The loss of each step's batch, before its update. */
  readonly losses: readonly number[];
  readonly parameters: readonly Float64Array[];
}

/** The global batch of a step, gathered in the order of model/data.ts. */
export const gatherBatch = (model: Model, data: TrainingData, batchSize: number, step: number, seed: number): ReferenceBatch => {
  const width = model.layers[0]?.features ?? 0;
  const count = sampleCount(data, width);
  const labels = new Int32Array(batchSize);
  const inputs = data.kind === 'features' ? new Float32Array(batchSize * width) : new Int32Array(batchSize * width);
  for (let position = 0; position < batchSize; position++) {
    const sample = sampleAt(count, batchSize, step, position, seed);
    const from = data.kind === 'text' ? sample : sample * width;
    const source = data.kind === 'features' ? data.inputs : data.kind === 'tokens' ? data.ids : data.bytes;
    inputs.set(source.subarray(from, from + width), position * width);
    labels[position] = (data.kind === 'text' ? data.bytes[sample + width] : data.labels[sample]) as number;
  }
  return { inputs, labels };
};

/** Trains for `steps` steps from `parameters`; `batchAt(step)` gives each step's global batch. */
export const referenceTrain = (spec: {
  readonly model: Model;
  readonly parameters: readonly Values[];
  readonly optimizer: Optimizer;
  readonly steps: number;
  readonly batchAt: (step: number) => ReferenceBatch;
}): ReferenceRun => {
  const losses: number[] = [];
  let states = spec.parameters.map((p): { weight: Float64Array; moments: Float64Array[] } => ({
    weight: Float64Array.from(p),
    moments: Array.from({ length: momentsOf(spec.optimizer) }, () => new Float64Array(p.length)),
  }));
  for (let step = 0; step < spec.steps; step++) {
    const { loss, gradients } = referenceStep(spec.model, states.map((s) => s.weight), spec.batchAt(step));
    losses.push(loss.value[0] ?? NaN);
    states = states.map((state, index) => {
      const gradient = gradients[index];
      if (gradient === undefined) throw new EmulatorBug({ what: 'a parameter without a gradient', value: index });
      const next = referenceUpdate(spec.optimizer, step, state, gradient.value);
      return { weight: next.weight.value, moments: next.moments.map((m) => m.value) };
    });
  }
  return { losses, parameters: states.map((s) => s.weight) };
};
