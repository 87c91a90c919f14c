/**
 * The verdict of the independent reference: a training on the cluster, judged step by step in f64 within a running error bound.
 *
 *   the cluster's weights before step k ─▶ reference step ─▶ loss, deltas, gradients ± bound   ◀─ the cluster's step k
 *   the cluster's own gradient of step k ─▶ reference norm ± bound                             ◀─ the cluster's norm, where it clips
 *   that gradient times its own factor   ─▶ reference update ─▶ weights ± bound                ◀─ the cluster's weights after it
 *
 * Each step starts the reference anew from the cluster's bits, so errors do not pile up and the bounds stay tight; through the depth of a transformer they are
 * probed (reference/probed.ts). To see every step the cluster runs 1, 2, … steps; that these runs agree on the steps that they share is checked on the way.
 * Moments are followed here in fp32 from the cluster's own gradients (docs/numerics.md §6). Not here: the reference itself (reference/), which shares no code
 * with the cluster.
 */
import type { Model } from '../model/graph.js';
import { initialize } from '../model/init.js';
import { momentsOf, optimizerFor, type Optimizer } from '../model/optimizer.js';
import { exact } from '../reference/bounded.js';
import { referenceClip } from '../reference/clip.js';
import { worstWithin, type Verdict } from '../reference/compare.js';
import { probedStep } from '../reference/probed.js';
import { referenceStep, type ReferenceBatch, type ReferenceStep } from '../reference/step.js';
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

/** Moments after a step, in fp32 after docs/numerics.md §6; `before` are zeros on the first step, `clip` is the factor on the gradient. */
const momentsAfter = (optimizer: Optimizer, step: number, before: readonly Float32Array[], weight: Float32Array, gradient: Float32Array, clip: number): Float32Array[] => {
  if (momentsOf(optimizer) === 0) return [];
  const decay = f32(optimizer.weightDecay);
  const coupled = optimizer.kind !== 'adamW' && optimizer.weightDecay !== 0;
  const clipped = clip === 1 ? gradient : gradient.map((value) => f32(value * clip));
  const g = coupled ? clipped.map((value, i) => f32(value + f32(decay * (weight[i] as number)))) : clipped;
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

/** Worst cases say little through the depth of a transformer; where ReLU turns over, probes may not look. */
const stepOf = (model: Model, weights: readonly Float32Array[], batch: ReferenceBatch): ReferenceStep =>
  (model.layers.some(({ kind }) => kind === 'norm' || kind === 'attention') ? probedStep : referenceStep)(model, weights, batch);

/** What is judged of a run. */
export interface Judged extends RunResult {
  /** The norm that the last step's report gave, where the gradient is clipped. */
  readonly gradientNorm?: number;
}

/** Judges step `step`, the last of `run`, which was run with `inspect`; and gives the state after it. */
export const judgeStep = (model: Model, options: TrainOptions, step: number, before: StateBefore, run: Judged): StepVerdicts & { readonly after: StateBefore } => {
  const { data, optimizer, batchSize, seed = 0 } = options;
  const { inspection, record } = run;
  if (inspection === undefined) throw new InvalidConfig({ what: 'a run without its inspection', hint: 'train with inspect: true' });
  const batch = gatherBatch(model, data, batchSize, step, seed);
  const reference = stepOf(model, before.weights, batch);
  const verdicts: Verdict[] = [
    worstWithin('losses of the steps before, as the shorter run had them', Float64Array.from(record.losses.slice(0, step)), { value: Float64Array.from(before.losses), bound: new Float64Array(step) }),
    // Without a valid label there is no mean: the machine says 0.
    worstWithin('loss', Float64Array.of(record.losses[step] ?? NaN), batch.labels.some((label) => label >= 0) ? reference.loss : { value: new Float64Array(1), bound: new Float64Array(1) }),
    ...deltaVerdicts(model, reference, inspection.deltas),
  ];
  const clip = clipOf(options, run, verdicts);
  const moments = model.parameters.map((spec) => {
    const gradient = get(inspection.gradients, spec.index).data, weight = get(before.weights, spec.index), was = get(before.moments, spec.index), own = optimizerFor(optimizer, spec);
    verdicts.push(worstWithin(`gradient of ${spec.name}`, gradient, get(reference.gradients, spec.index)));
    const factor = { norm: exact([0]), factor: exact([clip]) };
    verdicts.push(worstWithin(`weights ${spec.name} after the update`, get(run.weights, spec.index).data, referenceUpdate(own, step, { weight, moments: was }, gradient, factor).weight));
    return momentsAfter(own, step, was, weight, gradient, clip);
  });
  const reluInputs = model.layers.reduce((sum, layer) => sum + (layer.kind === 'relu' ? layer.features * batchSize : 0), 0);
  return { step, verdicts, kinks: reference.kinks.length, reluInputs, after: { weights: run.weights.map((tensor) => tensor.data), moments, losses: record.losses } };
};

/** The factor that the cluster's own norm gives, in fp32 after docs/numerics.md §6; the norm and the factor are judged. */
const clipOf = ({ clipNorm }: TrainOptions, { gradientNorm, inspection }: Judged, verdicts: Verdict[]): number => {
  if (clipNorm === undefined) return 1;
  if (gradientNorm === undefined || inspection === undefined) throw new InvalidConfig({ what: 'a clipped run without its gradientNorm', hint: "give that of the last step's report" });
  const quotient = f32(f32(clipNorm) / f32(gradientNorm + f32(1e-6))), own = quotient < 1 ? quotient : 1;
  const { norm, factor } = referenceClip(inspection.gradients.map((tensor) => tensor.data), clipNorm);
  verdicts.push(worstWithin('norm of the gradient', Float64Array.of(gradientNorm), norm), worstWithin('factor of the clipping', Float64Array.of(own), factor));
  return own;
};

/** Trains on a cluster of its own, which ends with the run. */
const trainOnce = async (shape: ClusterOptions, model: Model, options: TrainOptions): Promise<Judged> => {
  await using cluster = await Cluster.start(shape);
  const run = cluster.train(model, options);
  let norm: number | undefined;
  run.steps$.subscribe({ next: ({ gradientNorm }) => (norm = gradientNorm), error: () => {} });
  const result = await run.finished;
  return norm === undefined ? result : { ...result, gradientNorm: norm };
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
