/**
 * Where the nodes of a gradient block are while they rise: band → wafer → SwarmX tiers → MemoryX.
 *
 * A merge puts its result into the left node's buffer, so a node is always found where its lowest slab's band left its first part. Every
 * device derives from the deal which nodes it finds and which it merges. Not here: the additions, the messages.
 */
import type { BlockPlan, Program, StreamedPlan } from '../compiler/program.js';
import { nodeAlign, nodesMax, slabTokens } from '../kernels/types.js';
import { words } from '../tensor/shared-memory.js';
import { assert } from '../util/errors.js';
import { KiB, roundUp } from '../util/units.js';
import type { MicroBatch } from './deal.js';
import type { BandPlan, ClusterLayout } from './layout.js';
import { sparseGradientOf } from './masks.js';
import { leafOf, mergeNodes, nodesOfRange, type Merge, type TreeNode } from './token-tree.js';

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

/** Runs of `slabs` slabs from `firstSlab` on that lie in one aligned group of leaves: place in the share, and how many. A share no longer than a group is one run, wherever it lies. */
export const groupsOf = (firstSlab: number, slabs: number, together: number, group: number): { readonly p: number; readonly slabs: number }[] => {
  const groups: { p: number; slabs: number }[] = [];
  if (slabs <= group) return [{ p: 0, slabs }];
  for (let p = 0; p < slabs; p++) {
    const last = groups[groups.length - 1];
    if (last === undefined || Math.floor(leafOf(firstSlab + p, together) / group) !== Math.floor(leafOf(firstSlab + last.p, together) / group)) groups.push({ p, slabs: 1 });
    else last.slabs++;
  }
  return groups;
};

/** Slabs whose sparse gradient is formed at once: a lane of a vector each. */
export const quadSlabs = 4;

/** How full quads are, 0 … 1, over all bands of a micro-batch: a quad costs the same however many slabs are in it. */
export const quadFill = (bands: readonly BandPlan[], microBatch: MicroBatch, slabsPerSample: number): number => {
  let slabs = 0, quads = 0;
  for (const band of bands) {
    const wafer = microBatch.wafers[band.wafer], own = Math.max(0, Math.min(band.slabs, (wafer?.count ?? 0) - band.firstSlab));
    if (own === 0) continue;
    slabs += own;
    quads += groupsOf((wafer?.first ?? 0) + band.firstSlab, own, slabsPerSample, quadSlabs).length;
  }
  return quads === 0 ? 1 : slabs / (quads * quadSlabs);
};

/** Nodes that wait at most while a share of so many slabs is worked off group by group. */
export const waitingNodes = (slabs: number): number => 2 * nodesMax(slabs) + 2;

/** The part of a gradient block that belongs to one parameter: some rows of its nodes, and where they lie in the order in which the parameter's gradient is kept. */
export interface GradientPart {
  readonly parameter: number;
  /** First float of the part in a node, and distance of rows; `rows` of `cols` values each. */
  readonly from: number;
  readonly fromValues: number;
  readonly rows: number;
  readonly cols: number;
  /** Place of the first value, and distance of rows. */
  readonly firstValue: number;
  readonly rowValues: number;
}

export interface BlockShape {
  /** Floats of a node, with padding. */
  readonly floats: number;
  readonly nodeBytes: number;
  readonly width: number;
  /** Values that are no padding. */
  readonly elements: number;
  readonly parts: readonly GradientPart[];
}

const runOf = (plan: StreamedPlan, block: number): BlockPlan => {
  const run = plan.forwardBlocks[block];
  assert(run !== undefined, `block ${block} exists`);
  return run;
};

/**
 * Shape of the nodes of a gradient block, rows padded. Linear: inputs (and the bias) × the block's outputs; tied: the block's outputs × inputs;
 * norm: gain (and bias) × features.
 */
export const blockShape = (plan: StreamedPlan, block: number): BlockShape => {
  const run = runOf(plan, block);
  const { weight, bias, inputs, outputs } = plan;
  const turned = plan.kind !== 'norm' && plan.tied;
  const cols = turned ? inputs : run.count, weightRows = plan.kind === 'norm' ? 1 : turned ? run.count : inputs;
  const width = roundUp(cols, nodeAlign), rows = weightRows + (bias === null ? 0 : 1);
  const parts: GradientPart[] = [{ parameter: weight, from: 0, fromValues: width, rows: weightRows, cols, firstValue: turned ? run.first * inputs : run.first, rowValues: turned ? inputs : outputs }];
  if (bias !== null) parts.push({ parameter: bias, from: weightRows * width, fromValues: width, rows: 1, cols, firstValue: run.first, rowValues: outputs });
  return { floats: rows * width, nodeBytes: rows * width * 4, width, elements: rows * cols, parts };
};

/** A node of a sparse block: where its bias begins, in bytes, how wide that is, and floats in all. */
export const storedNode = ({ bias }: Pick<StreamedPlan, 'bias'>, run: BlockPlan, stored: number): { readonly biasAt: number; readonly width: number; readonly floats: number } => {
  const padded = roundUp(stored, nodeAlign), width = roundUp(run.count, nodeAlign);
  return { biasAt: padded * 4, width, floats: padded + (bias === null ? 0 : width) };
};

/** Shape of the nodes of a sparse block: its stored positions as they stream, then its bias. `firstPlace`: place of the first among all of the weight. */
export const storedShape = (plan: StreamedPlan, block: number, stored: number, firstPlace = 0): BlockShape => {
  const run = runOf(plan, block);
  const { weight, bias, outputs } = plan;
  const { biasAt, width, floats } = storedNode(plan, run, stored);
  const parts: GradientPart[] = [{ parameter: weight, from: 0, fromValues: 0, rows: 1, cols: stored, firstValue: firstPlace, rowValues: 0 }];
  if (bias !== null) parts.push({ parameter: bias, from: biasAt / 4, fromValues: width, rows: 1, cols: run.count, firstValue: run.first, rowValues: outputs });
  return { floats, nodeBytes: floats * 4, width, elements: stored + (bias === null ? 0 : run.count), parts };
};

/** Results of the widest block of a program, at least one vector of them. */
export const widestBlock = (program: Program): number => Math.max(nodeAlign, ...program.streamed.flatMap((plan) => plan.forwardBlocks.map(({ count }) => count)));

/** The block that stands in a gradient slot. */
export interface GradientWhere {
  readonly step: number;
  readonly streamed: number;
  readonly block: number;
  readonly slot: number;
}

/** Shape of the nodes in a gradient slot: a sparse block left the number of its stored positions there. */
export const shapeInSlot = (layout: ClusterLayout, { step, streamed, block, slot }: GradientWhere): BlockShape => {
  const plan = layout.program.streamed[streamed];
  assert(plan !== undefined, 'the block is in the program');
  const sparse = sparseGradientOf(layout, plan, step);
  if (sparse === null) return blockShape(plan, block);
  return storedShape(plan, block, words(layout.arenaMemory, layout.arena.gradientHeads + slot * 4, 1)[0] as number);
};

/** Address of a node in a gradient slot. */
export const nodeAddress = (bands: readonly BandPlan[], node: number, slot: number, shape: BlockShape): number => {
  const band = bands[Math.floor(node / nodesPerBand)];
  const base = band?.gradients[slot];
  assert(base !== undefined, `gradient slot ${slot} exists`);
  return base + (node % nodesPerBand) * shape.nodeBytes;
};
