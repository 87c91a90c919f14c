/**
 * Energy of a step: every counted action times its joules, and idling times the step; a plain sum, so it is additive. Sources and ranges: spec/constants.ts.
 *
 * Not here: seconds (step.ts).
 */
import type { MachineSpec } from '../spec/machine.js';
import type { Counts } from '../trace/counts.js';
import { workCounts, type PassWork, type Work } from '../trace/work.js';
import { arithmeticOf, sramBytesOfMac, type Arithmetic } from './cycles.js';
import type { Step } from './step.js';
import type { Price } from './types.js';

/** Bytes of all tiles' SRAM over all executions of a pass: products as the datapath moves them, other words in the numbers of activations. */
export const sramBytesOf = ({ counts, tile }: PassWork, { core }: MachineSpec, arithmetic: Arithmetic): number => {
  const { macs = 0, sramReadWords = 0, sramWriteWords = 0 } = counts;
  const others = Math.max(0, sramReadWords + sramWriteWords - 3 * macs);
  return macs * sramBytesOfMac(core, arithmetic, tile.vectors > 0 ? tile.macs / tile.vectors : 0) + others * (arithmetic === 'fp32' ? 4 : 2);
};

/** SwarmX nodes of a cluster. */
const nodesOf = ({ numCsx, fanIn }: Work): number => {
  let nodes = 0, below = numCsx;
  do {
    below = Math.ceil(below / fanIn);
    nodes += below;
  } while (below > 1);
  return nodes;
};

export const energyOf = (work: Work, machine: MachineSpec, step: Step): Price['energy'] => {
  const { energy } = machine, counts = workCounts(work), arithmetic = arithmeticOf(work.numbers, machine.core), per = 1 / work.steps;
  const of = (...actions: readonly (keyof Counts)[]): number => actions.reduce((sum, action) => sum + (counts[action] ?? 0), 0) * per;
  const macJoules = { fp32: energy.macFp32Joules, mixed: energy.macMixedJoules, fp16: energy.macFp16Joules }[arithmetic];
  const sramBytes = work.passes.reduce((sum, pass) => sum + sramBytesOf(pass, machine, arithmetic), 0) * per;
  const byAction = {
    'multiply-adds': of('macs') * macJoules,
    elementwise: of('elementwise', 'biasAdds') * energy.elementwiseJoules,
    tasks: of('tasks') * energy.taskJoules,
    SRAM: sramBytes * energy.sramByteJoules,
    fabric: of('waveletsEast', 'waveletsSouth', 'waveletsNorth') * energy.waveletHopJoules,
    'wafer edge': of('ioInBytes', 'ioOutBytes') * energy.ioByteJoules,
    'SwarmX links': of('linkDownBytes', 'linkUpBytes') * energy.linkByteJoules,
    'SwarmX reduces': of('reduceAdds') * energy.reduceAddJoules,
    DRAM: step.dramBytes * energy.dramByteJoules,
    flash: step.flashBytes * energy.flashByteJoules,
    optimizer: of('optimizerElements') * energy.optimizerElementJoules,
    idle: (work.numCsx * energy.idleWattsPerCsx + nodesOf(work) * energy.idleWattsPerNode + energy.idleWattsOfMemoryX) * step.seconds,
  };
  const joules = Object.values(byAction).reduce((sum, each) => sum + each, 0);
  return { byAction, joules, watts: step.seconds === 0 ? 0 : joules / step.seconds, joulesPerToken: work.tokens === 0 ? 0 : joules / work.tokens };
};
