/**
 * The program: everything that a cluster needs to know to train one model, as plain data.
 *
 *   model ─▶ placement ─▶ SRAM plan ─▶ stream order ─▶ Program        the only file of compiler/ that the cluster reads
 *
 * One program serves every wafer: nothing here depends on how many there are.
 * Not here: how it is made (compile.ts and its neighbours), who runs it (cluster/).
 */
import type { Heads, Model, LayerId } from '../model/graph.js';
import type { NumberType, Precision } from '../model/precision.js';

/** A rectangle of tiles on a wafer. */
export interface Rectangle {
  readonly rows: number;
  readonly cols: number;
}

/**
 * What of a block's activations is computed again in the delta pass; no choice shows in a bit. 'offload': as 'block', and what a block reads waits off the wafer until the
 * block is computed again (activation servers, docs/evidence.md).
 */
export const recomputes = ['none', 'attention', 'block', 'offload'] as const;
export type Recompute = (typeof recomputes)[number];

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

/** A run of outputs (forward, gradient) or inputs (delta) of a layer whose weights travel together. */
export interface BlockPlan {
  readonly first: number;
  readonly count: number;
}

interface StreamedBase {
  readonly layer: LayerId;
  /** Parameter indices. */
  readonly weight: number;
  readonly bias: number | null;
  readonly inputs: number;
  readonly outputs: number;
  /** Buffer indices: input and output activations. */
  readonly x: number;
  readonly y: number;
  /** Where the delta of the output is found. */
  readonly dy: number;
  /** Where the delta of x is formed, or null where nothing upstream is trained. */
  readonly dx: number | null;
  readonly forwardBlocks: readonly BlockPlan[];
  readonly deltaBlocks: readonly BlockPlan[];
}

/** One linear layer. Forward blocks: all inputs × a few outputs; delta blocks: all outputs × a few inputs. */
export interface LinearPlan extends StreamedBase {
  readonly kind: 'linear';
  /** The weight is stored as [outputs][inputs]: an embedding's table. */
  readonly tied: boolean;
  /** Whether a ReLU leaves zeros in what it reads, and in the delta of what it gives: features that are zero for a whole slab need no products. */
  readonly zeroInputs: boolean;
  readonly zeroDeltas: boolean;
}

/** One norm: gain and bias are one block. `skip`: a buffer whose delta passes the norm by and is added to dx, or null. */
export interface NormPlan extends StreamedBase {
  readonly kind: 'norm';
  readonly centered: boolean;
  readonly epsilon: number;
  /** Buffer of two rows: mean and 1/deviation of every token. */
  readonly stats: number;
  readonly skip: number | null;
}

/**
 * The last linear layer together with the loss, block by block of classes, so that no more than a block of logits is ever held: a pass for the maxima, one for the
 * denominators, and one that makes each block's logits a third time and turns them into delta, gradient and dx at once. Blocks are chunks of features, so that
 * dx is the same sum. `y` holds one block; `stats` four rows: maximum, sum, chunk, the label's logit.
 */
export interface HeadPlan extends StreamedBase {
  readonly kind: 'head';
  readonly tied: boolean;
  readonly stats: number;
}

/** A layer whose parameters are streamed. */
export type StreamedPlan = LinearPlan | NormPlan | HeadPlan;

/** In which numbers weights travel and activations stand. */
export type Numbers = Pick<Precision, 'weights' | 'activations'>;

/** Whether the logits of a micro-batch are held, or made block by block; no choice shows in a bit. */
export const logitsChoices = ['held', 'streamed'] as const;
export type Logits = (typeof logitsChoices)[number];

/** One attention: `d` holds the delta of its output, and the delta of Q, K and V takes their place. */
export interface AttentionPlan extends Heads {
  readonly layer: LayerId;
  readonly qkv: number;
  readonly o: number;
  /** Buffer of 2 · heads rows: every head's maximum and 1/sum. */
  readonly stats: number;
  /** Exponentials kept for the delta pass, heads · places rows; or null: they are computed again. */
  readonly scores: number | null;
  readonly d: number;
}

/** What a tile does alone, once the streamed product before it is whole. Buffers by index. */
export type LocalStep =
  | { readonly op: 'relu'; readonly layer: LayerId; readonly x: number; readonly y: number }
  | { readonly op: 'gelu'; readonly layer: LayerId; readonly approximation: 'tanh' | 'erf'; readonly x: number; readonly y: number }
  | { readonly op: 'swiglu'; readonly layer: LayerId; readonly x: number; readonly y: number }
  /** direction −1: the delta, by the same mask. */
  | { readonly op: 'dropout'; readonly layer: LayerId; readonly rate: number; readonly x: number; readonly y: number; readonly direction: 1 | -1 }
  /** In place. direction −1: the delta. */
  | ({ readonly op: 'rotary'; readonly layer: LayerId; readonly x: number; readonly direction: 1 | -1 } & Heads)
  /** y = x + branch. y may be either. direction −1: the deltas of `layer`'s output that meet. */
  | { readonly op: 'add'; readonly layer: LayerId; readonly x: number; readonly branch: number; readonly y: number; readonly direction: 1 | -1 }
  /** dst = d masked by y > 0. */
  | { readonly op: 'reluDelta'; readonly layer: LayerId; readonly d: number; readonly y: number; readonly dst: number }
  | { readonly op: 'geluDelta'; readonly layer: LayerId; readonly approximation: 'tanh' | 'erf'; readonly d: number; readonly x: number; readonly dst: number }
  | { readonly op: 'swigluDelta'; readonly layer: LayerId; readonly d: number; readonly x: number; readonly dst: number }
  /** A boundary: the whole output of `layer` (direction 1), or its whole delta (−1), is rounded in place to numbers of a narrow type. */
  | { readonly op: 'round'; readonly layer: LayerId; readonly x: number; readonly to: Exclude<NumberType, 'float32'>; readonly direction: 1 | -1 }
  /** Softmax cross-entropy in place: logits become their delta; the losses leave. */
  | { readonly op: 'loss'; readonly layer: LayerId; readonly x: number; readonly classes: number };

/**
 * The passes over one micro-batch, in stream order; `locals` are the local steps behind one. `backward`: left out where nothing is trained. `leaves`: a buffer whose activations
 * leave the wafer behind the pass; `returns`: one whose activations come back before it.
 */
export type PassStep = { readonly backward: boolean; readonly locals: readonly LocalStep[]; readonly leaves?: number; readonly returns?: number } & (
  /** Samples arrive from the input worker. */
  | { readonly op: 'input'; readonly buffer: number }
  /** Rows of an embedding table arrive, gathered beside MemoryX. */
  | { readonly op: 'gather'; readonly layer: LayerId; readonly buffer: number }
  | { readonly op: 'forward'; readonly streamed: number }
  | { readonly op: 'attention'; readonly attention: number }
  /** Local steps that follow no product. */
  | { readonly op: 'locals' }
  /** The loss without its logits: maxima, then denominators and losses, then deltas, gradients and dx. */
  | { readonly op: 'headMax' | 'headSum' | 'headDelta'; readonly streamed: number }
  | { readonly op: 'gradient'; readonly streamed: number }
  | { readonly op: 'delta'; readonly streamed: number }
  | { readonly op: 'attentionDelta'; readonly attention: number }
  /** Deltas of gathered rows leave for MemoryX. */
  | { readonly op: 'scatter'; readonly layer: LayerId; readonly buffer: number }
);

/** What one tile needs at most, in bytes. */
export interface SramPlan {
  readonly limitBytes: number;
  readonly codeBytes: number;
  readonly activationBytes: number;
  /** Weights in flight, travelling sums, outgoing gradients, keys, values and scores in flight. */
  readonly streamBytes: number;
  readonly totalBytes: number;
}

export interface Program {
  readonly numericsVersion: 1;
  readonly model: Model;
  readonly rectangle: Rectangle;
  readonly recompute: Recompute;
  readonly logits: Logits;
  /** What weights are rounded to where they leave MemoryX, outputs and deltas at the boundaries of layers; float32: nothing is. */
  readonly numbers: Numbers;
  /** Slabs of tokens that one wafer holds at a time: its share of a micro-batch. */
  readonly slabs: number;
  /** Row r of the rectangle holds lanes rowEdges[r] … rowEdges[r+1]−1 of the wafer's share, 32 a slab. */
  readonly rowEdges: readonly number[];
  readonly buffers: readonly BufferPlan[];
  readonly streamed: readonly StreamedPlan[];
  readonly attentions: readonly AttentionPlan[];
  readonly passes: readonly PassStep[];
  readonly sram: SramPlan;
  /** Floats of the largest packed weight block with its bias. */
  readonly blockFloatsMax: number;
}

/** Slabs of one sample: 1 where a sample is one token. */
export const slabsPerSample = (model: Model, slabTokens: number): number => Math.ceil(model.tokensPerSample / slabTokens);

/** The only numerics contract of this build; a checkpoint or program of another version is refused. */
export const numericsVersion = 1;
