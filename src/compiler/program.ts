/**
 * The program: everything that a cluster needs to know to train one model, as plain data.
 *
 *   model ─▶ placement ─▶ SRAM plan ─▶ stream order ─▶ Program        the only file of compiler/ that the cluster reads
 *
 * One program serves every wafer: nothing here depends on how many there are.
 * Not here: how it is made (compile.ts and its neighbours), who runs it (cluster/).
 */
import type { Model, LayerId } from '../model/graph.js';

/** A rectangle of tiles on a wafer. */
export interface Rectangle {
  readonly rows: number;
  readonly cols: number;
}

/**
 * One buffer of activations in the tiles' SRAM: `features` values a token, tokens contiguous. Column c of the rectangle holds
 * features featureEdges[c] … featureEdges[c+1]−1.
 */
export interface BufferPlan {
  readonly name: string;
  /** Deltas of layers of several widths pass through it, each laid out and placed by its own width. */
  readonly scratch: boolean;
  readonly features: number;
  readonly featureEdges: readonly number[];
}

/** A run of outputs (forward, gradient) or inputs (delta) of a linear layer whose weights travel together. */
export interface BlockPlan {
  readonly first: number;
  readonly count: number;
}

/** One linear layer: which buffers it reads and writes, and the blocks of its three products. */
export interface LinearPlan {
  readonly layer: LayerId;
  /** Parameter indices. */
  readonly weight: number;
  readonly bias: number | null;
  readonly inputs: number;
  readonly outputs: number;
  /** Buffer indices: input activations, output activations; after the delta pass `y` holds dY. */
  readonly x: number;
  readonly y: number;
  /** Where the delta of x is formed, or null where nothing upstream is trained. */
  readonly dx: number | null;
  /** All inputs × a few outputs. */
  readonly forwardBlocks: readonly BlockPlan[];
  /** All outputs × a few inputs. */
  readonly deltaBlocks: readonly BlockPlan[];
}

/** What a tile does alone, once the streamed product before it is whole. Buffers by index. */
export type LocalStep =
  | { readonly op: 'relu'; readonly layer: LayerId; readonly x: number; readonly y: number }
  | { readonly op: 'gelu'; readonly layer: LayerId; readonly x: number; readonly y: number }
  /** dst = d masked by y > 0. */
  | { readonly op: 'reluDelta'; readonly layer: LayerId; readonly d: number; readonly y: number; readonly dst: number }
  | { readonly op: 'geluDelta'; readonly layer: LayerId; readonly d: number; readonly x: number; readonly dst: number }
  /** Softmax cross-entropy in place: logits become their delta; the losses leave. */
  | { readonly op: 'loss'; readonly layer: LayerId; readonly x: number; readonly classes: number };

/** The passes over one micro-batch, in stream order; `locals` are the local steps behind one. */
export type PassStep =
  /** Samples arrive from the input worker. */
  | { readonly op: 'input'; readonly buffer: number; readonly locals: readonly LocalStep[] }
  /** Rows of an embedding table arrive, gathered beside MemoryX. */
  | { readonly op: 'gather'; readonly layer: LayerId; readonly buffer: number; readonly locals: readonly LocalStep[] }
  | { readonly op: 'forward'; readonly linear: number; readonly locals: readonly LocalStep[] }
  | { readonly op: 'gradient'; readonly linear: number }
  | { readonly op: 'delta'; readonly linear: number; readonly locals: readonly LocalStep[] }
  /** Deltas of gathered rows leave for MemoryX. */
  | { readonly op: 'scatter'; readonly layer: LayerId; readonly buffer: number };

/** What one tile needs at most, in bytes. */
export interface SramPlan {
  readonly limitBytes: number;
  readonly codeBytes: number;
  readonly activationBytes: number;
  /** Weights in flight, travelling sums, outgoing gradients. */
  readonly streamBytes: number;
  readonly totalBytes: number;
}

export interface Program {
  readonly numericsVersion: 1;
  readonly model: Model;
  readonly rectangle: Rectangle;
  /** Slabs of tokens that one wafer holds at a time: its share of a micro-batch. */
  readonly slabs: number;
  /** Row r of the rectangle holds tokens rowEdges[r] … rowEdges[r+1]−1 of the wafer's share. */
  readonly rowEdges: readonly number[];
  readonly buffers: readonly BufferPlan[];
  readonly linears: readonly LinearPlan[];
  readonly passes: readonly PassStep[];
  readonly sram: SramPlan;
  /** Floats of the largest packed weight block with its bias. */
  readonly blockFloatsMax: number;
}

/** The only numerics contract of this build; a checkpoint or program of another version is refused. */
export const numericsVersion = 1;
