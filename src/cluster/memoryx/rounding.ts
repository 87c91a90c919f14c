/**
 * Rounding on the way out of MemoryX: master weights stay f32, what leaves is numbers of a narrow type (docs/numerics.md §15).
 *
 *   to nearest: behind packing, in place          by chance: before it, element by element, so that every block of a step sends the same number for a weight
 *
 * A weight's word is keyed by seed, step, parameter and dense index, and by nothing else. Not here: packing (dense-send.ts, sparse-send.ts, embedding.ts).
 */
import { roundKinds, type Kernels } from '../../kernels/types.js';
import { purposes, streamKey } from '../../util/prng.js';
import type { ClusterLayout } from '../layout.js';

/** A part of a weight tensor: rows of `cols` values, `stride` bytes apart; `first`: the dense index of the first one. The row stride is the tensor's own. */
export interface Region {
  readonly at: number;
  readonly stride: number;
  readonly rows: number;
  readonly cols: number;
  readonly first: number;
}

/** Which parameter, and the step that reads it. */
export interface Drawn {
  readonly parameter: number;
  readonly step: number;
}

export interface WeightRounding {
  readonly byChance: boolean;
  /** Values that lie together, in place, to nearest even. */
  nearest(k: Kernels, x: number, count: number): void;
  /** A region by chance, its rows packed together at dst. */
  region(k: Kernels, dst: number, region: Region, drawn: Drawn): void;
  /** Values in place by chance; `index`: their dense indices, u32. */
  listed(k: Kernels, x: number, index: number, count: number, drawn: Drawn): void;
}

/** Null where weights leave as they are. */
export const weightRounding = ({ program, precision, seed }: ClusterLayout): WeightRounding | null => {
  const { weights } = program.numbers;
  if (weights === 'float32') return null;
  const kind = roundKinds[weights], keys = program.model.parameters.map(({ index }) => streamKey(seed, purposes.rounding, index));
  const keyOf = ({ parameter }: Drawn) => keys[parameter] ?? { key0: 0, key1: 0 };
  return {
    byChance: precision.stochasticRounding,
    nearest: (k, x, count) => k.roundTo(x, count, kind),
    region(k, dst, { at, stride, rows, cols, first }, drawn) {
      const { key0, key1 } = keyOf(drawn);
      k.roundByChance(dst, cols * 4, at, stride, rows, cols, first, drawn.step, key0, key1, kind);
    },
    listed(k, x, index, count, drawn) {
      const { key0, key1 } = keyOf(drawn);
      k.roundListed(x, index, count, drawn.step, key0, key1, kind);
    },
  };
};
