/**
 * What both ways to work a band off share of the local steps: which kernel an elementwise step is, and the global numbers that dropout and rotary positions go by.
 *
 * Not here: which tokens and features (sweep.ts, fabric.ts).
 */
import type { LocalStep } from '../../compiler/program.js';
import { roundKinds, type Kernels } from '../../kernels/types.js';
import { purposes, randomWord, streamKey } from '../../util/prng.js';
import { slabsOfSample, type BatchShape } from '../deal.js';

export type ElementwiseStep = Extract<LocalStep, { op: 'relu' | 'gelu' | 'add' | 'reluDelta' | 'geluDelta' | 'round' }>;

/** Runs an elementwise step over `count` floats; `at` gives the address of a buffer's part. */
export const elementwise = (k: Kernels, step: ElementwiseStep, at: (buffer: number) => number, count: number): void => {
  switch (step.op) {
    case 'relu':
      k.relu(at(step.y), at(step.x), count);
      return;
    case 'gelu':
      k[step.approximation === 'tanh' ? 'gelu' : 'geluErf'](at(step.y), at(step.x), count);
      return;
    case 'add':
      k.add(at(step.y), at(step.x), at(step.branch), count);
      return;
    case 'reluDelta':
      k.reluDelta(at(step.dst), at(step.d), at(step.y), count);
      return;
    case 'geluDelta':
      k[step.approximation === 'tanh' ? 'geluDelta' : 'geluErfDelta'](at(step.dst), at(step.d), at(step.x), count);
      return;
    case 'round':
      k.roundTo(at(step.x), count, roundKinds[step.to]);
      return;
    default:
      step satisfies never;
  }
};

/** Buffers that an elementwise step reads, in the order of its kernel's arguments, and the one that it writes. */
export const operandsOf = (step: ElementwiseStep): { readonly reads: readonly number[]; readonly writes: number } => {
  switch (step.op) {
    case 'relu':
    case 'gelu':
      return { reads: [step.x], writes: step.y };
    case 'add':
      return { reads: [step.x, step.branch], writes: step.y };
    case 'reluDelta':
      return { reads: [step.d, step.y], writes: step.dst };
    case 'geluDelta':
      return { reads: [step.d, step.x], writes: step.dst };
    case 'round':
      return { reads: [step.x], writes: step.x };
  }
};

/** Slab `slab` of the global batch begins at this place of its sample. */
export const placeOf = (batch: BatchShape, slab: number): number => (batch.tokensPerSample === 1 ? 0 : (slab % slabsOfSample(batch)) * batch.slabTokens);

/** Number of the slab's first token in the global batch. */
export const firstTokenOf = (batch: BatchShape, slab: number): number =>
  batch.tokensPerSample === 1 ? slab * batch.slabTokens : Math.floor(slab / slabsOfSample(batch)) * batch.tokensPerSample + placeOf(batch, slab);

/** A dropout's random stream at a step, and what it keeps (docs/numerics.md §3). */
export const dropoutKeys = (seed: number, step: number, { layer, rate }: { readonly layer: number; readonly rate: number }) => ({
  ...streamKey(seed, purposes.dropout, randomWord(seed, purposes.dropout, step, layer)),
  threshold: Math.floor(rate * 2 ** 32),
  scale: Math.fround(1 / (1 - rate)),
});
