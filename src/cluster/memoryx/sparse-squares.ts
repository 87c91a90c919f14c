/**
 * Leaves of the sum of squares of a sparse gradient, or of other values at its stored positions (docs/numerics.md §6): 1,024 consecutive positions of the dense index, of which the stored ones are terms.
 *
 *   stored places by ascending index ─▶ a stretch of the dense gradient, +0 where absent ─squareLeaves─▶ leaves      a square of +0 changes no sum
 *
 * Not here: dense gradients (unit.ts), the tree over leaves (coordinator/norm.ts).
 */
import { squareLeafFloats, type Kernels } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { stretchFloats } from '../layout.js';
import type { MaskInUse } from '../masks.js';
import type { UpdatePlace } from './share.js';

interface SquaresOf {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  /** Where the parameter's leaves go. */
  readonly squares: number;
  /** One stretch of room. */
  readonly stretch: number;
  readonly unit: number;
  readonly units: number;
  /** On the gradient. */
  readonly factor: number;
}

/** The first place in `byIndex` whose position is not below `position`. */
const firstFrom = (byIndex: Uint32Array, positions: Uint32Array, position: number): number => {
  let low = 0, high = byIndex.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((positions[byIndex[middle] as number] as number) < position) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** This unit's leaves; units take turns by stretches, so that every leaf is one unit's. `size`: positions, stored or not. */
export const sparseSquares = (of: SquaresOf, { gradients, gathered }: Pick<UpdatePlace, 'gradients' | 'gathered'>, { place, stored }: MaskInUse, size: number): void => {
  const positions = new Uint32Array(of.memory.buffer, place.positions, stored), byIndex = new Uint32Array(of.memory.buffer, place.byIndex, stored);
  const values = floats(of.memory, gathered?.dense ?? (gradients[0] as number), gathered === undefined ? stored : size);
  for (let from = of.unit * stretchFloats; from < size; from += of.units * stretchFloats) {
    const count = Math.min(stretchFloats, size - from), stretch = floats(of.memory, of.stretch, count);
    stretch.fill(0);
    for (let next = firstFrom(byIndex, positions, from); next < stored; next++) {
      const storedPlace = byIndex[next] as number, position = positions[storedPlace] as number;
      if (position >= from + count) break;
      stretch[position - from] = values[gathered === undefined ? storedPlace : position] as number;
    }
    if (of.factor !== 1) of.kernels.scale(of.stretch, of.stretch, of.factor, count);
    of.kernels.squareLeaves(of.squares + (from / squareLeafFloats) * 4, of.stretch, count);
  }
};
