/**
 * Cycles of single instructions and of small programs on one tile: what the simulator's traces show, and what everything else is built from.
 *
 *   issue ─latency─▶ element, element, …          a vector of L values: ⌈L / rate⌉ cycles, and one of overhead behind another
 *
 * Derivations: docs/timing.md §2. Not here: passes (demands.ts), lines of tiles (collectives.ts).
 */
import type { CoreSpec } from '../spec/groups.js';
import type { MachineSpec } from '../spec/machine.js';
import type { Work } from '../trace/work.js';
import { roundUp } from '../util/units.js';

/** In which numbers a tile multiplies and adds: f32; 16-bit operands and f32 sums; 16 bits throughout. */
export type Arithmetic = 'fp32' | 'mixed' | 'fp16';

/** What a run's numbers get: the rates of 16 bits only where weights and activations both have 16. */
export const arithmeticOf = ({ weights, activations }: Work['numbers'], { sumBits }: Pick<CoreSpec, 'sumBits'>): Arithmetic =>
  weights === 'float32' || activations === 'float32' ? 'fp32' : sumBits === 16 ? 'fp16' : 'mixed';

const bytesOf: Readonly<Record<Arithmetic, { readonly operand: number; readonly sum: number }>> = { fp32: { operand: 4, sum: 4 }, mixed: { operand: 2, sum: 4 }, fp16: { operand: 2, sum: 2 } };

/** The datapath's own rate. */
export const simdRate = ({ macsPerCycleFp32, macsPerCycleMixed, macsPerCycleFp16 }: CoreSpec, arithmetic: Arithmetic): number => ({ fp32: macsPerCycleFp32, mixed: macsPerCycleMixed, fp16: macsPerCycleFp16 })[arithmetic];

/** Whether one of the two vectors of a product stays in the cache beside the datapath. */
const isCached = ({ accumulatorCacheBytes }: CoreSpec, arithmetic: Arithmetic, length: number): boolean => length * bytesOf[arithmetic].sum <= accumulatorCacheBytes;

/** Bytes of SRAM that a multiply-add moves: its activation, and the sum there and back where that is not cached. */
export const sramBytesOfMac = (core: CoreSpec, arithmetic: Arithmetic, length: number): number => {
  const { operand, sum } = bytesOf[arithmetic];
  return isCached(core, arithmetic, length) ? operand : operand + 2 * sum;
};

/** Multiply-adds a cycle over a vector of `length`: the datapath's width, or what SRAM's ports feed. */
export const vectorRate = (core: CoreSpec, arithmetic: Arithmetic, length: number): number => {
  const { operand, sum } = bytesOf[arithmetic], { sramReadBytesPerCycle: read, sramWriteBytesPerCycle: write } = core;
  return Math.min(simdRate(core, arithmetic), isCached(core, arithmetic, length) ? read / operand : Math.min(read / (operand + sum), write / sum));
};

/** Mean lengths carry the rounding of a division: what lies a billionth above a whole number is that number. */
const ceiling = (x: number): number => Math.max(0, Math.ceil(x - 1e-9 * Math.max(1, x)));

/** Execution cycles of a vector of `length` multiply-adds, overhead apart. */
export const vectorCycles = (core: CoreSpec, arithmetic: Arithmetic, length: number): number => ceiling(length / vectorRate(core, arithmetic, length));

/** Cycles at which the elements of an f32 vector instruction execute, from the cycle of its issue. `conflict`: both operands lie in one bank group. */
export const instructionTrace = ({ issue, elements, conflict }: { readonly issue: number; readonly elements: number; readonly conflict: boolean }, { core }: MachineSpec): number[] => {
  const first = issue + (conflict ? core.conflictIssueCycles : core.issueCycles), step = conflict ? core.conflictCyclesPerElement : 1 / core.macsPerCycleFp32;
  return Array.from({ length: elements }, (_, i) => first + i * step);
};

/** Rows are padded to whole vectors of this many f32 values. */
const paddedRows = 4;

/** Cycles of an f32 product of a matrix of `rows` × `n` with a vector on one tile: n AXPYs over padded rows. */
export const matrixVectorCycles = (n: number, rows: number, { core }: MachineSpec): number =>
  n * (vectorCycles(core, 'fp32', roundUp(rows, paddedRows)) + core.vectorOverheadCycles) + core.programStartCycles;
