/**
 * What a plan is asked and what it says, as plain data. Not here: how it is made (plan.ts and its neighbours), prices (timing/).
 *
 *   model + PlanOptions ─plan()─▶ Plan: counts, Work, memory ─timing/─▶ Price
 */
import type { Logits, Recompute } from '../compiler/program.js';
import type { Optimizer } from '../model/optimizer.js';
import type { Precision } from '../model/precision.js';
import type { NamedMask, Sparsity } from '../model/sparsity.js';
import type { WaferSpec } from '../spec/wafer.js';
import type { Counts } from '../trace/counts.js';
import type { Work } from '../trace/work.js';

/** What a run knows from its data and a plan must be told; all of it has a default. */
export interface PlanKnown {
  /** Masks of sparse weights, or those that each step reads; without them `sparsity` says how many positions are stored. */
  readonly masks?: readonly NamedMask[] | ((step: number) => readonly NamedMask[]);
  /** Steps that change nothing, for a gradient that is not finite. */
  readonly skippedSteps?: number;
}

export interface PlanOptions {
  /** CS-2 systems, 1 to 192; 1 unless given. */
  readonly numCsx?: number;
  /** Samples of the global batch. */
  readonly batchSize: number;
  /** Samples that a CS-2 holds at a time; 'largest' (default) is the largest that fits its tiles' SRAM. */
  readonly microBatchSize?: number | 'largest';
  /** 'whole' (default): all usable tiles of the wafer; 'auto': as few as fit, as `Cluster.train` chooses. */
  readonly wafer?: 'whole' | 'auto' | { readonly rows: number; readonly cols: number };
  /** WSE-2 unless given. */
  readonly spec?: WaferSpec;
  /** Down-ports of a SwarmX node: 4 (default) or 2. */
  readonly fanIn?: 2 | 4;
  /** AdamW unless given. */
  readonly optimizer?: Optimizer;
  /** Numbers of weights and activations; all fp32 unless given, as in `TrainOptions`. */
  readonly precision?: Precision;
  /** Share of absent positions in every weight that the ecosystem's default filter makes sparse, 0 to below 1; or a description as in `TrainOptions`. Dense unless given. */
  readonly sparsity?: number | Sparsity;
  readonly clipNorm?: number;
  readonly recompute?: Recompute | 'auto';
  readonly logits?: Logits | 'auto';
  /** Optimizer steps; 1 unless given. */
  readonly steps?: number;
  /** DRAM of MemoryX in bytes: what exceeds it is planned on flash. */
  readonly dramBytes?: number;
  readonly known?: PlanKnown;
}

export interface GenerationPlanOptions {
  readonly numCsx?: number;
  /** Tokens of each prompt. */
  readonly prompts: readonly number[];
  /** New tokens of each prompt. */
  readonly newTokens: number;
  readonly wafer?: 'whole' | 'auto' | { readonly rows: number; readonly cols: number };
  readonly spec?: WaferSpec;
  readonly fanIn?: 2 | 4;
}

export interface Plan {
  /** Counts of all steps: those of a run, exactly. */
  readonly counts: Counts;
  readonly work: Work;
  readonly rectangle: { readonly rows: number; readonly cols: number; readonly tiles: number };
  /** Tiles of all systems that hold something. */
  readonly tiles: number;
  readonly microBatches: number;
  /** Samples a CS-2 and time, and whether it is the largest that fits. */
  readonly microBatchSize: number;
  readonly microBatchSizeMax: number;
  readonly recompute: Recompute;
  readonly logits: Logits;
  /** The fullest tile. */
  readonly sram: Work['sram'];
  /** State in MemoryX, by tier. */
  readonly memoryX: { readonly stateBytes: number; readonly dramBytes: number; readonly flashBytes: number };
}
