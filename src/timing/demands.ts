/**
 * Demands: how long one execution of a pass keeps each resource busy; it takes as long as the busiest, for weights, sums and gradients move while tiles multiply. A layer's
 * gradient and the delta behind it run side by side and take as long as the busiest resource of both.
 *
 *   PassWork × MachineSpec ─▶ seconds of the fullest tile by part · of its busiest port · of the wafer's edge · of SwarmX · of MemoryX
 *
 * Term by term: docs/timing.md §2–6. Not here: how passes follow each other (step.ts).
 */
import type { MachineSpec } from '../spec/machine.js';
import type { PassOp, PassWork, Work } from '../trace/work.js';
import { spreadLatencyCycles, sumLatencyCycles } from './collectives.js';
import { vectorCycles, type Arithmetic } from './cycles.js';
import type { Cause, PassDemands } from './types.js';

/** Bytes of one execution over every link and tier, and the seconds that those of MemoryX are busy. */
export interface PassTraffic {
  readonly inBytes: number;
  readonly outBytes: number;
  /** Between MemoryX and SwarmX; rows of tables go by themselves. */
  readonly memoryXOutBytes: number;
  readonly memoryXInBytes: number;
  readonly rowOutBytes: number;
  readonly rowInBytes: number;
  readonly dramBytes: number;
  readonly flashBytes: number;
}

export interface PassCost {
  readonly seconds: number;
  readonly demands: PassDemands;
  readonly traffic: PassTraffic;
  /** The fill that `demands.overhead` has in it. */
  readonly fill: number;
  readonly bound: Cause;
}

/** Each of their AXPYs is started by an arriving weight and counted among the tasks. */
const startedByWeights: ReadonlySet<PassOp> = new Set(['linear.forward', 'linear.delta', 'head.max', 'head.sum', 'head.delta'] satisfies PassOp[]);
/** Every sum over a row is wanted in the whole row before anything can go on: a norm's, a loss's. */
const waitsForEachSum: ReadonlySet<PassOp> = new Set(['norm.forward', 'norm.delta', 'locals'] satisfies PassOp[]);
/** Their sums follow each other without waiting; the way there and back shows once. */
const waitsOnce: ReadonlySet<PassOp> = new Set(['attention', 'attention.delta', 'head.max', 'head.sum', 'head.delta'] satisfies PassOp[]);
const isAttention = (op: PassOp): boolean => op === 'attention' || op === 'attention.delta';
const isRows = (op: PassOp): boolean => op === 'gather' || op === 'scatter';

/** Share of MemoryX's state that its DRAM does not hold. */
export const flashShare = ({ stateBytes }: Pick<Work, 'stateBytes'>, { memoryX }: MachineSpec): number => (stateBytes <= memoryX.dramBytes ? 0 : 1 - memoryX.dramBytes / stateBytes);

/** Bytes of a pass. What reaches MemoryX of a weight's gradient is one sum, whatever nodes the token tree has beside it. */
const trafficOf = ({ op, inBytes, outBytes, memoryXOutBytes, memoryXInBytes }: PassWork, numCsx: number, onFlash: number): PassTraffic => {
  if (isRows(op)) {
    return { inBytes: Math.max(inBytes, memoryXOutBytes / numCsx), outBytes: Math.max(outBytes, memoryXInBytes / numCsx), memoryXOutBytes: 0, memoryXInBytes: 0, rowOutBytes: memoryXOutBytes, rowInBytes: memoryXInBytes, dramBytes: 0, flashBytes: 0 };
  }
  const up = outBytes > 0 ? Math.min(memoryXInBytes, outBytes) : memoryXInBytes, dramBytes = memoryXOutBytes + 2 * up;
  return { inBytes, outBytes, memoryXOutBytes, memoryXInBytes: up, rowOutBytes: 0, rowInBytes: 0, dramBytes, flashBytes: memoryXOutBytes * onFlash };
};

/** Cycles in which a pass's tiles wait for sums on their way along the row and back, with nothing else to do. */
const fillCycles = ({ op, columns, tile }: PassWork, machine: MachineSpec): number => {
  const sums = waitsForEachSum.has(op) ? tile.rowVectors : waitsOnce.has(op) ? Math.min(1, tile.rowVectors) : 0;
  return sums === 0 || columns <= 1 ? 0 : sums * (sumLatencyCycles(columns, machine) + spreadLatencyCycles(columns, machine));
};

/** Values that come by fabric and are stored before they are used: what is spread along a row, and keys and values. They travel as numbers of activations, as many as fit a word. */
const movedValues = ({ op, tile }: PassWork): number => Math.max(0, tile.waveletsEast - tile.rowValues) + (isAttention(op) ? tile.waveletsSouth : 0);

const wordBits = 32;

export const costOf = (pass: PassWork, work: Pick<Work, 'numCsx' | 'stateBytes'>, machine: MachineSpec, arithmetic: Arithmetic): PassCost => {
  const { core, fabric, wafer } = machine, { tile } = pass, cycle = 1 / wafer.clockHz;
  const length = tile.vectors > 0 ? tile.macs / tile.vectors : 0;
  const products = (tile.vectors * vectorCycles(core, arithmetic, length) * cycle) / core.streamedEfficiency;
  const tasks = startedByWeights.has(pass.op) ? Math.max(0, tile.tasks - tile.vectors) : tile.tasks;
  const fill = fillCycles(pass, machine) * cycle;
  const overhead = ((tile.vectors + tile.rowVectors + tile.elementVectors) * core.vectorOverheadCycles + tasks * core.taskCycles + movedValues(pass) * (arithmetic === 'fp32' ? 1 : 0.5) * core.fabricCyclesPerWord) * cycle + fill;
  const rowSums = tile.rowValues * (core.rowSumBits / wordBits) * core.fabricCyclesPerWord * cycle, columnSums = tile.columnValues * core.fabricCyclesPerWord * cycle;
  const elementwise = tile.elements * core.elementwiseCyclesPerValue * cycle;
  const tileDemands: TileDemands = {
    tile: products + overhead + rowSums + columnSums + elementwise,
    products, overhead, rowSums, columnSums, elementwise,
    fabric: ((tile.waveletsSouth + tile.waveletsEast + tile.waveletsNorth) * wordBits * cycle) / fabric.linkBitsPerCycle,
  };
  return costWith(tileDemands, trafficOf(pass, work.numCsx, flashShare(work, machine)), fill, work, machine);
};

type TileDemands = Pick<PassDemands, 'tile' | 'products' | 'overhead' | 'rowSums' | 'columnSums' | 'elementwise' | 'fabric'>;

/** What the bytes of a pass ask of links and MemoryX, beside what its tiles do. */
const costWith = (tile: TileDemands, traffic: PassTraffic, fill: number, { numCsx }: Pick<Work, 'numCsx'>, { swarmX, memoryX, wafer }: MachineSpec): PassCost => {
  const link = swarmX.lanes * swarmX.laneBytesPerSecond, rows = memoryX.rowBytesPerSecondPerCsx * numCsx;
  const demands: PassDemands = {
    ...tile,
    waferInput: traffic.inBytes / wafer.ioBytesPerSecond,
    waferOutput: traffic.outBytes / wafer.ioBytesPerSecond,
    swarmX: Math.max(traffic.inBytes, traffic.outBytes) / link,
    memoryX: Math.max(
      traffic.memoryXOutBytes / memoryX.outBytesPerSecond, traffic.memoryXInBytes / memoryX.inBytesPerSecond, traffic.rowOutBytes / rows, traffic.rowInBytes / rows,
      traffic.dramBytes / memoryX.dramBytesPerSecond, traffic.flashBytes / memoryX.flashBytesPerSecond,
    ),
  };
  const seconds = Math.max(demands.tile, demands.fabric, demands.waferInput, demands.waferOutput, demands.swarmX, demands.memoryX);
  return { seconds, demands, traffic, fill, bound: boundOf(demands, seconds) };
};

const added = <T extends Readonly<Record<keyof T, number>>>(a: T, b: T): T => Object.fromEntries((Object.keys(a) as (keyof T)[]).map((key) => [key, a[key] + b[key]])) as unknown as T;

/** Whether a pass runs beside the one that follows it: a gradient and the delta of the same layer need nothing of each other, and one only sends what the other only receives. */
export const isBeside = (first: PassOp, second: PassOp): boolean => (first === 'linear.gradient' && second === 'linear.delta') || (first === 'norm.gradient' && second === 'norm.delta');

/** Two passes side by side: each resource does the work of both. */
export const besideOf = (a: PassCost, b: PassCost, work: Pick<Work, 'numCsx'>, machine: MachineSpec): PassCost => costWith(added<TileDemands>(a.demands, b.demands), added(a.traffic, b.traffic), a.fill + b.fill, work, machine);

/** Parts of a tile's time by the cause that they stand for. */
export const tileParts = (d: PassDemands): readonly (readonly [Cause, number])[] => [['products', d.products], ['overhead', d.overhead], ['row sums', d.rowSums], ['column sums', d.columnSums], ['elementwise', d.elementwise]];

/** What a pass waits for that is no tile; the tile first among equals. */
const boundOf = (d: PassDemands, seconds: number): Cause => {
  if (d.tile >= seconds) return tileParts(d).reduce((most, part) => (part[1] > most[1] ? part : most))[0];
  const others: readonly (readonly [Cause, number])[] = [['fabric', d.fabric], ['wafer input', d.waferInput], ['wafer output', d.waferOutput], ['SwarmX', d.swarmX], ['MemoryX', d.memoryX]];
  return others.reduce((most, part) => (part[1] > most[1] ? part : most))[0];
};
