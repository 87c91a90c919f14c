/**
 * What all laws of kernels share: the builds, and a drawn comparison of kernel and twin over whole memories.
 *
 * Not here: shapes and calls (test/laws/kernels*.test.ts), the two memories (test/unit/kernels/arena.ts).
 */
import { test } from 'node:test';
import fc from 'fast-check';
import { kernelPlan, type KernelPlan } from '../../src/kernels/load.js';
import { Arena, planOf } from '../unit/kernels/arena.js';

const chosen = kernelPlan();
/** Both builds as they are, and the wide one with paired operations where this host takes it. */
export const builds: readonly { readonly name: string; readonly plan: KernelPlan }[] = [
  { name: '128 bits', plan: planOf('128') },
  { name: '256 bits', plan: planOf('256') },
  ...(chosen.name === 'simd256' ? [{ name: '256 bits, paired', plan: chosen }] : []),
];

/** Declares a test: for drawn shapes `run` fills blocks of the arena and calls kernels on both sides. */
export type Law = <T extends object>(name: string, numRuns: number, shape: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }, run: (s: T) => void) => void;

/** `aSpice`: one value in so many is special; 0: none. */
export const lawOf = (build: string, arena: Arena, options: { readonly seed: number; readonly aSpice: fc.Arbitrary<number> }): Law => (name, numRuns, shape, run) => {
  test(`${build}: ${name} equals its twin`, () => {
    fc.assert(
      fc.property(fc.record(shape as never), fc.integer(), options.aSpice, (s, dataSeed, spice) => {
        arena.reset(dataSeed, spice);
        run(s as never);
      }),
      { seed: options.seed, numRuns },
    );
  });
};
