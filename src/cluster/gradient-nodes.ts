/**
 * Where the nodes of a gradient block are while they rise: band → wafer → SwarmX tiers → MemoryX.
 *
 * A merge puts its result into the left node's buffer, so a node is always found where its lowest slab's band left its first part. Every
 * device derives from the deal which nodes it finds and which it merges. Not here: the additions, the messages.
 */
import type { LinearPlan } from '../compiler/program.js';
import { nodeAlign } from '../kernels/types.js';
import { assert } from '../util/errors.js';
import { ceilDiv } from '../util/units.js';
import type { MicroBatch } from './deal.js';
import type { BandPlan } from './layout.js';
import { mergeNodes, nodesOfRange, type Merge, type TreeNode } from './token-tree.js';

/** Most nodes of one band: slots are numbered band · nodesPerBand + ordinal. */
const nodesPerBand = 64;

/** Nodes and the merges that made them. */
export interface Gathered {
  readonly nodes: readonly TreeNode[];
  readonly merges: readonly Merge[];
}

/** What a band's hosts form in a micro-batch. */
export const nodesOfBand = (band: BandPlan, microBatch: MicroBatch): readonly TreeNode[] => {
  const wafer = microBatch.wafers[band.wafer];
  assert(wafer !== undefined, `wafer ${band.wafer} is in the deal`);
  return nodesOfRange(wafer.first + band.firstSlab, Math.max(0, Math.min(band.slabs, wafer.count - band.firstSlab)), band.id * nodesPerBand);
};

/** What a wafer's column reduce leaves. */
export const nodesOfWafer = (bands: readonly BandPlan[], wafer: number, microBatch: MicroBatch): Gathered =>
  mergeNodes(bands.filter((band) => band.wafer === wafer).flatMap((band) => nodesOfBand(band, microBatch)));

/** What leaves SwarmX for a range of wafers whose own nodes are merged already. */
export const nodesAbove = (below: readonly (readonly TreeNode[])[]): Gathered => mergeNodes(below.flat());

export interface BlockShape {
  readonly rows: number;
  readonly width: number;
  readonly nodeBytes: number;
}

/** Shape of the nodes of a gradient block: inputs (and the bias) × outputs, padded. */
export const blockShape = (linear: LinearPlan, block: number): BlockShape => {
  const plan = linear.forwardBlocks[block];
  assert(plan !== undefined, `block ${block} exists`);
  const width = ceilDiv(plan.count, nodeAlign) * nodeAlign;
  const rows = linear.inputs + (linear.bias === null ? 0 : 1);
  return { rows, width, nodeBytes: rows * width * 4 };
};

/** Address of a node in a gradient slot. */
export const nodeAddress = (bands: readonly BandPlan[], node: number, slot: number, shape: BlockShape): number => {
  const band = bands[Math.floor(node / nodesPerBand)];
  const base = band?.gradients[slot];
  assert(base !== undefined, `gradient slot ${slot} exists`);
  return base + (node % nodesPerBand) * shape.nodeBytes;
};
