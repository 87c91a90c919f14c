/** Machines for tests of prices: some of whose parts cost nothing, and drawn ones. */
import fc from 'fast-check';
import { constantsOf, machines, withOverride, type MachineSpec } from '../../src/spec/machine.js';
import type { ChainOptions } from './works.js';

export const overridden = (machine: MachineSpec, changes: Readonly<Record<string, number>>): MachineSpec => Object.entries(changes).reduce((made, [path, value]) => withOverride(made, path, value), machine);

const endless = Number.POSITIVE_INFINITY;
/** Bytes that cross no limit: the wafer's edge, SwarmX and MemoryX. */
export const endlessLinks = {
  'wafer.ioBytesPerSecond': endless, 'swarmX.laneBytesPerSecond': endless, 'memoryX.outBytesPerSecond': endless, 'memoryX.inBytesPerSecond': endless, 'memoryX.rowBytesPerSecondPerCsx': endless, 'memoryX.dramBytesPerSecond': endless, 'memoryX.flashBytesPerSecond': endless,
} as const;
export const noLatency = { 'swarmX.nodeLatencySeconds': 0, 'fabric.hopCycles': 0, 'fabric.rampCycles': 0 } as const;

/** What is never slower for being larger, and what for being smaller. */
export const faster = [
  'wafer.ioBytesPerSecond', 'wafer.clockHz', 'core.macsPerCycleFp32', 'core.macsPerCycleMixed', 'core.macsPerCycleFp16', 'core.streamedEfficiency', 'core.sramReadBytesPerCycle', 'core.sramWriteBytesPerCycle', 'core.accumulatorCacheBytes', 'fabric.linkBitsPerCycle',
  'swarmX.lanes', 'swarmX.laneBytesPerSecond', 'memoryX.outBytesPerSecond', 'memoryX.inBytesPerSecond', 'memoryX.rowBytesPerSecondPerCsx', 'memoryX.dramBytesPerSecond', 'memoryX.flashBytesPerSecond', 'memoryX.dramBytes',
] as const;
export const slower = [
  'core.vectorOverheadCycles', 'core.taskCycles', 'core.fabricCyclesPerWord', 'core.elementwiseCyclesPerValue', 'fabric.hopCycles', 'fabric.rampCycles', 'swarmX.nodeLatencySeconds',
] as const;

const factor = fc.constantFrom(0.01, 0.1, 0.5, 1, 2, 10, 100);

/** A machine whose every speed is drawn around a preset's; what is counted stays. */
export const aMachine = (): fc.Arbitrary<MachineSpec> =>
  fc.record({ base: fc.constantFrom(machines.toy, machines.wse2, machines.wse3), factors: fc.tuple(...[...faster, ...slower].map(() => factor)) }).map(({ base, factors }) => {
    const values = new Map(constantsOf(base).map(({ path, value }) => [path, value]));
    return [...faster, ...slower].reduce((machine, path, i) => {
      const value = (values.get(path) ?? 1) * (factors[i] as number);
      return withOverride(machine, path, path === 'core.streamedEfficiency' ? Math.min(1, value) : path === 'swarmX.lanes' ? Math.max(1, Math.round(value)) : value);
    }, base);
  });

/** A chain of linear layers on at most 8 × 8 tiles. */
export const aChain = (): fc.Arbitrary<ChainOptions> =>
  fc.record({
    widths: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 5 }), rows: fc.integer({ min: 1, max: 8 }), cols: fc.integer({ min: 1, max: 8 }), numCsx: fc.integer({ min: 1, max: 40 }),
    tokensOfRow: fc.integer({ min: 1, max: 300 }), microBatches: fc.integer({ min: 1, max: 4 }), bytes: fc.constantFrom(2, 4), density: fc.constantFrom(1, 0.5, 0.1),
  });

/** What a work says of itself beside its passes. */
export const aKindOfWork = () => fc.record({ verdict: fc.boolean(), stateBytes: fc.constantFrom(1e3, 1e10, 1e13) });
