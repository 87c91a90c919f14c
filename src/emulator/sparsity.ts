/**
 * Sparsity as a run has it: which parameters are sparse, their first masks, and what the record says of the last ones.
 *
 *   Sparsity, masks of a checkpoint ─▶ plans (layout) and first masks (cluster/store.ts) ─▶ … ─▶ masks, stored positions, load of the columns
 *
 * Not here: resolving filters and schedules (sparsity/plan.ts), choosing positions (sparsity/).
 */
import type { FirstMask } from '../cluster/store.js';
import type { Program } from '../compiler/program.js';
import type { Model, ParameterSpec } from '../model/graph.js';
import { initialize } from '../model/init.js';
import type { NamedMask, SparseParameter, Sparsity } from '../model/sparsity.js';
import { checkMask } from '../sparsity/check.js';
import { loadOfColumns } from '../sparsity/load.js';
import { firstMask, type NamedSparseParameter } from '../sparsity/init.js';
import { resolveSparsity, storedAtMost, type ResolvedParameter } from '../sparsity/plan.js';
import type { NamedTensor } from '../tensor/named.js';
import type { SparsityReport } from '../trace/record.js';
import { InvalidConfig } from '../util/errors.js';

export interface PlannedSparsity {
  readonly plans: readonly SparseParameter[];
  readonly firstMask: FirstMask;
}

const countOnes = (mask: Uint8Array): number => mask.reduce((sum, one) => sum + one, 0);
const named = (plan: SparseParameter, { name, shape }: ParameterSpec): NamedSparseParameter => ({ ...plan, name, shape });

const maskOf = ({ plan, group, startSparsity, startsDense }: ResolvedParameter, spec: ParameterSpec, weights: Float32Array, seed: number): Uint8Array =>
  startsDense ? new Uint8Array(spec.size).fill(1) : firstMask(group, named(plan, spec), weights, startSparsity, seed);

/** @throws InvalidConfig, NotEmulated */
export const planSparsity = (model: Model, sparsity: Sparsity | undefined, masks: readonly NamedMask[] | undefined, steps: number, seed: number, weights?: readonly NamedTensor[]): PlannedSparsity => {
  if (sparsity === undefined) {
    if (masks !== undefined && masks.length > 0) throw new InvalidConfig({ what: 'masks without a word on how they go on', where: 'masks', value: masks.length, hint: "give sparsity too, { algorithm: 'static' } to keep them" });
    return { plans: [], firstMask: () => new Uint8Array(0) };
  }
  const resolved = resolveSparsity(model, sparsity, steps), given = new Map<number, Uint8Array>();
  for (const { name, mask } of masks ?? []) {
    const found = resolved.find(({ plan }) => model.parameters[plan.parameter]?.name === name), spec = found && model.parameters[found.plan.parameter];
    if (found === undefined || spec === undefined) throw new InvalidConfig({ what: 'a mask of a parameter that is not sparse in this run', where: 'masks', value: name, limit: resolved.map(({ plan }) => model.parameters[plan.parameter]?.name).join(', '), hint: 'let a group of sparsity match it, or leave its mask out' });
    // A copy: what the caller does to its own later is not seen.
    given.set(spec.index, checkMask(named(found.plan, spec), mask));
  }
  // What zeros and functions store is known once there are weights; room is made for that much.
  for (const found of resolved) {
    const spec = model.parameters[found.plan.parameter], values = spec && weights?.[spec.index], { init } = found.group;
    if (spec === undefined || values === undefined || values.data.length !== spec.size || given.has(spec.index) || found.startsDense || (init !== 'from_zeros' && typeof init !== 'function')) continue;
    given.set(spec.index, maskOf(found, spec, values.data, seed));
  }
  return {
    plans: resolved.map(({ plan }) => {
      const mask = given.get(plan.parameter);
      return mask === undefined ? plan : { ...plan, storedMax: storedAtMost(plan, countOnes(mask)) };
    }),
    firstMask: (spec, weights) => {
      const found = resolved.find(({ plan }) => plan.parameter === spec.index);
      if (found === undefined) throw new InvalidConfig({ what: 'a parameter that is not sparse', value: spec.name });
      return given.get(spec.index) ?? maskOf(found, spec, weights, seed);
    },
  };
};

/** The masks that a description gives to weights before any step, in graph order: pruning at once. Weights are given, or drawn from the seed. @throws InvalidConfig, NotEmulated */
export const firstMasks = (model: Model, weights: readonly NamedTensor[] | undefined, sparsity: Sparsity, seed = 0): NamedMask[] =>
  resolveSparsity(model, sparsity, 0).map((resolved) => {
    const spec = model.parameters[resolved.plan.parameter] as ParameterSpec, given = weights?.[spec.index];
    if (weights !== undefined && (given?.name !== spec.name || given.data.length !== spec.size)) {
      throw new InvalidConfig({ what: `weights[${spec.index}]`, value: given?.name, limit: `${spec.name} of ${spec.size} values` });
    }
    const values = given?.data ?? new Float32Array(spec.size);
    if (given === undefined) initialize(spec, seed, values);
    return { name: spec.name, shape: spec.shape, mask: maskOf(resolved, spec, values, seed) };
  });

/** What a record says of the masks that a run ended with: how full they are, and how evenly the columns of tiles are loaded by them. */
export const reportSparsity = (model: Model, program: Program, masks: readonly NamedMask[]): SparsityReport[] =>
  masks.map(({ name, shape: [inputs = 0, outputs = 0], mask }) => {
    const layer = program.streamed.find((plan) => model.parameters[plan.weight]?.name === name), edges = program.buffers[layer?.x ?? -1]?.featureEdges ?? [0, inputs];
    return { name, size: mask.length, stored: countOnes(mask), imbalance: loadOfColumns(mask, inputs, outputs, edges).imbalance };
  });
