/** Bytes and occupancy of every link and tier in one step. Not here: which of them binds (demands.ts). */
import type { MachineSpec } from '../spec/machine.js';
import type { Work } from '../trace/work.js';
import { arithmeticOf } from './cycles.js';
import type { PassTraffic } from './demands.js';
import { sramBytesOf } from './energy.js';
import type { Step } from './step.js';
import type { Occupancy, Price } from './types.js';

const waveletBytes = 4;

const occupancy = (name: string, bytes: number, bytesPerSecond: number, seconds: number): Occupancy => ({ name, bytes, bytesPerSecond, occupancy: seconds === 0 ? 0 : bytes / bytesPerSecond / seconds });

/** The wafer's edge, one SwarmX link, MemoryX's ports, and the links of the fullest tile. */
export const linksOf = (work: Work, { wafer, swarmX, memoryX, fabric }: MachineSpec, { costs, times, seconds }: Step): Occupancy[] => {
  const sum = (of: (pass: number) => number): number => costs.reduce((total, _, i) => total + of(i) * (times[i] as number), 0);
  const moved = (link: keyof PassTraffic): number => sum((i) => (costs[i] as { readonly traffic: PassTraffic }).traffic[link]);
  const tile = (link: 'waveletsSouth' | 'waveletsEast' | 'waveletsNorth'): number => sum((i) => work.passes[i]?.tile[link] ?? 0) * waveletBytes;
  const link = swarmX.lanes * swarmX.laneBytesPerSecond, rows = memoryX.rowBytesPerSecondPerCsx * work.numCsx, port = (fabric.linkBitsPerCycle / 8) * wafer.clockHz;
  const south = tile('waveletsSouth'), east = tile('waveletsEast'), north = tile('waveletsNorth');
  return [
    occupancy('wafer input', moved('inBytes'), wafer.ioBytesPerSecond, seconds),
    occupancy('wafer output', moved('outBytes'), wafer.ioBytesPerSecond, seconds),
    occupancy('SwarmX down', moved('inBytes'), link, seconds),
    occupancy('SwarmX up', moved('outBytes'), link, seconds),
    occupancy('MemoryX out', moved('memoryXOutBytes'), memoryX.outBytesPerSecond, seconds),
    occupancy('MemoryX in', moved('memoryXInBytes'), memoryX.inBytesPerSecond, seconds),
    occupancy('table rows out', moved('rowOutBytes'), rows, seconds),
    occupancy('table rows in', moved('rowInBytes'), rows, seconds),
    occupancy('fabric south', south, port, seconds),
    occupancy('fabric east', east, port, seconds),
    occupancy('fabric north', north, port, seconds),
    occupancy('ramp', south + east + north, port, seconds),
  ];
};

/** SRAM of all tiles in use, and MemoryX's two tiers. */
export const tiersOf = (work: Work, machine: MachineSpec, { dramBytes, flashBytes, seconds }: Step): Price['tiers'] => {
  const { core, memoryX, wafer } = machine, tiles = work.rectangle.rows * work.rectangle.cols * work.numCsx, arithmetic = arithmeticOf(work.numbers, core);
  const sramBytes = work.passes.reduce((sum, pass) => sum + sramBytesOf(pass, machine, arithmetic), 0) / work.steps;
  const inDram = Math.min(work.stateBytes, memoryX.dramBytes);
  return [
    { ...occupancy('SRAM', sramBytes, tiles * (core.sramReadBytesPerCycle + core.sramWriteBytesPerCycle) * wafer.clockHz, seconds), capacityBytes: tiles * wafer.sramBytesPerTile, usedBytes: tiles * work.sram.totalBytes },
    { ...occupancy('DRAM', dramBytes, memoryX.dramBytesPerSecond, seconds), capacityBytes: memoryX.dramBytes, usedBytes: inDram },
    { ...occupancy('flash', flashBytes, memoryX.flashBytesPerSecond, seconds), capacityBytes: memoryX.flashBytes, usedBytes: work.stateBytes - inDram },
  ];
};
