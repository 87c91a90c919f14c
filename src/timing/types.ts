/**
 * What a price says, as plain data: cycles, seconds and joules of one step on one machine, by pass, by cause, by link and tier.
 *
 *   Work × MachineSpec ─price()─▶ Price ─▶ report/, trace exports, tables
 *
 * Seconds are of the mean step unless said. Not here: how they come about (price.ts and its neighbours, docs/timing.md).
 */
import type { PassOp, Phase } from '../trace/work.js';

/** What can bound a pass or a step. `row sums`: travelling partial sums; `overhead`: instructions, tasks and pipeline fill beside useful work; `update`: what is exposed between two steps. */
export const causes = ['products', 'overhead', 'row sums', 'column sums', 'elementwise', 'fabric', 'wafer input', 'wafer output', 'SwarmX', 'MemoryX', 'latency', 'update'] as const;
export type Cause = (typeof causes)[number];

/** Seconds that one execution of a pass keeps each resource busy; the pass takes as long as the busiest of tile, fabric, links and MemoryX, since they overlap. A layer's gradient and the delta behind it run side by side: together they take as long as the busiest resource of both. */
export interface PassDemands {
  /** The fullest tile: the sum of its parts. */
  readonly tile: number;
  readonly products: number;
  readonly overhead: number;
  readonly rowSums: number;
  readonly columnSums: number;
  readonly elementwise: number;
  /** The busiest port of the fullest tile: its ramp, which all that reaches it goes up. */
  readonly fabric: number;
  readonly waferInput: number;
  readonly waferOutput: number;
  readonly swarmX: number;
  readonly memoryX: number;
}

export interface PassPrice {
  /** Number in `Work.passes`. */
  readonly pass: number;
  readonly op: PassOp;
  readonly phase: Phase;
  /** Of one execution; of passes side by side each has its part. */
  readonly cycles: number;
  readonly seconds: number;
  readonly demands: PassDemands;
  readonly bound: Cause;
  /** Executions in one step, and seconds of all of them. */
  readonly timesAStep: number;
  readonly secondsAStep: number;
}

/** A stretch of the step in virtual time, in seconds from its begin. */
export interface Span {
  /** Who is at it. */
  readonly lane: 'wafer' | 'wafer input' | 'wafer output' | 'SwarmX' | 'MemoryX out' | 'MemoryX in' | 'optimizer';
  /** Numbers in `Work.layers` and `Work.passes`; −1: none. */
  readonly layer: number;
  readonly pass: number;
  readonly phase: Phase | 'update' | 'mixed';
  readonly start: number;
  readonly end: number;
  /** Which micro-batch of the step; −1: none, or several. */
  readonly microBatch: number;
  /** How many neighbours this span stands for, where there were too many (`spansOf`); it is then busy in parts only, and what they do not share is −1 or 'mixed'. */
  readonly merged?: number;
}

export interface Occupancy {
  readonly name: string;
  /** In one step. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
  /** Busy seconds ÷ seconds of the step. */
  readonly occupancy: number;
}

export interface Price {
  readonly format: 1;
  /** Name of the machine. */
  readonly machine: string;
  readonly clockHz: number;
  readonly numCsx: number;
  readonly step: { readonly cycles: number; readonly seconds: number; readonly tokensPerSecond: number; readonly samplesPerSecond: number };
  /** All steps of the work. */
  readonly totalSeconds: number;
  readonly flops: {
    /** Flop a second of stored products alone, a multiply-add counted as 2; and if weights were dense. Products that are done again (recomputation, logits made twice) are left out. */
    readonly achieved: number;
    readonly denseEquivalent: number;
    /** Of all systems' usable tiles, for the numbers of the run. */
    readonly peak: number;
    readonly utilization: number;
    readonly denseUtilization: number;
    /** The rectangle's share of the usable tiles. */
    readonly tilesUsed: number;
  };
  readonly passes: readonly PassPrice[];
  /** One step. */
  readonly links: readonly Occupancy[];
  readonly tiers: readonly (Occupancy & { readonly capacityBytes: number; readonly usedBytes: number })[];
  /** Joules of one step by kind of action, and of idling; watts over the step, all systems. */
  readonly energy: { readonly byAction: Readonly<Record<string, number>>; readonly joules: number; readonly watts: number; readonly joulesPerToken: number };
  /** Seconds of the step by what bound them; they add up to the step. */
  readonly critical: readonly { readonly cause: Cause; readonly seconds: number; readonly share: number }[];
  /** Exposed between two steps: what passes of the next one wait for parameters. */
  readonly boundarySeconds: number;
  /** One sentence: what bounds the step and what would help. */
  readonly verdict: string;
}

/** One point of a curve over systems or over sparsity. */
export interface CurvePoint {
  /** Systems, or the share of absent positions. */
  readonly x: number;
  readonly batchSize: number;
  readonly secondsAStep: number;
  readonly tokensPerSecond: number;
  /** Tokens a second ÷ those of the first point. */
  readonly speedup: number;
  /** Speedup ÷ what would be perfect. */
  readonly efficiency: number;
  readonly utilization: number;
  readonly verdict: string;
}
