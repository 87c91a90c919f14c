/**
 * Wiring: spawns every actor of a run on its thread and hands the coordinator their refs.
 *
 *   a thread's bands under one tile host, each with its input lane · wafers with their first band · SwarmX nodes and MemoryX units dealt over the threads
 *
 * Not here: what actors say to each other (each device's protocol.ts), starting the threads (emulator/).
 */
import type { ActorSystem } from '../actor/system.js';
import type { TrainingData } from '../model/data.js';
import { actions, readCounts, type Counts } from '../trace/counts.js';
import type { CountsByDevice } from '../trace/record.js';
import type { Devices } from './devices.js';
import type { Ports } from './coordinator/ports.js';
import { dealBlocks, lanesPerShard, runsOfLane } from './flash-blocks.js';
import type { FlashProps } from './flash/lane.js';
import { deviceNumbers, type ClusterLayout } from './layout.js';
import { planTree, type FanIn } from './swarmx/tree.js';
import { piecesOf } from './tiers.js';

export interface WiringOptions {
  readonly layout: ClusterLayout;
  readonly system: ActorSystem<Devices>;
  readonly data: TrainingData;
  readonly evaluation: TrainingData | null;
  readonly seed: number;
  readonly fanIn: FanIn;
  readonly sweep: 'band' | 'tile';
  /** Threads that compute; those of flash come behind them. */
  readonly threads: number;
  /** The files of the flash tier, by shard; null where all of MemoryX is in DRAM. */
  readonly flash: { readonly files: readonly FlashProps['file'][]; readonly text: SharedArrayBuffer } | null;
}

/** Threads that flash needs. */
export const flashThreads = (shards: number): number => shards * lanesPerShard;

/** A few lanes for each shard, each on its own thread. */
const spawnLanes = (layout: ClusterLayout, system: ActorSystem<Devices>, { files, text }: NonNullable<WiringOptions['flash']>, firstThread: number): Ports['lanes'] => {
  const pieces = layout.tiers === null ? [] : piecesOf(layout.tiers).pieces, shards = files.length, { runs } = dealBlocks(pieces, shards);
  return files.flatMap((file, shard) => Array.from({ length: lanesPerShard }, (_, lane) => ({
    lane,
    has: (piece: number) => runsOfLane(runs[piece] ?? [], shard, lane).length > 0,
    ref: system.spawn({ name: `flash/${shard}/${lane}`, kind: 'flash', thread: firstThread + shard * lanesPerShard + lane, props: { file, pieces, shard, shards, lane, memories: layout.memoryXMemories, text } }),
  })));
};

/** Counter arrays that a run needs. */
export const devicesOf = (bands: number, numCsx: number, fanIn: FanIn, units: number): number => 2 * bands + planTree(numCsx, fanIn).length + numCsx + units;

export const wire = (o: WiringOptions): Ports => {
  const { layout, system } = o;
  const { bands } = layout.arena;
  const { numCsx } = layout.batch;
  const tree = planTree(numCsx, o.fanIn);
  const number = deviceNumbers(bands.length, tree.length, numCsx);
  const { threads } = o;
  const threadsOfBands = [...new Set(bands.map((band) => band.thread))];
  const threadOfWafer = (wafer: number): number => bands.find((band) => band.wafer === wafer)?.thread ?? 0;
  const groups = threadsOfBands
    .map((thread) => ({ thread, wafers: Array.from({ length: numCsx }, (_, w) => w).filter((w) => threadOfWafer(w) === thread) }))
    .filter(({ wafers }) => wafers.length > 0);
  return {
    hosts: threadsOfBands.map((thread) => ({ thread, ref: system.spawn({ name: `tileHost/${thread}`, kind: 'tileHost', thread, props: { layout, thread, sweep: o.sweep } }) })),
    inputs: bands.map((band) =>
      system.spawn({ name: `input/${band.wafer}/${band.firstSlab}`, kind: 'input', thread: band.thread, props: { layout, band: band.id, data: o.data, evaluation: o.evaluation, seed: o.seed, counter: number.input(band.id) } })),
    wafers: groups.map(({ thread, wafers }) => ({ wafers, ref: system.spawn({ name: `wafers/${thread}`, kind: 'wafer', thread, props: { layout, wafers: wafers.map((w) => ({ wafer: w, counter: number.wafer(w) })) } }) })),
    nodes: tree.map((node) =>
      system.spawn({ name: `swarmx/${node.tier}/${node.id}`, kind: 'swarmx', thread: node.id % threads, props: { layout, fanIn: o.fanIn, node: node.id, counter: number.node(node.id) } })),
    units: layout.memoryX.units.map((_, u) => system.spawn({ name: `memoryx/${u}`, kind: 'memoryx', thread: u % threads, props: { layout, unit: u, counter: number.unit(u) } })),
    lanes: o.flash === null ? [] : spawnLanes(layout, system, o.flash, threads),
  };
};

/** Counts of all devices, one behind the other, as plain data by device and in total. */
export const collectCounts = (layout: ClusterLayout, fanIn: FanIn, all: Float64Array): CountsByDevice => {
  const { bands } = layout.arena;
  const { numCsx } = layout.batch;
  const tree = planTree(numCsx, fanIn);
  const number = deviceNumbers(bands.length, tree.length, numCsx);
  const total = Object.fromEntries(actions.map((action) => [action, 0])) as Counts;
  const devices: Record<string, Counts> = {};
  const read = (name: string, device: number): void => {
    const counts = readCounts(all.subarray(device * actions.length, (device + 1) * actions.length));
    const before = devices[name];
    devices[name] = before === undefined ? counts : (Object.fromEntries(actions.map((a) => [a, before[a] + counts[a]])) as Counts);
    for (const action of actions) total[action] += counts[action];
  };
  for (const band of bands) {
    read(`tiles/${band.wafer}`, number.band(band.id));
    read(`input/${band.wafer}`, number.input(band.id));
  }
  for (let w = 0; w < numCsx; w++) read(`wafer/${w}`, number.wafer(w));
  for (const node of tree) read(`swarmx/${node.tier}/${node.id}`, number.node(node.id));
  layout.memoryX.units.forEach((_, u) => read('memoryx/0', number.unit(u)));
  return { total, devices };
};
