/**
 * Sparsity as plain data: which weights are sparse, how their masks begin and how they change, with the ecosystem's names.
 *
 *   sparsity({ algorithm: 'rigl', sparsity: 0.9, … }) ─▶ Sparsity ─resolve (sparsity/plan.ts)─▶ one plan a sparse parameter
 *
 * A mask says which positions of a weight are stored; an absent position is no term of any sum (docs/numerics.md §14). Version v of a mask is the one that step v
 * reads. Not here: values of step-aware numbers (sparsity-values.ts), masks and algorithms (sparsity/), the oracle's (reference/), kernels.
 */
import { InvalidConfig } from '../util/errors.js';

/** A number that depends on the step; all but 'function' are plain data. */
export type Hyperparameter =
  | { readonly kind: 'constant'; readonly value: number }
  /** init + step · slope */
  | { readonly kind: 'linear'; readonly init: number; readonly slope: number }
  /** final − (final − init) · e^(step · gamma) */
  | { readonly kind: 'exponential'; readonly init: number; readonly gamma: number; readonly final: number }
  /** init · beta^step */
  | { readonly kind: 'power'; readonly init: number; readonly beta: number }
  /** From init down to minimum and back within 2 · halfPeriod steps, along a cosine. */
  | { readonly kind: 'cosine'; readonly init: number; readonly halfPeriod: number; readonly minimum: number }
  /** One value after the other, a new one at every update. */
  | { readonly kind: 'cycling'; readonly values: readonly number[] }
  | { readonly kind: 'function'; readonly at: (step: number) => number };

/** At which versions a mask is updated. */
export type UpdateSchedule =
  | { readonly kind: 'every'; readonly freq: number; readonly start: number; readonly stop: number | null }
  | { readonly kind: 'steps'; readonly steps: readonly number[] };

export type SparsityAlgorithm = 'static' | 'gmp' | 'set' | 'rigl';

/** A user's own first mask: 1 for every stored position, by dense index. */
export type MaskFunction = (parameter: { readonly name: string; readonly shape: readonly number[] }, weights: Float32Array) => Uint8Array;
export type MaskInit = 'random' | 'topk' | 'from_zeros' | 'checkerboard' | MaskFunction;

/** 'blocks': four consecutive outputs share their inputs (4×1). { n, m }: of m consecutive inputs of an output, n are stored. */
export type MaskPattern = 'unstructured' | 'blocks' | { readonly n: number; readonly m: number };

/** Runs of inputs (or outputs) that all hold the same number of stored positions. */
export interface MaskBalance {
  readonly axis: 'inputs' | 'outputs';
  readonly groups: number;
}

/** How some of the parameters are sparse; the first group that a parameter belongs to decides. */
export interface SparsityGroup {
  readonly algorithm: SparsityAlgorithm;
  /** Globs over parameter names; null: every linear weight whose name holds none of embedding, norm, lm_head. */
  readonly params: readonly string[] | null;
  readonly sparsity: Hyperparameter;
  readonly init: MaskInit;
  readonly update: UpdateSchedule;
  /** Share of the stored positions that an update drops (set, rigl). */
  readonly dropFraction: Hyperparameter;
  readonly pattern: MaskPattern;
  readonly balance: MaskBalance | null;
}

export type Sparsity = readonly SparsityGroup[];

/** A mask as tensors travel: which positions of a parameter are stored, 1 or 0 by dense index. */
export interface NamedMask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly mask: Uint8Array;
}

/** One update of one parameter's mask: behind it, step `version` reads the new one. */
export interface MaskUpdate {
  readonly version: number;
  readonly sparsity: number;
  readonly dropFraction: number;
}

/** All that a parameter's masks depend on besides weights and gradients: plain data. */
export interface SparseParameter {
  /** Index in graph order. */
  readonly parameter: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly algorithm: SparsityAlgorithm;
  readonly pattern: MaskPattern;
  readonly balance: MaskBalance | null;
  /** Ascending by version, those of the run's steps only. */
  readonly updates: readonly MaskUpdate[];
  /** Most positions that are stored at any time of the run. */
  readonly storedMax: number;
}

/** A number that depends on the step as it is given: itself, values that take turns at every update, a description, or a function of the step. */
export type HyperparameterLike = number | readonly number[] | Hyperparameter | ((step: number) => number);

/** What `sparsity` takes; everything but the sparsity has a default. */
export interface SparsityOptions {
  /** 'static' unless given. */
  readonly algorithm?: SparsityAlgorithm;
  /** Share of positions that are not stored, 0 … 1. Not needed for a pattern { n, m }, nor where the first mask says it all (static with from_zeros or a function). */
  readonly sparsity?: HyperparameterLike;
  /** Every step unless given. */
  readonly update?: { readonly freq?: number; readonly start?: number; readonly stop?: number | null } | { readonly steps: readonly number[] };
  /** Share of the stored positions that an update drops (set, rigl); 0.3 unless given. */
  readonly dropFraction?: HyperparameterLike;
  /** 'random' unless given; 'topk' for gmp. */
  readonly init?: MaskInit;
  /** Globs (* and ?) over parameter names. */
  readonly params?: string | readonly string[];
  /** 'unstructured' unless given. */
  readonly pattern?: MaskPattern;
  readonly balance?: MaskBalance;
}

const hyperparameter = (like: HyperparameterLike): Hyperparameter => {
  if (typeof like === 'number') return { kind: 'constant', value: like };
  if (typeof like === 'function') return { kind: 'function', at: like };
  return isList(like) ? { kind: 'cycling', values: like } : like;
};
const isList = (like: object): like is readonly number[] => Array.isArray(like);

/** How a field is called in errors: by its own path, or by that of a file it came from. */
export type FieldNames = (field: keyof SparsityGroup, part?: string) => string;

const refuse = (what: string, value: unknown, limit: unknown, hint?: string): InvalidConfig =>
  new InvalidConfig({ what, value: typeof value === 'function' ? 'a function' : (value ?? null), limit, ...(hint === undefined ? {} : { hint }) });
const isShare = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;
const isWhole = (value: unknown, low: number): boolean => Number.isSafeInteger(value) && Number(value) >= low;

const checkHyperparameter = (h: Hyperparameter, field: (part?: string) => string): void => {
  const finite = (parts: Readonly<Record<string, number>>): void => {
    for (const [part, value] of Object.entries(parts)) if (!Number.isFinite(value)) throw refuse(field(part), value, 'a finite number');
  };
  switch (h.kind) {
    case 'constant':
      if (!isShare(h.value)) throw refuse(field(), h.value, 'a number from 0 to 1');
      return;
    case 'linear':
      return finite({ init: h.init, slope: h.slope });
    case 'exponential':
      return finite({ init: h.init, gamma: h.gamma, final: h.final });
    case 'power':
      finite({ init: h.init });
      if (!(h.beta >= 0 && h.beta < Infinity)) throw refuse(field('beta'), h.beta, 'a number ≥ 0');
      return;
    case 'cosine':
      finite({ init: h.init, minimum: h.minimum });
      if (!(h.halfPeriod > 0 && h.halfPeriod < Infinity)) throw refuse(field('halfPeriod'), h.halfPeriod, 'a number above 0');
      return;
    case 'cycling': {
      if (!Array.isArray(h.values) || h.values.length === 0) throw refuse(field('values'), h.values, 'at least one number');
      const odd = h.values.findIndex((value) => !isShare(value));
      if (odd >= 0) throw refuse(field(`values[${odd}]`), h.values[odd], 'a number from 0 to 1');
      return;
    }
    case 'function':
      if (typeof h.at !== 'function') throw refuse(field(), h.at, 'a function of the step');
      return;
    default:
      h satisfies never;
      throw refuse(field('kind'), (h as { readonly kind?: unknown }).kind, 'constant, linear, exponential, power, cosine, cycling, function');
  }
};

const checkUpdate = (update: UpdateSchedule, field: FieldNames): void => {
  if (update.kind === 'steps') {
    if (!Array.isArray(update.steps) || update.steps.length === 0) throw refuse(field('update', 'steps'), update.steps, 'at least one step');
    const odd = update.steps.findIndex((step) => !isWhole(step, 0));
    if (odd >= 0) throw refuse(field('update', `steps[${odd}]`), update.steps[odd], 'a whole number ≥ 0');
    return;
  }
  if (!isWhole(update.freq, 1)) throw refuse(field('update', 'freq'), update.freq, 'a whole number ≥ 1');
  if (!isWhole(update.start, 0)) throw refuse(field('update', 'start'), update.start, 'a whole number ≥ 0');
  if (update.stop !== null && !isWhole(update.stop, update.start + 1)) throw refuse(field('update', 'stop'), update.stop, `a whole number above start ${update.start}, or null`);
};

const checkPattern = ({ algorithm, pattern, sparsity: wanted, balance }: SparsityGroup, field: FieldNames): void => {
  if (pattern === 'unstructured' || pattern === 'blocks') return;
  const { n, m } = typeof pattern === 'object' && pattern !== null ? pattern : { n: 0, m: 0 };
  if (!isWhole(m, 2) || !isWhole(n, 1) || n > m) throw refuse(field('pattern'), pattern, typeof pattern === 'object' ? 'n of m with 1 ≤ n ≤ m and m ≥ 2' : 'unstructured, blocks, or { n, m }');
  if (algorithm !== 'static' && algorithm !== 'gmp') throw refuse(`${field('algorithm')} with a pattern of ${n} of ${m}`, algorithm, 'static, gmp');
  if (wanted.kind !== 'constant' || Math.abs(wanted.value - (1 - n / m)) > 1e-6) throw refuse(`${field('sparsity')} with a pattern of ${n} of ${m}`, wanted.kind === 'constant' ? wanted.value : wanted.kind, 1 - n / m, 'leave it out');
  if (balance !== null) throw refuse(`${field('balance')} with a pattern of ${n} of ${m}`, balance, 'none', 'the pattern is balanced as it is');
};

/** Checks one group; `field` names its fields in errors. @throws InvalidConfig */
export const checkGroup = (group: SparsityGroup, field: FieldNames): void => {
  const { algorithm, params, init, balance } = group;
  if (!['static', 'gmp', 'set', 'rigl'].includes(algorithm)) throw refuse(field('algorithm'), algorithm, 'static, gmp, set, rigl');
  if (params !== null && (!Array.isArray(params) || params.length === 0 || params.some((glob) => typeof glob !== 'string' || glob === ''))) throw refuse(field('params'), params, 'one or more names, with * for any characters and ? for one');
  checkPattern(group, field);
  checkHyperparameter(group.sparsity, (part) => field('sparsity', part));
  if (algorithm === 'static' && group.sparsity.kind !== 'constant') throw refuse(`${field('sparsity')} of a static mask`, group.sparsity.kind, 'one number', 'take gmp, set or rigl for a sparsity that changes');
  checkHyperparameter(group.dropFraction, (part) => field('dropFraction', part));
  if (typeof init !== 'function' && !['random', 'topk', 'from_zeros', 'checkerboard'].includes(init)) throw refuse(field('init'), init, 'random, topk, from_zeros, checkerboard, or a function');
  checkUpdate(group.update, field);
  if (balance !== null && balance.axis !== 'inputs' && balance.axis !== 'outputs') throw refuse(field('balance', 'axis'), balance.axis, 'inputs, outputs');
  if (balance !== null && !isWhole(balance.groups, 1)) throw refuse(field('balance', 'groups'), balance.groups, 'a whole number ≥ 1');
};

/** How fields are called in errors, unless they came from a file. */
const ownNames = (prefix: string): FieldNames => (field, part) => `${prefix}.${field}${part === undefined ? '' : `.${part}`}`;

/** One group, checked; `field` names its fields in errors. @throws InvalidConfig */
export const sparsityGroup = (o: SparsityOptions, field: FieldNames = ownNames('sparsity')): SparsityGroup => {
  const { algorithm = 'static', pattern = 'unstructured', init = algorithm === 'gmp' ? 'topk' : 'random', update = {} } = o;
  if (algorithm === 'static' && o.update !== undefined) throw refuse(field('update'), o.update, 'gmp, set or rigl', 'a static mask stays as it begins: leave it out');
  if (algorithm !== 'set' && algorithm !== 'rigl' && o.dropFraction !== undefined) throw refuse(field('dropFraction'), o.dropFraction, 'set or rigl', `${algorithm} drops no share: leave it out`);
  const implied = typeof pattern === 'object' ? 1 - pattern.n / pattern.m : algorithm === 'static' && (init === 'from_zeros' || typeof init === 'function') ? 0 : undefined;
  const wanted = o.sparsity ?? implied;
  if (wanted === undefined) throw refuse(field('sparsity'), 'nothing', 'the share of positions that are not stored, from 0 to 1');
  const group: SparsityGroup = {
    algorithm, pattern, init,
    params: o.params === undefined ? null : typeof o.params === 'string' ? [o.params] : o.params,
    sparsity: hyperparameter(wanted),
    update: 'steps' in update ? { kind: 'steps', steps: update.steps } : { kind: 'every', freq: update.freq ?? 1, start: update.start ?? 0, stop: update.stop ?? null },
    dropFraction: hyperparameter(o.dropFraction ?? 0.3),
    balance: o.balance ?? null,
  };
  checkGroup(group, field);
  return group;
};

const nameOfGroup = (index: number, of: number): FieldNames => ownNames(of > 1 ? `sparsity[${index}]` : 'sparsity');

/** Checks what can be checked without a model. @throws InvalidConfig naming the field, the value and the limit */
export const checkSparsity = (groups: Sparsity): Sparsity => {
  if (!Array.isArray(groups) || groups.length === 0) throw refuse('groups of parameters that are sparse', groups, 'at least one');
  for (const [i, group] of groups.entries()) checkGroup(group, nameOfGroup(i, groups.length));
  return groups;
};

/** Which weights are sparse and how, as plain data: one group of parameters, or several of which the first that a parameter belongs to decides. @throws InvalidConfig */
export const sparsity = (options: SparsityOptions | readonly SparsityOptions[]): Sparsity => {
  const all = ([] as readonly SparsityOptions[]).concat(options);
  return checkSparsity(all.map((one, i) => sparsityGroup(one, nameOfGroup(i, all.length))));
};
