/**
 * Weight blocks: how many outputs (or inputs) of a linear layer travel together.
 *
 * A block is all of the contracted dimension × a few results; large enough that a message costs nothing beside its arithmetic,
 * small enough to stay in a host's cache while every tile works on it. It never shows in a bit.
 */
import { ceilDiv, KiB } from '../util/units.js';
import type { BlockPlan } from './program.js';

const targetFloats = (512 * KiB) / 4;
/** A multiple of every register block in use (4, 5 and 16 columns). */
const step = 80;
const countMax = 320;

/** Classes in a block of a streamed head: a chunk of features, so that the sum over blocks is the sum over chunks (docs/numerics.md §1). */
export const headBlock = 256;

/** Splits `results` into blocks of `wanted`, the last one perhaps smaller. */
export const cut = (results: number, wanted: number): readonly BlockPlan[] =>
  Array.from({ length: ceilDiv(results, wanted) }, (_, b) => ({ first: b * wanted, count: Math.min(wanted, results - b * wanted) }));

/** Makes each list once: layers of one shape share theirs, however many they are. */
export class BlockLists {
  readonly #known = new Map<string, readonly BlockPlan[]>();

  /** Blocks of a linear layer, forward or delta. */
  linear(contracted: number, results: number): readonly BlockPlan[] {
    return this.#once(`${contracted}/${results}`, () => planBlocks(contracted, results));
  }

  /** Blocks of so many results each. */
  cut(results: number, wanted: number): readonly BlockPlan[] {
    return this.#once(`${results} by ${wanted}`, () => cut(results, wanted));
  }

  #once(key: string, make: () => readonly BlockPlan[]): readonly BlockPlan[] {
    const found = this.#known.get(key) ?? make();
    this.#known.set(key, found);
    return found;
  }
}

/** Splits `results` into blocks whose `contracted × count` floats come near the target. */
export const planBlocks = (contracted: number, results: number): readonly BlockPlan[] => {
  const wanted = Math.max(step, Math.min(countMax, Math.floor(targetFloats / contracted / step) * step));
  return cut(results, wanted);
};
