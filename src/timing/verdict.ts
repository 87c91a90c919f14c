/**
 * The verdict: one sentence that names what bounds the step, by how much, and what would help; every number in it is of this work or of pricing it again with one thing changed.
 *
 * Not here: prices (price.ts).
 */
import { withOverride, type MachineSpec } from '../spec/machine.js';
import type { PassWork, Work } from '../trace/work.js';
import { arithmeticOf, vectorCycles } from './cycles.js';
import type { PassCost } from './demands.js';
import { depthOf, stepOf, type Step } from './step.js';
import type { Cause, Price } from './types.js';

const figure = (x: number): string => (x >= 100 || Number.isInteger(x) ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toPrecision(2));
/** A number with the largest unit that leaves it at 1 or above. */
const scaled = (x: number, units: readonly (readonly [number, string])[]): string => {
  const [scale, unit] = units.find(([scale]) => x >= scale) ?? (units.at(-1) as readonly [number, string]);
  return `${figure(x / scale)} ${unit}`;
};
const bytes = (x: number): string => scaled(x, [[1e15, 'PB'], [1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'KB'], [1, 'B']]);
const time = (x: number): string => scaled(x, [[1, 's'], [1e-3, 'ms'], [1e-6, 'µs'], [1e-9, 'ns']]);
const percent = (x: number): string => `${x > 0 && x < 0.01 ? '< 1' : (100 * x).toFixed(0)} %`;

interface Told {
  readonly work: Work;
  readonly machine: MachineSpec;
  readonly step: Step;
}

/** Share of the step that is saved if it takes `seconds`. */
const saved = ({ step }: Told, seconds: number): string => {
  const share = 1 - seconds / step.seconds;
  return share < 0.005 ? 'would save less than 1 % of the step' : `would save ${percent(share)} of the step`;
};
const changed = ({ work, machine }: Told, path: string, value: number): number => stepOf(work, withOverride(machine, path, value)).seconds;

const sum = ({ work, step }: Told, of: (pass: PassWork, cost: PassCost) => number): number => work.passes.reduce((total, pass, i) => total + of(pass, step.costs[i] as PassCost) * (step.times[i] as number), 0);
const microBatchesOf = ({ work }: Told): number => work.microBatches.reduce((total, { times }) => total + times, 0);

const anew = (told: Told, what: string): string => (microBatchesOf(told) === 1 ? `${what} once` : `${what} anew for each of ${microBatchesOf(told)} micro-batches`);

/** The step if every micro-batch were two: tiles do twice as much in half as many passes, weights and gradients pass half as often. */
const withTwiceTheTokens = ({ work, step }: Told): number =>
  step.stretches.reduce((total, { passes: [pass], cost: { seconds, demands: d, fill }, times }) => {
    const op = work.passes[pass as number]?.op;
    return op === 'input' || op === 'gather' || op === 'scatter' ? total : total + (Math.max(d.tile - (d.columnSums + fill) / 2, d.fabric, d.waferInput / 2, d.waferOutput / 2, d.swarmX / 2, d.memoryX / 2) - seconds) * times;
  }, step.seconds);

const twiceTheTokens = (told: Told): string =>
  microBatchesOf(told) < 2
    ? `twice the batch a system ${saved(told, withTwiceTheTokens(told))} for the same tokens`
    : `micro-batches of twice the samples, ${figure(microBatchesOf(told) / 2)} a step, ${saved(told, withTwiceTheTokens(told))}`;

/** A tile's products at half of the weights. */
const atHalfOfTheWeights = ({ work, machine }: Told): number =>
  stepOf({ ...work, passes: work.passes.map((pass) => (pass.op.startsWith('linear') ? { ...pass, tile: { ...pass.tile, vectors: pass.tile.vectors / 2, macs: pass.tile.macs / 2, tasks: Math.max(0, pass.tile.tasks - pass.tile.vectors / 2) } } : pass)) }, machine).seconds;

const lengthOf = (told: Told): number => {
  const vectors = sum(told, ({ tile }) => tile.vectors);
  return vectors === 0 ? 0 : sum(told, ({ tile }) => tile.macs) / vectors;
};

const say: Readonly<Record<Cause, (told: Told) => string>> = {
  products: (told) => {
    const { work, machine, step } = told, arithmetic = arithmeticOf(work.numbers, machine.core);
    const again = work.passes.reduce((total, { phase }, i) => total + (phase === 'recompute' ? (step.secondsAStep[i] as number) : 0), 0);
    const rate = sum(told, ({ tile }) => tile.macs) / (sum(told, (_, { demands }) => demands.products) * machine.wafer.clockHz);
    const help = arithmetic === 'fp32'
      ? `weights and activations of 16 bits ${saved(told, stepOf({ ...work, numbers: { weights: 'bfloat16', activations: 'bfloat16' } }, machine).seconds)} in products alone`
      : again > 0.01 * step.seconds
        ? `without recomputation the same tiles ${saved(told, step.seconds - again)}`
        : `storing half of the linear weights ${saved(told, atHalfOfTheWeights(told))}`;
    return `the fullest tile multiplies and adds ${figure(rate)} times a cycle meanwhile; ${help}`;
  },
  overhead: (told) => {
    const { work, machine } = told, length = lengthOf(told), cycles = vectorCycles(machine.core, arithmeticOf(work.numbers, machine.core), length);
    return `vectors of ${figure(length)} values take ${figure(cycles)} ${cycles === 1 ? 'cycle' : 'cycles'} and ${figure(machine.core.vectorOverheadCycles)} of overhead; instructions without it ${saved(told, changed(told, 'core.vectorOverheadCycles', 0))}, vectors of twice the length about half of that`;
  },
  'row sums': (told) => {
    const sums = `each of ${figure(sum(told, ({ tile }) => tile.rowVectors))} sums a row and step passes every tile, value by value`;
    return told.machine.core.rowSumBits === 16 ? `${sums}; wider layers, or fewer columns, have fewer sums a product` : `${sums}; two values a word (sums of 16 bits) ${saved(told, changed(told, 'core.rowSumBits', 16))}`;
  },
  'column sums': (told) => `gradients of ${figure(sum(told, ({ tile }) => tile.columnValues))} values a tile and step are added up along the columns; ${twiceTheTokens(told)}`,
  elementwise: (told) => `${figure(sum(told, ({ tile }) => tile.elements))} values a tile and step; half the cycles a value ${saved(told, changed(told, 'core.elementwiseCyclesPerValue', told.machine.core.elementwiseCyclesPerValue / 2))}`,
  fabric: (told) => `the busiest tile takes ${figure(sum(told, ({ tile }) => tile.waveletsSouth + tile.waveletsEast + tile.waveletsNorth))} words a step; links of twice the width ${saved(told, changed(told, 'fabric.linkBitsPerCycle', 2 * told.machine.fabric.linkBitsPerCycle))}`,
  'wafer input': (told) => `${bytes(sum(told, (_, { traffic }) => traffic.inBytes))} a step enter each wafer at ${bytes(told.machine.wafer.ioBytesPerSecond)}/s, ${anew(told, 'weights')}; ${twiceTheTokens(told)}`,
  'wafer output': (told) => `${bytes(sum(told, (_, { traffic }) => traffic.outBytes))} a step leave each wafer at ${bytes(told.machine.wafer.ioBytesPerSecond)}/s, ${anew(told, 'gradients')}; ${twiceTheTokens(told)}`,
  SwarmX: (told) => `${bytes(sum(told, (_, { traffic }) => Math.max(traffic.inBytes, traffic.outBytes)))} a step pass each link of ${told.machine.swarmX.lanes} lanes; lanes of twice the rate ${saved(told, changed(told, 'swarmX.laneBytesPerSecond', 2 * told.machine.swarmX.laneBytesPerSecond))}`,
  MemoryX: (told) => {
    const { memoryX } = told.machine, { dramBytes, flashBytes } = told.step;
    const out = sum(told, (_, { traffic }) => traffic.memoryXOutBytes), into = sum(told, (_, { traffic }) => traffic.memoryXInBytes);
    const choices = [
      ['outBytesPerSecond', out, 'leave it'], ['inBytesPerSecond', into, 'reach it'], ['dramBytesPerSecond', dramBytes, 'pass its DRAM'], ['flashBytesPerSecond', flashBytes, 'pass its flash'],
      ['rowBytesPerSecondPerCsx', sum(told, (_, { traffic }) => Math.max(traffic.rowOutBytes, traffic.rowInBytes)) / told.work.numCsx, 'are rows of tables'],
    ] as const;
    const [field, moved, what] = choices.reduce((most, choice) => (choice[1] / memoryX[choice[0]] > most[1] / memoryX[most[0]] ? choice : most));
    return `${bytes(moved)} a step ${what} at ${bytes(memoryX[field])}/s; twice that rate ${saved(told, changed(told, `memoryX.${field}`, 2 * memoryX[field]))}`;
  },
  latency: (told) => {
    const { step, work, machine } = told;
    return `${time(step.latencySeconds)} between two steps, ${depthOf(work)} SwarmX ${depthOf(work) === 1 ? 'node' : 'nodes'} of ${time(machine.swarmX.nodeLatencySeconds)} each way; a larger batch spreads it, and steps of twice the tokens would have ${percent(step.latencySeconds / (2 * step.seconds - step.exposedSeconds))} of it`;
  },
  update: (told) => {
    const { step, machine } = told, { memoryX } = machine;
    const field = step.flashBytes / memoryX.flashBytesPerSecond > step.dramBytes / memoryX.dramBytesPerSecond ? 'flashBytesPerSecond' : 'dramBytesPerSecond';
    return `updates move ${bytes(step.updateBytes)} at ${bytes(memoryX[field])}/s of ${field === 'flashBytesPerSecond' ? 'flash' : 'DRAM'} and the next step waits ${time(step.exposedSeconds)}; twice that rate ${saved(told, changed(told, `memoryX.${field}`, 2 * memoryX[field]))}`;
  },
};

const verb: Readonly<Record<Cause, string>> = {
  products: 'Products take', overhead: 'Overhead of instructions, tasks and fill takes', 'row sums': 'Row sums take', 'column sums': 'Column sums take', elementwise: 'Elementwise work takes', fabric: 'The fabric binds',
  'wafer input': 'Wafer input binds', 'wafer output': 'Wafer output binds', SwarmX: 'SwarmX binds', MemoryX: 'MemoryX binds', latency: 'Latency takes', update: 'Waiting for updates takes',
};

export const verdictOf = (work: Work, machine: MachineSpec, step: Step, critical: Price['critical']): string => {
  const [top] = critical, told: Told = { work, machine, step }, { dramBytes, flashBytes } = machine.memoryX;
  const short = work.stateBytes > dramBytes + flashBytes ? ` MemoryX has no room for the state: ${bytes(work.stateBytes)} of ${bytes(dramBytes + flashBytes)}.` : '';
  if (top === undefined) return `The step asks nothing of the machine.${short}`;
  return `${verb[top.cause]} ${percent(top.share)} of the step: ${say[top.cause](told)}.${short}`;
};
