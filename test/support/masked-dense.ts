/**
 * Sparse training by dense means: a loop that knows nothing of sparse kernels, streams or stored forms.
 *
 *   weights with zeros ─one dense step on a dense cluster─▶ loss, dense gradients ─zeros where absent─▶ plain fp32 optimizer ─zeros where absent─▶ masks by the oracle
 *
 * A dense run of one step sees the data of step 0, so each step gets data whose first batch is the batch of that step. Not here: dropout, which is keyed by the step.
 */
import { followedUpdate } from '../../src/emulator/followed.js';
import type { FollowedState } from '../../src/emulator/followed-adaptive.js';
import type { Model, NamedMask, NamedTensor, TrainingData, TrainOptions } from '../../src/index.js';
import { sampleAt } from '../../src/model/data.js';
import { initialize } from '../../src/model/init.js';
import { momentSizes } from '../../src/model/moments.js';
import { optimizerFor } from '../../src/model/optimizer.js';
import { referenceFirstMask, referenceNextMask } from '../../src/reference/sparsity.js';
import { gatherBatch } from '../../src/reference/train.js';
import { resolveSparsity } from '../../src/sparsity/plan.js';
import { trainOn, type ClusterShape } from '../../src/testing/index.js';

const f32 = Math.fround, leafLength = 1024;

export interface MaskedStep {
  readonly loss: number;
  /** After the step, 0 where nothing is stored. */
  readonly weights: readonly NamedTensor[];
  readonly masks: readonly NamedMask[];
  readonly gradientNorm: number | null;
  /** Masks that differ from those before. */
  readonly changed: number;
}

/** Data whose batch of step 0 is that of step `step`. */
export const dataOfStep = (model: Model, data: TrainingData, batchSize: number, step: number, seed: number): TrainingData => {
  const { inputs, labels } = gatherBatch(model, data, batchSize, step, seed), input = model.layers[0], tokens = model.tokensPerSample;
  const width = tokens > 1 ? tokens : inputs.length / batchSize, perLabel = labels.length / batchSize;
  const placed = inputs.slice(), placedLabels = labels.slice();
  for (let position = 0; position < batchSize; position++) {
    const sample = sampleAt(batchSize, batchSize, 0, position, seed);
    placed.set(inputs.subarray(position * width, (position + 1) * width) as never, sample * width);
    placedLabels.set(labels.subarray(position * perLabel, (position + 1) * perLabel), sample * perLabel);
  }
  if (placed instanceof Float32Array) return { kind: 'features', inputs: placed, labels: placedLabels };
  return input?.kind === 'tokens' && tokens > 1 ? { kind: 'sequence', ids: placed, labels: placedLabels } : { kind: 'tokens', ids: placed, labels: placedLabels };
};

/** The global norm over the dense index (docs/numerics.md §6). */
const normOf = (gradients: readonly Float32Array[]): number => {
  const rootOf = (leaves: readonly number[]): number => {
    if (leaves.length === 1) return leaves[0] ?? 0;
    return rootOf(Array.from({ length: Math.ceil(leaves.length / 2) }, (_, i) => (leaves[2 * i + 1] === undefined ? (leaves[2 * i] ?? 0) : f32((leaves[2 * i] ?? 0) + (leaves[2 * i + 1] ?? 0)))));
  };
  const root = (gradient: Float32Array): number => rootOf(Array.from({ length: Math.ceil(gradient.length / leafLength) }, (_, leaf) => gradient.subarray(leaf * leafLength, (leaf + 1) * leafLength).reduce((sum, g) => f32(sum + f32(g * g)), 0)));
  return f32(Math.sqrt(gradients.reduce((total, gradient) => f32(total + root(gradient)), 0)));
};

const zeroed = (values: Float32Array, mask: Uint8Array | undefined): Float32Array => (mask === undefined ? values : values.map((value, i) => (mask[i] === 1 ? value : 0)));

/** `options.steps` steps of a sparse training, from its own first weights; `shape` is the dense cluster's. */
export const trainMasked = async (shape: ClusterShape, model: Model, options: TrainOptions): Promise<MaskedStep[]> => {
  const { data, optimizer, batchSize, steps, seed = 0, sparsity, clipNorm } = options, resolved = sparsity === undefined ? [] : resolveSparsity(model, sparsity, steps);
  const specs = model.parameters, firsts = specs.map((spec) => {
    const values = new Float32Array(spec.size), given = options.weights?.[spec.index];
    if (given === undefined) initialize(spec, seed, values);
    else values.set(given.data);
    return values;
  });
  let masks = new Map<number, Uint8Array>(resolved.map(({ plan, group, startSparsity, startsDense }): [number, Uint8Array] => {
    const spec = specs[plan.parameter], first = firsts[plan.parameter] ?? new Float32Array(0), given = options.masks?.find(({ name }) => name === spec?.name);
    if (given !== undefined) return [plan.parameter, given.mask];
    if (startsDense) return [plan.parameter, new Uint8Array(first.length).fill(1)];
    return [plan.parameter, typeof group.init === 'function' ? group.init({ name: spec?.name ?? '', shape: spec?.shape ?? [] }, first) : referenceFirstMask(group.init, plan, first, startSparsity, seed)];
  }));
  let state = firsts.map((values, p): FollowedState => ({ weight: zeroed(values, masks.get(p)), moments: momentSizes(optimizer, specs[p] ?? { shape: [] }).map((size) => new Float32Array(size)) }));
  const named = (): NamedTensor[] => specs.map(({ name, shape: of, index }) => ({ name, shape: of, data: state[index]?.weight ?? new Float32Array(0) }));
  const result: MaskedStep[] = [];
  for (let step = 0; step < steps; step++) {
    const once = { data: dataOfStep(model, data, batchSize, step, seed), optimizer, steps: 1, batchSize, seed, weights: named(), inspect: true };
    const { record, inspection } = await trainOn(shape, model, once);
    const dense = inspection?.gradients.map((tensor) => tensor.data) ?? [], gradients = dense.map((gradient, p) => zeroed(gradient, masks.get(p)));
    const norm = clipNorm === undefined ? null : normOf(gradients), quotient = norm === null ? 1 : f32(f32(clipNorm ?? 1) / f32(norm + f32(1e-6))), clip = quotient < 1 ? quotient : 1;
    const updated = specs.map((spec, p) => {
      const before = state[p] ?? { weight: new Float32Array(0), moments: [] };
      const { weight, moments } = followedUpdate(optimizerFor(optimizer, spec), step, before, gradients[p] ?? before.weight, clip, spec.shape);
      return { weight: zeroed(weight, masks.get(p)), moments: moments.map((moment) => zeroed(moment, masks.get(p))) };
    });
    const next = new Map([...masks].map(([p, mask]): [number, Uint8Array] => {
      const plan = resolved.find((one) => one.plan.parameter === p)?.plan, update = plan?.updates.find(({ version }) => version === step + 1);
      return [p, plan === undefined || update === undefined ? mask : referenceNextMask(plan, update, { mask, weights: updated[p]?.weight ?? new Float32Array(0), gradient: dense[p] ?? null }, seed)];
    }));
    // What was dropped is forgotten, and what is grown begins with nothing.
    state = updated.map(({ weight, moments }, p) => ({ weight: zeroed(weight, next.get(p)), moments: moments.map((moment) => zeroed(moment, next.get(p))) }));
    const changed = [...next].filter(([p, mask]) => masks.get(p)?.some((stored, i) => stored !== mask[i])).length;
    masks = next;
    const maskList = [...masks].flatMap(([p, mask]): NamedMask[] => {
      const spec = specs[p];
      return spec === undefined ? [] : [{ name: spec.name, shape: spec.shape, mask }];
    });
    result.push({ loss: record.losses[0] ?? NaN, weights: named(), masks: maskList, gradientNorm: norm, changed });
  }
  return result;
};
