/**
 * A unit's share of an update: what it reads and writes, and the gradient where it can be read.
 *
 * Not here: the journal (update.ts), what each optimizer does (sweep.ts, lamb.ts, adafactor.ts).
 */
import type { Kernels } from '../../kernels/types.js';
import type { ParameterPlace } from '../layout.js';
import type { MaskInUse } from '../masks.js';

/** What an update reads and writes of a parameter: of a sparse one, what is stored under its mask. */
export interface UpdatePlace extends Pick<ParameterPlace, 'weights' | 'moments' | 'gradients' | 'tableRoot'> {
  /** The gradient is at hand at every position: the stored ones are taken from it. */
  readonly gathered?: { readonly dense: number; readonly positions: number };
}

export interface UpdateShare {
  readonly place: UpdatePlace;
  /** Floats first … first+count−1 of the parameter; on leaves where the optimizer sums over it. */
  readonly first: number;
  readonly count: number;
  /** Address of room for `moments` stretches, and of room for one. */
  readonly undo: number;
  readonly stretch: number;
  /** Factor on the gradient; 1 leaves it as it is. */
  readonly clip: number;
  readonly kernels: Kernels;
  /** The three journal words. */
  readonly journal: Int32Array;
  readonly memory: WebAssembly.Memory;
  /** The parameter's dense shape. */
  readonly shape: readonly number[];
  /** Where its sums lie (cluster/sweeps.ts). */
  readonly statistics: number;
  readonly mask: MaskInUse | null;
  readonly unit: number;
  readonly units: number;
}

/** A sweep over a share: by stretches, of which it changes `moments` in place, or as a whole, which may be done again at any time. */
export type Sweep =
  | { readonly kind: 'stretches'; readonly run: (from: number, floats: number) => void }
  | { readonly kind: 'whole'; readonly run: () => void };

/** Weights of step `step` and of the next. */
export const weightsIn = ({ weights }: UpdatePlace, step: number): { readonly now: number; readonly next: number } => {
  const [even, odd] = weights;
  return step % 2 === 0 ? { now: even, next: odd } : { now: odd, next: even };
};

/** Whether the gradient can be read where it lies. */
export const liesReady = (place: UpdatePlace, factor: number): boolean => place.gathered === undefined && place.tableRoot === null && factor === 1;

/**
 * Where `floats` values of a parameter's gradient from `first` on can be read, times `factor`: in place, or summed and scaled in the unit's own stretch, so that doing
 * it again does nothing else.
 */
export const gradientStretch = (k: Kernels, place: UpdatePlace, first: number, count: number, factor: number, stretch: number): number => {
  if (place.gathered !== undefined) {
    k.gather(stretch, place.gathered.dense, place.gathered.positions + first * 4, count);
    if (factor !== 1) k.scale(stretch, stretch, factor, count);
    return stretch;
  }
  const gradient = (place.gradients[0] as number) + first * 4;
  if (place.tableRoot === null && factor === 1) return gradient;
  if (place.tableRoot !== null) k.add(stretch, gradient, place.tableRoot + first * 4, count);
  if (factor !== 1) k.scale(stretch, place.tableRoot === null ? gradient : stretch, factor, count);
  return stretch;
};
