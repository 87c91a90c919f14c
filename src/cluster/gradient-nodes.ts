/**
 * Where the nodes of a gradient block are while they rise: band → wafer → SwarmX tiers → MemoryX.
 *
 * A merge puts its result into the left node's buffer, so a node is always found where its lowest slab's band left its first part. Every
 * device derives from the deal which nodes it finds and which it merges. Not here: the additions, the messages.
 */
import type { StreamedPlan } from '../compiler/program.js';
import { nodeAlign, nodesMax, slabTokens } from '../kernels/types.js';
import { assert } from '../util/errors.js';
import { KiB, ceilDiv } from '../util/units.js';
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
export const nodesOfBand = (band: BandPlan, microBatch: MicroBatch, slabsPerSample: number): readonly TreeNode[] => {
  const wafer = microBatch.wafers[band.wafer];
  assert(wafer !== undefined, `wafer ${band.wafer} is in the deal`);
  return nodesOfRange(wafer.first + band.firstSlab, Math.max(0, Math.min(band.slabs, wafer.count - band.firstSlab)), band.id * nodesPerBand, slabsPerSample);
};

/** What a wafer's column reduce leaves. */
export const nodesOfWafer = (bands: readonly BandPlan[], wafer: number, microBatch: MicroBatch, slabsPerSample: number): Gathered =>
  mergeNodes(bands.filter((band) => band.wafer === wafer).flatMap((band) => nodesOfBand(band, microBatch, slabsPerSample)), slabsPerSample);

/** What leaves SwarmX for a range of wafers whose own nodes are merged already. */
export const nodesAbove = (below: readonly (readonly TreeNode[])[], slabsPerSample: number): Gathered => mergeNodes(below.flat(), slabsPerSample);

/** Turned panels of a group stay in a core's second cache beside what passes over them. */
const groupBytes = 256 * KiB;

/** Leaves that are worked off together, a power of two, for nodes of that width. */
export const slabGroup = (width: number): number => {
  let group = 2;
  while (2 * group * slabTokens * width * 4 <= groupBytes) group *= 2;
  return group;
};

/** Nodes that wait at most while a share of so many slabs is worked off group by group. */
export const waitingNodes = (slabs: number): number => 2 * nodesMax(slabs) + 2;

/** The part of a gradient block that belongs to one parameter: some rows of its nodes, and where they lie in the parameter's dense index. */
export interface GradientPart {
  readonly parameter: number;
  /** Rows of the node: firstRow … firstRow+rows−1, of `cols` values each. */
  readonly firstRow: number;
  readonly rows: number;
  readonly cols: number;
  /** Dense index of the first value, and distance of rows. */
  readonly firstValue: number;
  readonly rowValues: number;
}

export interface BlockShape {
  readonly rows: number;
  readonly width: number;
  readonly nodeBytes: number;
  /** Values that are no padding. */
  readonly elements: number;
  readonly parts: readonly GradientPart[];
}

/**
 * Shape of the nodes of a gradient block, rows padded. Linear: inputs (and the bias) × the block's outputs; tied: the block's outputs × inputs;
 * norm: gain (and bias) × features.
 */
export const blockShape = (plan: StreamedPlan, block: number): BlockShape => {
  const run = plan.forwardBlocks[block];
  assert(run !== undefined, `block ${block} exists`);
  const { weight, bias, inputs, outputs } = plan;
  const turned = plan.kind !== 'norm' && plan.tied;
  const cols = turned ? inputs : run.count, weightRows = plan.kind === 'norm' ? 1 : turned ? run.count : inputs;
  const width = ceilDiv(cols, nodeAlign) * nodeAlign, rows = weightRows + (bias === null ? 0 : 1);
  const parts: GradientPart[] = [{ parameter: weight, firstRow: 0, rows: weightRows, cols, firstValue: turned ? run.first * inputs : run.first, rowValues: turned ? inputs : outputs }];
  if (bias !== null) parts.push({ parameter: bias, firstRow: weightRows, rows: 1, cols, firstValue: run.first, rowValues: outputs });
  return { rows, width, nodeBytes: rows * width * 4, elements: rows * cols, parts };
};

/** Address of a node in a gradient slot. */
export const nodeAddress = (bands: readonly BandPlan[], node: number, slot: number, shape: BlockShape): number => {
  const band = bands[Math.floor(node / nodesPerBand)];
  const base = band?.gradients[slot];
  assert(base !== undefined, `gradient slot ${slot} exists`);
  return base + (node % nodesPerBand) * shape.nodeBytes;
};
