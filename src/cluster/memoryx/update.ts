/**
 * The update: one unit's share of a parameter, sweep by sweep and stretch by stretch, so that a unit that dies leaves nothing half done.
 *
 *   weights[s mod 2], gradient, moments ─▶ weights[(s+1) mod 2], moments in place
 *
 * Journal, three words for each parameter and unit: the sweeps that are complete, of all steps; the progress of the one under way as stretches·2 + busy; and which sweep that is,
 * from 1. Moments of a busy stretch are saved first. A step that is redone skips what its first try finished: the gradient has the same bits, so the result has.
 * Not here: what a sweep does (sweep.ts), scalars (scalars.ts), gradients (collect.ts).
 */
import { changedIn, sweepsOf } from '../sweeps.js';
import { stretchFloats } from '../layout.js';
import type { Optimizer } from '../../model/optimizer.js';
import { assert } from '../../util/errors.js';
import type { Scalars } from './scalars.js';
import { weightsIn, type Sweep, type UpdateShare } from './share.js';
import { sweepOf } from './sweep.js';

const moveMoments = (share: UpdateShare, moments: readonly number[], from: number, floats: number, back: boolean): void => {
  moments.forEach((moment, i) => {
    const home = moment + from * 4, saved = share.undo + i * stretchFloats * 4;
    share.kernels.copy(back ? home : saved, back ? saved : home, floats * 4);
  });
};

const stretchOf = (share: UpdateShare, stretch: number): { readonly from: number; readonly floats: number } =>
  ({ from: share.first + stretch * stretchFloats, floats: Math.min(stretchFloats, share.count - stretch * stretchFloats) });

/** Does what is left of sweep `sweep` of step `step` for this share. Returns the elements of the share behind its last sweep, else 0, and 0 if an earlier try had finished it. */
export const updateShare = (share: UpdateShare, optimizer: Optimizer, scalars: Scalars, step: number, sweep: number): number => {
  const { journal } = share, sweeps = sweepsOf(optimizer, share, share.mask !== null), turn = step * sweeps + sweep;
  const completed = Atomics.load(journal, 0);
  if (completed > turn && completed <= (step + 1) * sweeps) return 0;
  assert(completed === turn, 'updates follow each other step by step, and sweep by sweep');
  if (Atomics.load(journal, 2) !== turn + 1) {
    Atomics.store(journal, 1, 0);
    Atomics.store(journal, 2, turn + 1);
  }
  const work = sweepOf(share, optimizer, scalars, step, sweep);
  if (work.kind === 'whole') work.run();
  else byStretches(share, work, changedIn(optimizer, share, share.place.moments, sweep));
  Atomics.store(journal, 0, turn + 1);
  return sweep === sweeps - 1 ? share.count : 0;
};

/** The step is skipped: weights go on as they are, moments stay. An earlier try changes nothing about it. */
export const keepShare = ({ place, kernels, first, count, journal, shape, mask }: UpdateShare, optimizer: Optimizer, step: number): void => {
  const sweeps = sweepsOf(optimizer, { shape }, mask !== null), completed = Atomics.load(journal, 0);
  if (completed === (step + 1) * sweeps) return;
  assert(completed === step * sweeps, 'updates follow each other step by step');
  const { now, next } = weightsIn(place, step);
  kernels.copy(next + first * 4, now + first * 4, count * 4);
  Atomics.store(journal, 0, (step + 1) * sweeps);
};

const byStretches = (share: UpdateShare, work: Sweep & { readonly kind: 'stretches' }, moments: readonly number[]): void => {
  const { journal } = share;
  restoreBusy(share, moments);
  for (let stretch = Atomics.load(journal, 1) >> 1; stretch * stretchFloats < share.count; stretch++) {
    const { from, floats } = stretchOf(share, stretch);
    moveMoments(share, moments, from, floats, false);
    Atomics.store(journal, 1, stretch * 2 + 1);
    work.run(from, floats);
    Atomics.store(journal, 1, (stretch + 1) * 2);
  }
};

/** The sweep that a unit was at when it ended in the middle of a stretch, or null. */
export const busySweep = (journal: Int32Array, sweeps: number): { readonly step: number; readonly sweep: number } | null => {
  const turn = Atomics.load(journal, 2) - 1;
  return (Atomics.load(journal, 1) & 1) === 0 ? null : { step: Math.floor(turn / sweeps), sweep: turn % sweeps };
};

/** Brings the moments of a busy stretch back, so that the unit's room for them is free for other parameters. `moments`: those that the sweep changes. */
export const restoreBusy = (share: UpdateShare, moments: readonly number[]): void => {
  const progress = Atomics.load(share.journal, 1);
  if ((progress & 1) === 0) return;
  const { from, floats } = stretchOf(share, progress >> 1);
  moveMoments(share, moments, from, floats, true);
  Atomics.store(share.journal, 1, progress - 1);
};
