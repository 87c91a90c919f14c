/**
 * Sparsity as plain data: which weights are sparse, how their masks begin and how they change, with the ecosystem's names.
 *
 *   sparsity({ algorithm: 'rigl', sparsity: 0.9, … }) ─▶ Sparsity ─resolve (sparsity/plan.ts)─▶ one plan a sparse parameter
 *
 * A mask says which positions of a weight are stored; an absent position is no term of any sum (docs/numerics.md §14). Version v of a mask is the one that step v
 * reads. Not here: masks and algorithms (sparsity/), the oracle's (reference/), kernels.
 */

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
