/**
 * Activation sparsity in a sweep: features that are zero for a whole slab, as ReLU leaves them, are skipped in the products that read them.
 *
 *   panel ─liveFeatures─▶ list ─▶ linearListed, where few enough are live and the weights are finite; linear elsewhere
 *
 * A product with a zero changes no sum as long as the weight is finite, so the choice never shows in a bit, and counts are those of all positions. Lists are made once
 * a pass. Not here: zeros that are scattered over tokens (a vector of tokens cannot skip one), sparse weights (sweep-sparse.ts).
 */
import type { BlockPlan } from '../../compiler/program.js';
import { liveListBytes } from '../../kernels/types.js';
import { roundUp } from '../../util/units.js';
import type { BandContext, Share } from './band.js';
import { eachRun } from './runs.js';
import type { Panels } from './sweep-sparse.js';

/** Share of live features below which the list is faster than all of them. */
const liveMax = 0.9;

export interface LiveSweep {
  /** As `linear` over the panels of `inp`, which has n features. Blocks of a pass follow each other, the first one first. */
  product(share: Share, block: BlockPlan, packed: number, n: number, out: Panels, inp: Panels): void;
}

export const liveSweep = ({ kernels: k, band }: BandContext): LiveSweep => {
  /** For each slab of the pass at hand, whether its list is short enough. */
  let isSparse: boolean[] = [];
  const listAt = (p: number, n: number): number => band.live + p * roundUp(liveListBytes(n), 16);
  return {
    product(share, { first, count: m }, packed, n, out, inp) {
      if (first === 0) isSparse = Array.from({ length: share.slabs }, (_, p) => k.liveFeatures(listAt(p, n), inp.address + p * inp.stride, n) < liveMax * n);
      const mayList = isSparse.includes(true) && k.allFinite(packed, n * m) === 1;
      eachRun(share.slabs, (p) => mayList && isSparse[p] === true, (listed, p, slabs) => {
        if (!listed) k.linear(out.address + p * out.stride, out.stride, inp.address + p * inp.stride, inp.stride, packed, n, m, slabs);
        else for (let q = p; q < p + slabs; q++) k.linearListed(out.address + q * out.stride, inp.address + q * inp.stride, packed, n, m, listAt(q, n));
      });
    },
  };
};
