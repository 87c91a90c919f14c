/**
 * From a description of sparsity to one plan for each sparse parameter of a model: which are sparse, at which versions their masks change, and with what numbers.
 *
 *   Sparsity + Model + steps ─▶ filters, divisibility, values of schedules ─▶ SparseParameter (plain data), its group, and how its first mask begins
 *
 * Not here: checks that need no model (model/sparsity.ts), masks (init.ts, algorithms.ts).
 */
import type { Model, ParameterSpec } from '../model/graph.js';
import { checkSparsity, type MaskUpdate, type SparseParameter, type Sparsity, type SparsityGroup } from '../model/sparsity.js';
import { hyperparameterAt, updatesAt, updatesUpTo } from '../model/sparsity-values.js';
import { InvalidConfig, NotEmulated } from '../util/errors.js';
import { share, storedCount } from './cells.js';
import { matchesGlob } from './glob.js';

/** Most updates of one parameter's mask in a run. */
export const maskUpdatesMax = 1_000_000;

export interface ResolvedParameter {
  readonly plan: SparseParameter;
  readonly group: SparsityGroup;
  /** Sparsity of the first mask, f32; 0 where training starts dense. */
  readonly startSparsity: number;
  /** The first mask is all ones: a dynamic algorithm whose schedule does not contain version 0. */
  readonly startsDense: boolean;
}

/** Parameters whose names hold one of these are dense unless a filter asks for them. */
const denseByDefault = ['embedding', 'norm', 'lm_head'];

const mayBeSparse = ({ role, shape }: ParameterSpec): boolean => role === 'weight' && shape.length === 2;

const refuseParameter = ({ name, role, shape }: ParameterSpec, glob: string): Error =>
  role === 'table'
    ? new NotEmulated({ what: `a sparse table ${name}, or the layer tied to it`, where: 'sparsity.params', value: glob, limit: 'weights of linear layers', hint: 'let the filter match weights of linear layers alone' })
    : new InvalidConfig({ what: `${name} of shape [${shape.join(', ')}] cannot be sparse`, where: 'sparsity.params', value: glob, limit: 'weights of linear layers', hint: "end the filter with '.weight', or name the layers" });

/** The parameters that a group's filter matches. @throws InvalidConfig, NotEmulated */
const matched = (model: Model, { params }: SparsityGroup): ParameterSpec[] => {
  if (params === null) return model.parameters.filter((parameter) => mayBeSparse(parameter) && !denseByDefault.some((part) => parameter.name.includes(part)));
  const found = new Set<ParameterSpec>();
  for (const glob of params) {
    const hits = model.parameters.filter(({ name }) => matchesGlob(glob, name));
    if (hits.length === 0) throw new InvalidConfig({ what: 'a filter that matches no parameter', where: 'sparsity.params', value: glob, limit: `names like ${model.parameters.find(mayBeSparse)?.name ?? 'those of linear layers'}`, hint: 'the whole name must match: * stands for any characters' });
    for (const parameter of hits) {
      if (!mayBeSparse(parameter)) throw refuseParameter(parameter, glob);
      found.add(parameter);
    }
  }
  return model.parameters.filter((parameter) => found.has(parameter));
};

/** A parameter fits a group's pattern and balance. @throws InvalidConfig */
const checkShape = (name: string, inputs: number, outputs: number, { pattern, balance }: SparsityGroup): void => {
  const divides = (what: string, size: number, by: number): void => {
    if (size % by !== 0) throw new InvalidConfig({ what: `${name}: ${what}`, where: 'sparsity', value: size, limit: `a multiple of ${by}`, hint: 'leave this parameter out by a filter, or give it a group of its own' });
  };
  if (pattern === 'blocks') divides('outputs in blocks of 4', outputs, 4);
  if (typeof pattern === 'object') divides(`inputs in groups of ${pattern.m}`, inputs, pattern.m);
  if (balance === null) return;
  divides(`${balance.axis} in ${balance.groups} groups of one size`, balance.axis === 'inputs' ? inputs : outputs, balance.groups);
  if (pattern === 'blocks' && balance.axis === 'outputs') divides('outputs of a balance group, in blocks of 4', outputs / balance.groups, 4);
};

interface Times {
  readonly updates: readonly MaskUpdate[];
  readonly startSparsity: number;
  readonly startsDense: boolean;
}

/** The numbers of a group's updates: the same for all its parameters. @throws InvalidConfig */
const timesOf = ({ algorithm, sparsity, update, dropFraction }: SparsityGroup, steps: number): Times => {
  const value = (which: 'sparsity' | 'dropFraction', version: number, turn: number): number => hyperparameterAt(which === 'sparsity' ? sparsity : dropFraction, version, turn, `sparsity.${which}`);
  const drops = algorithm === 'set' || algorithm === 'rigl';
  const startsDense = algorithm !== 'static' && !updatesAt(update, 0);
  const startSparsity = startsDense ? 0 : value('sparsity', 0, 0);
  const versions = algorithm === 'static' ? [] : updatesUpTo(update, steps, maskUpdatesMax + 1);
  if (versions.length > maskUpdatesMax) throw new InvalidConfig({ what: `updates of a mask in ${steps} steps`, where: 'sparsity.update', value: `more than ${maskUpdatesMax}`, limit: maskUpdatesMax, hint: 'raise freq, or give a stop' });
  // A sparse start has used the first value of a cycle.
  const turns = startsDense ? 0 : 1;
  const updates = versions.map((version, i) => ({ version, sparsity: value('sparsity', version, i + turns), dropFraction: drops ? value('dropFraction', version, i) : 0 }));
  return { updates, startSparsity, startsDense };
};

type Shaped = Pick<SparseParameter, 'inputs' | 'outputs' | 'algorithm' | 'pattern' | 'balance' | 'updates'>;

/** Stored positions that a sparsity leaves. */
export const storedBy = ({ inputs, outputs, pattern, balance }: Omit<Shaped, 'algorithm' | 'updates'>, sparsity: number): number => {
  if (typeof pattern === 'object') return ((inputs * outputs) / pattern.m) * pattern.n;
  const lanes = pattern === 'blocks' ? 4 : 1, groups = balance?.groups ?? 1;
  return groups * lanes * storedCount(sparsity, (inputs * outputs) / lanes / groups);
};

/** Most positions stored at any time of a run whose first mask stores `first`. */
export const storedAtMost = (plan: Shaped, first: number): number => {
  const lanes = plan.pattern === 'blocks' ? 4 : 1, groups = plan.balance?.groups ?? 1, size = plan.inputs * plan.outputs;
  let stored = first, most = first;
  for (const { sparsity, dropFraction } of plan.updates) {
    const kept = plan.algorithm === 'gmp' ? 0 : Math.min(size, groups * lanes * share(dropFraction, stored / lanes / groups));
    stored = Math.max(kept, storedBy(plan, sparsity));
    most = Math.max(most, stored);
  }
  return most;
};

/**
 * One plan for each sparse parameter, in graph order.
 *
 * @throws InvalidConfig for a filter that matches nothing, shapes that pattern or balance do not divide, values outside 0 … 1, too many updates
 * @throws NotEmulated for a filter that asks for a table
 */
export const resolveSparsity = (model: Model, sparsity: Sparsity, steps: number): ResolvedParameter[] => {
  checkSparsity(sparsity);
  const resolved = new Map<number, ResolvedParameter>();
  for (const [i, group] of sparsity.entries()) {
    const all = matched(model, group), own = all.filter(({ index }) => !resolved.has(index));
    if (own.length === 0) {
      throw new InvalidConfig({ what: all.length === 0 ? 'no parameter of the model is sparse' : 'every parameter of this group belongs to one before it', where: `sparsity[${i}]`, hint: 'give a filter that matches weights of linear layers' });
    }
    const times = timesOf(group, steps);
    for (const { index, name, shape: [inputs = 0, outputs = 0] } of own) {
      checkShape(name, inputs, outputs, group);
      const { algorithm, pattern, balance, init } = group, { updates, startsDense, startSparsity } = times;
      const shaped = { parameter: index, inputs, outputs, algorithm, pattern, balance, updates };
      // What zeros and functions store is known when there are weights.
      const first = startsDense || init === 'from_zeros' || typeof init === 'function' ? inputs * outputs : storedBy(shaped, startSparsity);
      resolved.set(index, { plan: { ...shaped, storedMax: storedAtMost(shaped, first) }, group, startSparsity, startsDense });
    }
  }
  return [...resolved.values()].toSorted((a, b) => a.plan.parameter - b.plan.parameter);
};
