/** The run record: what a finished run says of itself, as plain data. Devices write counts, the coordinator the rest. Not here: prices. */
import type { Counts } from './counts.js';
import type { Work } from './work.js';

/** Counts by device, each `<kind>/<number>`; and their sum. */
export interface CountsByDevice {
  readonly total: Counts;
  readonly devices: Readonly<Record<string, Counts>>;
}

/** A sparse weight at the end of a run. */
export interface SparsityReport {
  readonly name: string;
  readonly size: number;
  /** Positions that its mask stores. */
  readonly stored: number;
  /** Stored positions of the fullest column of tiles ÷ their mean over columns. */
  readonly imbalance: number;
}

/** What a run asked of MemoryX's tiers. */
export interface TiersReport {
  readonly dram: {
    /** Bytes that MemoryX may take; null: no limit. */
    readonly budgetBytes: number | null;
    /** Bytes it takes: rooms for state that comes and goes, and what units keep for themselves. */
    readonly bytes: number;
    /** Most bytes of state in rooms at once. */
    readonly stateBytesMax: number;
  };
  readonly flash: {
    readonly shards: number;
    readonly readBytes: number;
    readonly writtenBytes: number;
    /** Bytes a second, while lanes were at it. */
    readonly readRate: number;
    readonly writeRate: number;
    readonly commits: number;
    readonly commitSeconds: number;
  };
  /** Share of what parts of steps wanted that was in DRAM already. */
  readonly hitRate: number;
  /** That parts of steps waited for DRAM, for flash, or for the step before to be durable, added up; parts wait side by side. */
  readonly waitedSeconds: number;
  /** What bounded the steps: lanes of flash that were busy most of the time, or the wafers. */
  readonly boundBy: 'wafers' | 'reading flash' | 'writing flash' | 'making steps durable';
}

export interface RunRecord {
  readonly format: 1;
  readonly numericsVersion: number;
  readonly model: { readonly name: string; readonly parameterCount: number; readonly layers: readonly string[] };
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly optimizer: unknown;
  /** How it was run: none of this shows in the weights. */
  readonly shape: {
    readonly numCsx: number;
    readonly rows: number;
    readonly cols: number;
    readonly microBatches: number;
    readonly slabsPerWafer: number;
    readonly threads: number;
    readonly dispatcher: string;
    readonly kernels: string;
  };
  readonly losses: readonly number[];
  /** After so many steps, the mean loss over the evaluation batches. */
  readonly evaluations: readonly { readonly step: number; readonly loss: number; readonly perplexity: number; readonly batches: number }[];
  readonly counts: CountsByDevice;
  /** The same counts by pass, and what they ask of the machine: what timing/ prices. */
  readonly work: Work;
  /** Work that was done again after a fault, apart from `counts`. */
  readonly redone: Counts;
  /** Work of evaluations, apart from `counts`. */
  readonly evaluated: Counts;
  readonly faults: number;
  /** Sparse weights, in graph order; and steps behind which masks were due and stayed, for a gradient was not finite. */
  readonly sparsity: readonly SparsityReport[];
  readonly masksKept: number;
  /** Numbers of weights and activations and the rules of the loss scale; steps skipped for a gradient that is not finite; the scale for the step behind the last, null where there is none. */
  readonly precision: unknown;
  readonly skippedSteps: number;
  readonly lossScale: number | null;
  /** Null where all of MemoryX is in DRAM. */
  readonly tiers: TiersReport | null;
  /** Checkpoints finished on the way and at the end, and their bytes. */
  readonly checkpoints: { readonly count: number; readonly bytes: number };
  /** Host memory in bytes. */
  readonly memory: { readonly allocatedBytes: number; readonly stateBytes: number; readonly activationBytes: number };
  /** Credits given out and taken back by each stream. */
  readonly credits: Readonly<Record<string, { readonly out: number; readonly back: number; readonly highWater: number }>>;
  /** SHA-256 of the final weights, every NaN as one; 16 hexadecimal digits. */
  readonly weightsDigest: string;
}
