/**
 * The verdict of the independent reference: a training on the cluster, judged step by step in f64 within a running error bound.
 *
 *   the cluster's weights before step k ─▶ reference step ─▶ loss, deltas, gradients ± bound   ◀─ the cluster's step k
 *   the cluster's own gradient of step k ─▶ reference norm ± bound                             ◀─ the cluster's norm, where it clips
 *   that gradient times its own factor   ─▶ reference update ─▶ weights ± bound                ◀─ the cluster's weights after it
 *   these weights and that gradient      ─▶ reference masks                                    ◀─ the cluster's masks, where weights are sparse
 *
 * Each step starts the reference anew from the cluster's bits, so errors do not pile up and the bounds stay tight; through the depth of a transformer they are
 * probed (reference/probed.ts). To see every step the cluster runs 1, 2, … steps; that these runs agree on the steps that they share is checked on the way.
 * Narrow types: weights are rounded by the reference's own code, and boundaries widen the bounds. A step that was skipped must have changed nothing.
 * Moments, and weights that a mask is about to drop, are followed in fp32 from the cluster's own gradients (followed.ts). A sparse weight is judged where its mask stores something, and
 * is exactly 0 elsewhere. Not here: the reference itself (reference/), which shares no code with the cluster.
 */
import type { Model } from '../model/graph.js';
import { initialize } from '../model/init.js';
import { momentSizes } from '../model/moments.js';
import { optimizerFor } from '../model/optimizer.js';
import { fullPrecision, type ScalingState } from '../model/precision.js';
import type { SparseParameter } from '../model/sparsity.js';
import { exact, type Bounded, type Values } from '../reference/bounded.js';
import { referenceClip } from '../reference/clip.js';
import { worstWithin, type Verdict } from '../reference/compare.js';
import { infinitesIn, narrowWeights } from '../reference/narrow.js';
import { probedStep } from '../reference/probed.js';
import { referenceNextMask } from '../reference/sparsity.js';
import { referenceStep, type ReferenceBatch, type ReferenceStep } from '../reference/step.js';
import { gatherBatch } from '../reference/train.js';
import { referenceUpdate } from '../reference/update.js';
import type { NamedTensor } from '../tensor/named.js';
import { InvalidConfig } from '../util/errors.js';
import { Cluster } from './cluster.js';
import { followedUpdate } from './followed.js';
import { keptVerdicts, scalingAfter, scalingBefore, scalingVerdicts, type ReportedScaling } from './judged-scaling.js';
import type { ClusterOptions, TrainOptions } from './options.js';
import type { Inspection, RunResult } from './run.js';
import { planSparsity } from './sparsity.js';

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
  /** By parameter, what is stored; null for dense ones. */
  readonly masks: readonly (Uint8Array | null)[];
  /** Losses of the steps before. */
  readonly losses: readonly number[];
  /** Where the loss scale stands; null where the loss is not scaled. */
  readonly scaling: ScalingState | null;
}

/** Values where a mask stores something, 0 elsewhere. */
const storedOf = <T extends Float32Array | Float64Array>(values: T, mask: Uint8Array | null): T => {
  const result = values.slice() as T;
  if (mask !== null) for (let i = 0; i < mask.length; i++) if (mask[i] === 0) result[i] = 0;
  return result;
};
/** The same of a reference's values: nothing else is allowed elsewhere. */
export const boundedOf = ({ value, bound }: Bounded, mask: Uint8Array | null): Bounded => (mask === null ? { value, bound } : { value: storedOf(value, mask), bound: storedOf(bound, mask) });

/** The state before the first step: the given weights, or the model's initializers under the seed; of sparse ones what the first masks store. */
export const firstState = (model: Model, options: TrainOptions): StateBefore => {
  const { plans, firstMask } = planSparsity(model, options.sparsity, options.masks, options.steps, options.seed ?? 0);
  const first = model.parameters.map((spec) => {
    const given = options.weights?.[spec.index]?.data, values = new Float32Array(spec.size);
    if (given === undefined) initialize(spec, options.seed ?? 0, values);
    else values.set(given);
    return { values, mask: plans.some(({ parameter }) => parameter === spec.index) ? firstMask(spec, values) : null };
  });
  const weights = first.map(({ values, mask }) => storedOf(values, mask));
  return { weights, moments: model.parameters.map((spec) => momentSizes(options.optimizer, spec).map((size) => new Float32Array(size))), masks: first.map(({ mask }) => mask), losses: [], scaling: scalingBefore(options.precision) };
};

/** Worst cases say little through the depth of a transformer; where ReLU turns over, probes may not look. */
const stepOf = (model: Model, weights: readonly Values[], batch: ReferenceBatch): ReferenceStep =>
  (model.layers.some(({ kind }) => kind === 'norm' || kind === 'attention') ? probedStep : referenceStep)(model, weights, batch);

/** What is judged of a run, with what the last step's report says. */
export interface Judged extends RunResult, ReportedScaling {
  /** The norm that the last step's report gave, where the gradient is clipped. */
  readonly gradientNorm?: number;
}

/** Judges step `step`, the last of `run`, which was run with `inspect`; and gives the state after it. */
export const judgeStep = (model: Model, options: TrainOptions, step: number, before: StateBefore, run: Judged): StepVerdicts & { readonly after: StateBefore } => {
  const { data, optimizer, batchSize, seed = 0, precision = fullPrecision } = options, { scaling } = before;
  const { inspection, record } = run;
  if (inspection === undefined) throw new InvalidConfig({ what: 'a run without its inspection', hint: 'train with inspect: true' });
  const batch: ReferenceBatch = { ...gatherBatch(model, data, batchSize, step, seed), activations: precision.activations, lossScale: scaling?.scale ?? 1 };
  const seen = narrowWeights(model, before.weights, precision, seed, step), reference = stepOf(model, seen, batch);
  const isFinite = allFinite(inspection), isSkipped = scaling !== null && !isFinite;
  const next = scaling === null ? null : scalingAfter(precision.lossScale, scaling, isFinite);
  const overflows = reference.overflows + infinitesIn(seen);
  const verdicts: Verdict[] = [
    ...scalingVerdicts(scaling, isSkipped, run),
    worstWithin('losses of the steps before, as the shorter run had them', Float64Array.from(record.losses.slice(0, step)), { value: Float64Array.from(before.losses), bound: new Float64Array(step) }),
  ];
  const weightsNow = run.weights.map((tensor) => tensor.data);
  if (isSkipped) {
    const masksNow = before.masks.map((mask, i) => (mask === null ? null : (run.masks.find(({ name }) => name === model.parameters[i]?.name)?.mask ?? null)));
    verdicts.push(...keptVerdicts(model.parameters.map(({ name }) => name), before.weights, weightsNow, overflows));
    before.masks.forEach((mask, i) => mask !== null && verdicts.push(worstWithin(`mask of ${model.parameters[i]?.name} behind the step that was skipped`, Float32Array.from(masksNow[i] ?? []), exact(mask))));
    return { step, verdicts, kinks: 0, reluInputs: 0, after: { ...before, losses: record.losses, scaling: next } };
  }
  if (!isFinite && overflows > 0) throw new InvalidConfig({ what: `step ${step} leaves the range of ${precision.weights}: the reference cannot judge it`, hint: 'scale the loss, or judge fewer steps' });
  verdicts.push(
    // Without a valid label there is no mean: the machine says 0.
    worstWithin('loss', Float64Array.of(record.losses[step] ?? NaN), batch.labels.some((label) => label >= 0) ? reference.loss : { value: new Float64Array(1), bound: new Float64Array(1) }),
    ...deltaVerdicts(model, reference, inspection.deltas),
  );
  const clip = clipOf(options, run, verdicts, scaling?.scale ?? 1), updates = scaling?.updates ?? step;
  const { plans } = planSparsity(model, options.sparsity, options.masks, options.steps, seed);
  const after = model.parameters.map((spec) => {
    const gradient = get(inspection.gradients, spec.index).data, mask = before.masks[spec.index] ?? null, own = optimizerFor(optimizer, spec), ours = get(run.weights, spec.index).data;
    const state = { weight: get(before.weights, spec.index), moments: get(before.moments, spec.index) }, dense = inspection.denseGradients.find(({ name }) => name === spec.name)?.data ?? null;
    verdicts.push(worstWithin(`gradient of ${spec.name}`, gradient, boundedOf(get(reference.gradients, spec.index), mask)));
    if (dense !== null) verdicts.push(worstWithin(`gradient of ${spec.name} at every position`, dense, get(reference.gradients, spec.index)));
    const followed = followedUpdate(own, step, state, gradient, clip, spec.shape, updates);
    const nextOne = nextMask(plans.find(({ parameter }) => parameter === spec.index), step, isFinite, { mask, weights: storedOf(followed.weight, mask), gradient: dense }, seed);
    /** What is stored before and behind the step; what was grown is 0. */
    const both = mask === null || nextOne === null ? null : mask.map((stored, i) => stored & (nextOne[i] ?? 0));
    const factor = { norm: exact([0]), factor: exact([clip]) };
    verdicts.push(worstWithin(`weights ${spec.name} after the update`, ours, boundedOf(referenceUpdate(own, step, { ...state, shape: spec.shape }, gradient, factor, updates).weight, both)));
    if (nextOne !== null) verdicts.push(worstWithin(`mask of ${spec.name} after the update`, Float32Array.from(run.masks.find(({ name }) => name === spec.name)?.mask ?? []), exact(nextOne)));
    return { moments: followed.moments.map((moment) => storedOf(moment, both)), mask: nextOne };
  });
  const reluInputs = model.layers.reduce((sum, layer) => sum + (layer.kind === 'relu' ? layer.features * batchSize : 0), 0);
  return { step, verdicts, kinks: reference.kinks.length, reluInputs, after: { scaling: next, weights: weightsNow, moments: after.map(({ moments }) => moments), masks: after.map(({ mask }) => mask), losses: record.losses } };
};

const allFinite = ({ gradients, denseGradients }: Inspection): boolean => [...gradients, ...denseGradients].every(({ data }) => data.every(Number.isFinite));

/** The mask behind a step, by the reference: a new one only where one is due and every gradient of the step is finite. */
const nextMask = (plan: SparseParameter | undefined, step: number, isFinite: boolean, { mask, ...state }: { readonly mask: Uint8Array | null; readonly weights: Float32Array; readonly gradient: Float32Array | null }, seed: number): Uint8Array | null => {
  const update = plan?.updates.find(({ version }) => version === step + 1);
  return plan === undefined || mask === null || update === undefined || !isFinite ? mask : referenceNextMask(plan, update, { mask, ...state }, seed);
};

/** The factor on a gradient with its loss scale: what the cluster's own norm gives, in fp32 after docs/numerics.md §6; the norm and the factor are judged. */
const clipOf = ({ clipNorm }: TrainOptions, { gradientNorm, inspection }: Judged, verdicts: Verdict[], scale: number): number => {
  if (clipNorm === undefined) return f32(1 / scale);
  if (gradientNorm === undefined || inspection === undefined) throw new InvalidConfig({ what: 'a clipped run without its gradientNorm', hint: "give that of the last step's report" });
  const quotient = f32(f32(clipNorm) / f32(gradientNorm + f32(1e-6))), own = quotient < 1 ? quotient : 1;
  const { norm, factor } = referenceClip(inspection.gradients.map((tensor) => (scale === 1 ? tensor.data : Float64Array.from(tensor.data, (g) => g / scale))), clipNorm);
  verdicts.push(worstWithin('norm of the gradient', Float64Array.of(gradientNorm), norm), worstWithin('factor of the clipping', Float64Array.of(own), factor));
  return f32(own / scale);
};

/** Trains on a cluster of its own, which ends with the run. */
const trainOnce = async (shape: ClusterOptions, model: Model, options: TrainOptions): Promise<Judged> => {
  await using cluster = await Cluster.start(shape);
  const run = cluster.train(model, options);
  let said: Pick<Judged, 'gradientNorm' | 'lossScale' | 'skipped'> = {};
  run.steps$.subscribe({ next: ({ gradientNorm, lossScale, skipped }) => (said = { ...(gradientNorm === undefined ? {} : { gradientNorm }), ...(lossScale === undefined ? {} : { lossScale }), ...(skipped === undefined ? {} : { skipped }) }), error: () => {} });
  return { ...(await run.finished), ...said };
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
