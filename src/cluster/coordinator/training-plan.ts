/** What training is asked and what it answers, as plain data. Not here: training itself (training.ts). */
import type { ScalingState } from '../../model/precision.js';
import type { Counts } from '../../trace/counts.js';
import type { ClusterLayout } from '../layout.js';
import type { TreeNodePlan } from '../swarmx/protocol.js';
import type { Archiving } from './archiving.js';
import type { Ports } from './ports.js';
import type { Tiers } from './tiered.js';

/** What a run says of each step. */
export interface StepReport {
  /** From 0. */
  readonly step: number;
  /** Mean loss over the global batch, in nats. */
  readonly loss: number;
  readonly learningRate: number;
  /** Samples of the global batch. */
  readonly samples: number;
  /** Tokens of the global batch that have a label. */
  readonly tokens: number;
  /** Global norm of the gradient before clipping; only where it is clipped. */
  readonly gradientNorm?: number;
  /** The factor on the step's losses beside their mean, and whether the step changed nothing for a gradient that is not finite; only where the loss is scaled. */
  readonly lossScale?: number;
  readonly skipped?: boolean;
  /** Masks that changed behind the step, and the share of positions of sparse weights that is not stored from then on; only where weights are sparse. */
  readonly masksUpdated?: number;
  readonly sparsity?: number;
  /** What MemoryX's tiers did since the step before: bytes over flash, and waiting of all parts of the step. */
  readonly tiers?: { readonly readBytes: number; readonly writtenBytes: number; readonly waitedSeconds: number };
  /** Host time since the step before was acknowledged. */
  readonly seconds: number;
}

/** The mean loss over the evaluation batches, after `step` steps. */
export interface EvaluationReport {
  readonly step: number;
  readonly loss: number;
  /** e to the loss. */
  readonly perplexity: number;
  readonly batches: number;
}

export interface EvaluationPlan {
  /** Every so many steps, and after the last. */
  readonly every: number;
  readonly batches: number;
  /** Evaluations without a new lowest loss after which training ends; null: never. */
  readonly patience: number | null;
  readonly factor: (batch: number) => number;
  readonly onEvaluation: (report: EvaluationReport) => void;
}

export interface TrainingOptions {
  readonly layout: ClusterLayout;
  readonly tree: readonly TreeNodePlan[];
  readonly ports: Ports;
  readonly weightSlots: number;
  readonly gradientSlots: number;
  /** Steps that are done already. */
  readonly first: number;
  /** Steps in all. */
  readonly steps: number;
  /** Where MemoryX has two tiers: who is in DRAM, and what flash is asked. */
  readonly tiers: Tiers | null;
  /** Makes what takes checkpoints, where they are asked for. */
  readonly archive: ((onFailure: (error: Error) => void) => Archiving) | null;
  /** Evaluations before the first step of this run. */
  readonly evaluations: readonly EvaluationReport[];
  /** Called with each version before it is made durable: what it says of itself is read from then on. */
  readonly onVersion: (version: number, evaluations: readonly EvaluationReport[], scaling: ScalingState | null) => void;
  /** What a checkpoint says of a version, serialized. */
  readonly stateOf: (version: number) => Uint8Array;
  readonly factor: (step: number) => number;
  readonly evaluation: EvaluationPlan | null;
  readonly learningRate: (step: number) => number;
  /** The state of the loss scale to begin with; null: that of a fresh run. Read only where the loss is scaled. */
  readonly scaling: ScalingState | null;
  readonly signal: AbortSignal;
  /** Replaces dead threads; rejects if it cannot. */
  readonly revive: () => Promise<void>;
  readonly onStep: (report: StepReport) => void;
}

export interface TrainingResult {
  readonly losses: readonly number[];
  /** Fewer than asked for where training ended early. */
  readonly steps: number;
  readonly evaluations: readonly EvaluationReport[];
  readonly faults: number;
  /** Steps behind which masks were due and stayed, for a gradient was not finite. */
  readonly masksKept: number;
  /** The state of the loss scale behind each step; empty where the loss is not scaled. */
  readonly scaling: readonly ScalingState[];
  /** What acknowledged steps did, all devices one behind the other. */
  readonly counts: Float64Array;
  readonly redone: Counts;
  /** What evaluations did. */
  readonly evaluated: Counts;
  readonly credits: Readonly<Record<string, { readonly out: number; readonly back: number; readonly highWater: number }>>;
}
