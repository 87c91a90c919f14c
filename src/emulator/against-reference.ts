/**
 * The verdict of the independent reference: a training on the cluster, judged step by step in f64 within a running error bound.
 *
 *   the cluster's weights before step k ─▶ reference step ─▶ loss, deltas, gradients ± bound   ◀─ the cluster's step k
 *   the cluster's own gradient of step k ─▶ reference update ─▶ weights ± bound                ◀─ the cluster's weights after it
 *
 * Each step starts the reference anew from the cluster's bits, so errors do not pile up and the bounds stay tight. To see every step the
 * cluster runs 1, 2, … steps; that these runs agree on the steps that they share is checked on the way. Moments are followed here in fp32
 * from the cluster's own gradients (docs/numerics.md §6). Not here: the reference itself (reference/), which shares no code with the cluster.
 */
import type { Model } from '../model/graph.js';
import { initialize } from '../model/init.js';
import { momentsOf, type Optimizer } from '../model/optimizer.js';
import { worstWithin, type Verdict } from '../reference/compare.js';
import { referenceStep, type ReferenceStep } from '../reference/step.js';
import { gatherBatch } from '../reference/train.js';
import { referenceUpdate } from '../reference/update.js';
import type { NamedTensor } from '../tensor/named.js';
import { InvalidConfig } from '../util/errors.js';
import { Cluster } from './cluster.js';
import type { ClusterOptions, TrainOptions } from './options.js';
import type { RunResult } from './run.js';

/** What the reference says of one step. */
export interface StepVerdicts {
  readonly step: number;
  /** Loss, deltas of the last micro-batch, gradients, updated weights. */
  readonly verdicts: readonly Verdict[];
  /** Inputs of ReLU so near to zero that fp32 may take the other side; their deltas are uncertain as a whole. */
  readonly kinks: number;
  /** Inputs of ReLU in all. */
  readonly reluInputs: number;
}

const f32 = Math.fround;
const get = <T>(list: readonly T[], index: number): T => {
  const item = list[index];
  if (item === undefined) throw new InvalidConfig({ what: 'a tensor that the run should have given', value: index, limit: list.length });
  return item;
};

/** Moments after a step, in fp32 after docs/numerics.md §6; `before` are zeros on the first step. */
const momentsAfter = (optimizer: Optimizer, step: number, before: readonly Float32Array[], weight: Float32Array, gradient: Float32Array): Float32Array[] => {
  if (momentsOf(optimizer) === 0) return [];
  const decay = f32(optimizer.weightDecay);
  const coupled = optimizer.kind !== 'adamW' && optimizer.weightDecay !== 0;
  const g = coupled ? gradient.map((value, i) => f32(value + f32(decay * (weight[i] as number)))) : gradient;
  if (optimizer.kind === 'sgd') {
    const momentum = f32(optimizer.momentum), rest = f32(1 - optimizer.dampening);
    return [step === 0 ? g.slice() : g.map((value, i) => f32(f32(momentum * (before[0]?.[i] ?? 0)) + f32(rest * value)))];
  }
  const [b1, rest1, b2, rest2] = [optimizer.beta1, 1 - optimizer.beta1, optimizer.beta2, 1 - optimizer.beta2].map(f32) as [number, number, number, number];
  return [
    g.map((value, i) => f32(f32(b1 * (before[0]?.[i] ?? 0)) + f32(rest1 * value))),
    g.map((value, i) => f32(f32(b2 * (before[1]?.[i] ?? 0)) + f32(f32(rest2 * value) * value))),
  ];
};

/** The reference's deltas of the samples that the last micro-batch held. */
const deltaVerdicts = (model: Model, reference: ReferenceStep, deltas: readonly NamedTensor[]): Verdict[] =>
  deltas.map((tensor) => {
    const layer = model.layers.find(({ name }) => name === tensor.name);
    const all = reference.deltas[layer?.id ?? -1];
    if (all === undefined) throw new InvalidConfig({ what: 'a delta of a layer that the model lacks', value: tensor.name });
    const from = all.value.length - tensor.data.length;
    return worstWithin(`delta of ${tensor.name}`, tensor.data, { value: all.value.subarray(from), bound: all.bound.subarray(from) });
  });

/** What the reference starts a step from: the cluster's own bits before it. */
export interface StateBefore {
  readonly weights: readonly Float32Array[];
  readonly moments: readonly (readonly Float32Array[])[];
  /** Losses of the steps before. */
  readonly losses: readonly number[];
}

/** The state before the first step: the given weights, or the model's initializers under the seed. */
export const firstState = (model: Model, options: TrainOptions): StateBefore => {
  const weights = model.parameters.map((spec) => {
    const given = options.weights?.[spec.index]?.data, first = new Float32Array(spec.size);
    if (given === undefined) initialize(spec, options.seed ?? 0, first);
    else first.set(given);
    return first;
  });
  return { weights, moments: weights.map((w) => Array.from({ length: momentsOf(options.optimizer) }, () => new Float32Array(w.length))), losses: [] };
};

/** Judges step `step`, the last of `run`, which was run with `inspect`; and gives the state after it. */
export const judgeStep = (model: Model, options: TrainOptions, step: number, before: StateBefore, run: RunResult): StepVerdicts & { readonly after: StateBefore } => {
  const { data, optimizer, batchSize, seed = 0 } = options;
  const { inspection, record } = run;
  if (inspection === undefined) throw new InvalidConfig({ what: 'a run without its inspection', hint: 'train with inspect: true' });
  const batch = gatherBatch(model, data, batchSize, step, seed);
  const reference = referenceStep(model, before.weights, batch);
  const verdicts: Verdict[] = [
    worstWithin('losses of the steps before, as the shorter run had them', Float64Array.from(record.losses.slice(0, step)), { value: Float64Array.from(before.losses), bound: new Float64Array(step) }),
    // Without a valid label there is no mean: the machine says 0.
    worstWithin('loss', Float64Array.of(record.losses[step] ?? NaN), batch.labels.some((label) => label >= 0) ? reference.loss : { value: new Float64Array(1), bound: new Float64Array(1) }),
    ...deltaVerdicts(model, reference, inspection.deltas),
  ];
  const moments = model.parameters.map((spec) => {
    const gradient = get(inspection.gradients, spec.index).data, weight = get(before.weights, spec.index), was = get(before.moments, spec.index);
    verdicts.push(worstWithin(`gradient of ${spec.name}`, gradient, get(reference.gradients, spec.index)));
    verdicts.push(worstWithin(`weights ${spec.name} after the update`, get(run.weights, spec.index).data, referenceUpdate(optimizer, step, { weight, moments: was }, gradient).weight));
    return momentsAfter(optimizer, step, was, weight, gradient);
  });
  const reluInputs = model.layers.reduce((sum, layer) => sum + (layer.kind === 'relu' ? layer.features * batchSize : 0), 0);
  return { step, verdicts, kinks: reference.kinks.length, reluInputs, after: { weights: run.weights.map((tensor) => tensor.data), moments, losses: record.losses } };
};

/** Trains on a cluster of its own, which ends with the run. */
const trainOnce = async (shape: ClusterOptions, model: Model, options: TrainOptions): Promise<RunResult> => {
  await using cluster = await Cluster.start(shape);
  return await cluster.train(model, options).finished;
};

/**
 * Judges every step of a training on a machine. Throws nothing of its own about numbers: the verdicts say it. The cluster runs
 * steps · (steps + 1) / 2 steps.
 */
export const compareWithReference = async (shape: ClusterOptions, model: Model, options: TrainOptions): Promise<readonly StepVerdicts[]> => {
  const result: StepVerdicts[] = [];
  let state = firstState(model, options);
  for (let step = 0; step < options.steps; step++) {
    const { after, ...verdicts } = judgeStep(model, options, step, state, await trainOnce(shape, model, { ...options, steps: step + 1, inspect: true }));
    state = after;
    result.push(verdicts);
  }
  return result;
};
