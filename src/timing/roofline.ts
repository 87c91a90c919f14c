/**
 * The roofline of one system: what each pass reaches by itself, and what its bytes over the wafer's edge, or out of SRAM, would let it reach.
 *
 *   attainable = min(peak, flop a byte × bytes a second)          bytes over the edge: of the busier direction
 *
 * Not here: what else bounds a pass (demands.ts).
 */
import type { MachineSpec } from '../spec/machine.js';
import type { PassOp, Phase, Work } from '../trace/work.js';
import { arithmeticOf } from './cycles.js';
import { sramBytesOf } from './energy.js';
import { peakOf } from './price.js';
import { stepOf } from './step.js';
import type { Cause } from './types.js';

export interface RooflinePoint {
  /** Number in `Work.passes`. */
  readonly pass: number;
  readonly op: PassOp;
  readonly phase: Phase;
  /** Of one execution on one system: the mean of all systems. */
  readonly flops: number;
  readonly edgeBytes: number;
  readonly sramBytes: number;
  /** Flop a byte; null where no byte moves. */
  readonly intensity: { readonly edge: number | null; readonly sram: number | null };
  /** Flop a second of one system. */
  readonly achieved: number;
  readonly attainable: { readonly edge: number; readonly sram: number };
  readonly peak: number;
  readonly bound: Cause;
  /** Of the step's seconds. */
  readonly share: number;
}

/** A point for each pass that multiplies. @throws InvalidConfig for work that the machine has no room for */
export const roofline = (work: Work, machine: MachineSpec): RooflinePoint[] => {
  const step = stepOf(work, machine), { core, wafer } = machine, arithmetic = arithmeticOf(work.numbers, core), peak = peakOf({ numbers: work.numbers, numCsx: 1 }, machine);
  const sramRate = wafer.rowsMax * wafer.colsMax * (core.sramReadBytesPerCycle + core.sramWriteBytesPerCycle) * wafer.clockHz;
  return work.passes.flatMap((pass, i): RooflinePoint[] => {
    const { seconds, traffic, bound } = step.costs[i] as (typeof step.costs)[number], executions = pass.times * work.numCsx;
    const flops = executions === 0 ? 0 : (2 * (pass.counts.macs ?? 0)) / executions;
    if (flops === 0) return [];
    const edgeBytes = Math.max(traffic.inBytes, traffic.outBytes), sramBytes = sramBytesOf(pass, machine, arithmetic) / executions;
    const under = (bytes: number, rate: number): number => (bytes === 0 ? peak : Math.min(peak, (flops / bytes) * rate));
    return [{
      pass: i, op: pass.op, phase: pass.phase, flops, edgeBytes, sramBytes,
      intensity: { edge: edgeBytes === 0 ? null : flops / edgeBytes, sram: sramBytes === 0 ? null : flops / sramBytes },
      achieved: seconds === 0 ? 0 : flops / seconds, attainable: { edge: under(edgeBytes, wafer.ioBytesPerSecond), sram: under(sramBytes, sramRate) }, peak, bound,
      share: step.seconds === 0 ? 0 : (step.secondsAStep[i] as number) / step.seconds,
    }];
  });
};
