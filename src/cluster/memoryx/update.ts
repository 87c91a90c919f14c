/**
 * The update: one unit's share of a parameter, stretch by stretch, so that a unit that dies leaves nothing half done.
 *
 *   weights[s mod 2], gradient, moments ─▶ weights[(s+1) mod 2], moments in place
 *
 * Journal, three words for each parameter and unit: the step that is complete (s+1), the progress of the one under way as
 * stretches·2 + busy, and which step that is. Moments of a busy stretch are saved first. A step that is redone skips what its first try finished: the
 * gradient has the same bits, so the result has. Not here: scalars (scalars.ts), gradients (collect.ts).
 */
import type { Kernels } from '../../kernels/types.js';
import type { ParameterPlace } from '../layout.js';
import { stretchFloats } from '../layout.js';
import type { Optimizer } from '../../model/optimizer.js';
import { assert } from '../../util/errors.js';
import type { Scalars } from './scalars.js';

/** What an update reads and writes of a parameter: of a sparse one, what is stored under its mask. */
export interface UpdatePlace extends Pick<ParameterPlace, 'weights' | 'moments' | 'gradients' | 'tableRoot'> {
  /** The gradient is at hand at every position: the stored ones are taken from it. */
  readonly gathered?: { readonly dense: number; readonly positions: number };
}

export interface UpdateShare {
  readonly place: UpdatePlace;
  /** Floats first … first+count−1 of the parameter. */
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
}

/** Journal words of one parameter and unit. */
export const journalWords = 3;

const moveMoments = (share: UpdateShare, from: number, floats: number, back: boolean): void => {
  share.place.moments.forEach((moment, i) => {
    const home = moment + from * 4, saved = share.undo + i * stretchFloats * 4;
    share.kernels.copy(back ? home : saved, back ? saved : home, floats * 4);
  });
};

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

/** Does what is left of step `step` for this share. Returns the elements of the share, or 0 if an earlier try had finished it. */
export const updateShare = (share: UpdateShare, optimizer: Optimizer, scalars: Scalars, step: number): number => {
  const { journal } = share;
  const completed = Atomics.load(journal, 0);
  if (completed === step + 1) return 0;
  assert(completed === step, 'updates follow each other step by step');
  if (Atomics.load(journal, 2) !== step + 1) {
    Atomics.store(journal, 1, 0);
    Atomics.store(journal, 2, step + 1);
  }
  let progress = Atomics.load(journal, 1);
  for (let stretch = progress >> 1; stretch * stretchFloats < share.count; stretch++) {
    const from = share.first + stretch * stretchFloats;
    const floats = Math.min(stretchFloats, share.count - stretch * stretchFloats);
    if ((progress & 1) === 1) moveMoments(share, from, floats, true);
    else {
      moveMoments(share, from, floats, false);
      Atomics.store(journal, 1, stretch * 2 + 1);
    }
    apply(share, optimizer, scalars, step, from, floats);
    progress = (stretch + 1) * 2;
    Atomics.store(journal, 1, progress);
  }
  Atomics.store(journal, 0, step + 1);
  return share.count;
};

/** The step is skipped: weights go on as they are, moments stay. An earlier try changes nothing about it. */
export const keepShare = ({ place, kernels, first, count, journal }: UpdateShare, step: number): void => {
  const completed = Atomics.load(journal, 0);
  if (completed === step + 1) return;
  assert(completed === step, 'updates follow each other step by step');
  const [even, odd] = place.weights, [now, next] = step % 2 === 0 ? [even, odd] : [odd, even];
  kernels.copy(next + first * 4, now + first * 4, count * 4);
  Atomics.store(journal, 0, step + 1);
};

const apply = (share: UpdateShare, optimizer: Optimizer, s: Scalars, step: number, first: number, floats: number): void => {
  const { place, kernels } = share;
  const offset = first * 4;
  const now = (place.weights[step % 2 === 0 ? 0 : 1] as number) + offset, next = (place.weights[step % 2 === 0 ? 1 : 0] as number) + offset;
  const [m = 0, v = 0] = place.moments;
  const g = gradientStretch(kernels, place, first, floats, share.clip, share.stretch);
  if (optimizer.kind === 'sgd') {
    const flags = (optimizer.weightDecay !== 0 ? 1 : 0) + (optimizer.momentum !== 0 ? 2 : 0) + (s.isFirst ? 4 : 0) + (optimizer.nesterov ? 8 : 0);
    kernels.sgd(next, now, g, m + offset, floats, s.learningRate, s.momentum, s.oneMinusDampening, s.weightDecay, flags);
  } else {
    const flags = optimizer.kind === 'adamW' ? 2 : optimizer.weightDecay !== 0 ? 1 : 0;
    kernels.adam(next, now, g, m + offset, v + offset, floats, s.beta1, s.oneMinusBeta1, s.beta2, s.oneMinusBeta2, s.epsilon, s.stepSize, s.rootBias2, s.weightDecay, s.decay, flags);
  }
};
