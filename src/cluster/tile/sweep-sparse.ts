/**
 * Sweeping a sparse block over the panels of a band: products at the stored positions alone.
 *
 *   stored form ─▶ linearStored or linearFourRow         dense form ─▶ linear, for panels that are known to be finite; the others by the stored form
 *
 * All give the same bits: over finite activations a weight of +0 changes no sum (docs/numerics.md §14). Not here: gradients (gradient-sparse.ts), tile by tile (fabric.ts).
 */
import type { BlockPlan } from '../../compiler/program.js';
import { slabTokens } from '../../kernels/types.js';
import { readSparseBlock, type SparseBlock } from '../sparse-block.js';
import type { BandContext, Share } from './band.js';
import { eachRun } from './runs.js';

/** Panels of a buffer, a slab each. */
export interface Panels {
  readonly address: number;
  readonly stride: number;
}

export interface SparseSweep {
  /** Forms a block's results from `inp`, which has n features. Blocks of a pass follow each other, the first one first. */
  product(share: Share, block: BlockPlan, slot: number, known: { readonly n: number; readonly bias: boolean }, out: Panels, inp: Panels): SparseBlock;
}

export const sparseSweep = ({ kernels: k, memory }: BandContext): SparseSweep => {
  /** For each slab of the pass at hand, whether its panel is finite; found out when it is first asked for. */
  let finite: (boolean | undefined)[] = [];
  const isFinite = (p: number, n: number, inp: Panels): boolean => (finite[p] ??= k.allFinite(inp.address + p * inp.stride, n * slabTokens) === 1);

  const stored = (block: SparseBlock, out: number, outStride: number, inp: number, inpStride: number, panels: number): void =>
    (block.lanes === 4 ? k.linearFourRow : k.linearStored)(out, outStride, inp, inpStride, block.valuesAt, block.indicesAt, block.startsAt, block.n, block.m, panels);

  return {
    product(share, { first, count }, slot, { n, bias }, out, inp) {
      if (first === 0) finite = [];
      const block = readSparseBlock(memory, slot, { n, m: count, values: true, bias });
      if (!block.dense) {
        stored(block, out.address, out.stride, inp.address, inp.stride, share.slabs);
        return block;
      }
      eachRun(share.slabs, (p) => isFinite(p, n, inp), (isDense, p, slabs) => {
        const to = out.address + p * out.stride, x = inp.address + p * inp.stride;
        if (isDense) k.linear(to, out.stride, x, inp.stride, block.denseAt, n, count, slabs);
        else stored(block, to, out.stride, x, inp.stride, slabs);
      });
      return block;
    },
  };
};
