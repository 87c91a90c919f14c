/**
 * The view that a tile host has of its band during one micro-batch: which slabs are there, where buffers lie, what exists.
 *
 * Shared by the two ways to work a band off: sweep.ts (all tiles in one kernel call) and fabric.ts (tile by tile, by messages).
 * Not here: arithmetic.
 */
import { panelRowBytes } from '../../kernels/types.js';
import type { Kernels } from '../../kernels/types.js';
import type { BlockPlan, LinearPlan, LocalStep, NormPlan, Program } from '../../compiler/program.js';
import { assert } from '../../util/errors.js';
import { ceilDiv } from '../../util/units.js';
import { lanesIn, slabsOfSample, tokensIn, tokensInSlab, type BatchShape, type MicroBatch } from '../deal.js';
import type { ArenaPlan, BandPlan } from '../layout.js';
import { leafOf } from '../token-tree.js';

export interface Share {
  /** Slabs of the global batch that the band holds now, and the leaf of the first one. */
  readonly firstSlab: number;
  readonly firstLeaf: number;
  readonly slabs: number;
  /** Lane of the wafer's share at which the band begins. */
  readonly firstLane: number;
  /** Tokens that exist in them, and in each. */
  readonly tokens: number;
  readonly tokensOf: readonly number[];
  /** Slabs of a sample as the gradient kernel wants them: 0 where a sample is one token; and tokens of the last slab of a sample, or of the share. */
  readonly slabsPerSample: number;
  readonly lastTokens: number;
  /** Rows of the rectangle whose first lane is one of these: a row that two bands share counts once. */
  readonly rows: number;
  /** Step and whether it only evaluates: dropout depends on them. */
  readonly step: number;
  readonly evaluate: boolean;
}

/** What a way of working a band off needs to know. */
export interface BandContext {
  readonly program: Program;
  readonly arena: ArenaPlan;
  readonly band: BandPlan;
  readonly batch: BatchShape;
  readonly seed: number;
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** Whether a layer's weight is stored under a mask: its blocks are then sparse blocks (sparse-block.ts). */
  readonly isSparse: (linear: LinearPlan) => boolean;
}

/** The two ways to work a band off have one face. */
export interface BandWorker {
  forward(share: Share, linear: LinearPlan, block: BlockPlan, slot: number): void;
  /** `positions`: the weight slot that says where gradients are wanted, or −1: everywhere. */
  gradient(share: Share, linear: LinearPlan, block: BlockPlan, slot: number, positions: number): void;
  delta(share: Share, linear: LinearPlan, block: BlockPlan, slot: number): void;
  norm(share: Share, norm: NormPlan, slot: number): void;
  normGradient(share: Share, norm: NormPlan, slot: number): void;
  normDelta(share: Share, norm: NormPlan, slot: number): void;
  local(share: Share, step: LocalStep): void;
}

/** The band's part of its wafer's share of a micro-batch. */
export const shareOf = (band: Pick<BandPlan, 'wafer' | 'firstSlab' | 'slabs'>, program: Program, microBatch: MicroBatch, batch: BatchShape): Omit<Share, 'step' | 'evaluate'> => {
  const wafer = microBatch.wafers[band.wafer];
  assert(wafer !== undefined, `wafer ${band.wafer} is in the deal`);
  const { slabTokens, tokensPerSample } = batch;
  const slabs = Math.max(0, Math.min(band.slabs, wafer.count - band.firstSlab));
  const firstSlab = wafer.first + band.firstSlab, range = { first: firstSlab, count: slabs };
  // Between two samples every lane is there, whichever band holds it; at the end of the wafer's share the last ones may be missing.
  const lanes = band.firstSlab + slabs < wafer.count ? slabs * slabTokens : lanesIn(range, batch), firstLane = band.firstSlab * slabTokens;
  let rows = 0;
  for (let r = 0; r + 1 < program.rowEdges.length; r++) {
    const from = program.rowEdges[r] ?? 0, to = program.rowEdges[r + 1] ?? 0;
    if (to > from && from >= firstLane && from < firstLane + lanes) rows++;
  }
  const tokensOf = Array.from({ length: slabs }, (_, p) => tokensInSlab(firstSlab + p, batch));
  const isSequence = tokensPerSample > 1, together = slabsOfSample(batch);
  return {
    firstSlab, firstLeaf: leafOf(firstSlab, together), slabs, firstLane, tokens: tokensIn(range, batch), tokensOf, rows,
    slabsPerSample: isSequence ? together : 0, lastTokens: isSequence ? tokensPerSample - (together - 1) * slabTokens : (tokensOf[slabs - 1] ?? 0),
  };
};

/** Byte distance between the panels of a buffer. */
export const panelStride = (program: Program, buffer: number): number => (program.buffers[buffer]?.features ?? 0) * panelRowBytes;

/** Address of feature `feature` of the band's first panel of a buffer. */
export const bufferAt = (band: BandPlan, buffer: number, feature = 0): number => {
  const base = band.buffers[buffer];
  assert(base !== undefined, `buffer ${buffer} has a place`);
  return base + feature * panelRowBytes;
};

/** Columns of the rectangle that hold features of a buffer. */
export const columnsOf = (program: Program, buffer: number): number => {
  const edges = program.buffers[buffer]?.featureEdges ?? [];
  return edges.reduce((columns, edge, c) => columns + (c > 0 && edge > (edges[c - 1] as number) ? 1 : 0), 0);
};

/** Width of a gradient node of `outputs` columns. */
export const nodeWidth = (outputs: number, align: number): number => ceilDiv(outputs, align) * align;
