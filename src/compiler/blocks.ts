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

/** Splits `results` into blocks whose `contracted × count` floats come near the target. */
export const planBlocks = (contracted: number, results: number): BlockPlan[] => {
  const wanted = Math.max(step, Math.min(countMax, Math.floor(targetFloats / contracted / step) * step));
  const blocks = ceilDiv(results, wanted);
  return Array.from({ length: blocks }, (_, b) => ({ first: b * wanted, count: Math.min(wanted, results - b * wanted) }));
};
