/**
 * Work: what the steps of a training, or of a generation, ask of the machine, pass by pass; plain data that timing/ prices and report/ draws.
 *
 *   run record ─┐
 *               ├─▶ Work: passes (counted actions of all devices; shape of the fullest tile; bytes of one wafer) ─▶ timing/ ─▶ cycles, seconds, joules
 *   plan ───────┘
 *
 * Equal passes stand once (`times`). Summed over passes and updates, `counts` are the counts of the run, exactly. All other figures are of one execution: means over
 * the executions where masks change. Not here: how it is found (src/plan/), prices (timing/).
 */
import type { Counts } from './counts.js';

/** Numbers by their names (model/precision.ts). */
export type NumberName = 'float32' | 'bfloat16' | 'float16' | 'cbfloat16';

/** What a pass does. `norm.*`, `head.*` and `linear.*` stream weights; the others only move or touch activations. */
export const passOps = [
  'input', 'gather', 'linear.forward', 'norm.forward', 'attention', 'locals', 'head.max', 'head.sum', 'head.delta', 'linear.gradient', 'norm.gradient', 'linear.delta', 'norm.delta',
  'attention.delta', 'scatter',
] as const;
export type PassOp = (typeof passOps)[number];

/** `recompute`: a forward pass that is done again among the delta passes. */
export type Phase = 'forward' | 'recompute' | 'delta' | 'gradient';

/** What the fullest tile of a wafer does in one execution of a pass, its local steps included. */
export interface TileWork {
  /** Instructions over a vector that multiply and add: AXPYs of stored weights, products of an outer product, of scores; and the multiply-adds in all of them. */
  readonly vectors: number;
  readonly macs: number;
  /** Vectors of partial sums that it adds to those travelling along its row, and values in all of them. */
  readonly rowVectors: number;
  readonly rowValues: number;
  /** Values that it adds to those travelling along its column (gradients). */
  readonly columnValues: number;
  /** Values of element-by-element work, and instructions over a vector that do it. */
  readonly elements: number;
  readonly elementVectors: number;
  /** Tasks it starts, AXPYs included. */
  readonly tasks: number;
  /** Wavelets that reach it from its links: weights from the north, partial sums along the row, gradients from the south. */
  readonly waveletsSouth: number;
  readonly waveletsEast: number;
  readonly waveletsNorth: number;
}

export interface PassWork {
  readonly op: PassOp;
  readonly phase: Phase;
  /** Executions that are like this one: steps × micro-batches × layers. */
  readonly times: number;
  /** Actions of all devices over all executions. */
  readonly counts: Partial<Counts>;
  readonly tile: TileWork;
  /** Tiles of a row that hold features of what is contracted, and rows that hold tokens. */
  readonly columns: number;
  readonly rows: number;
  /** Blocks that stream; 0 where none do. */
  readonly blocks: number;
  /** Bytes that enter and leave the fullest wafer. */
  readonly inBytes: number;
  readonly outBytes: number;
  /** Bytes that leave MemoryX, and that reach it, for all wafers together. */
  readonly memoryXOutBytes: number;
  readonly memoryXInBytes: number;
  /** Multiply-adds that dense weights would need, of all wafers. */
  readonly denseMacs: number;
}

/** One place in the stream of a micro-batch: a pass by its number in `passes`, and its layer by its number in `layers`. */
export interface PlacedPass {
  readonly pass: number;
  readonly layer: number;
}

/** Micro-batches of one shape, and what streams through each of them. */
export interface MicroBatchWork {
  /** In every step. */
  readonly times: number;
  /** Tokens of the fullest wafer, and of its fullest row; rows in use; systems that hold a sample. */
  readonly tokens: number;
  readonly tokensOfRow: number;
  readonly rows: number;
  readonly busyCsx: number;
  readonly order: readonly PlacedPass[];
}

/** Parameters that are updated together, in the order in which their gradients are whole. */
export interface UpdateWork {
  readonly layer: number;
  /** Elements of every step: stored ones alone. */
  readonly elements: number;
  /** Bytes of state that one update reads and writes in MemoryX: weights, moments, gradient. */
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Place in the order of the last micro-batch behind which the gradient is whole, and place of the first pass that reads the parameter; −1: a table's rows, read before the first pass. */
  readonly after: number;
  readonly before: number;
}

/** What the tiles of the fullest wafer do in one step, by columns and rows: tile (c, r) does products[c] · tokens[r] + scores[c] · pairs[r] multiply-adds. */
export interface WaferMap {
  /** Multiply-adds a token and a pair of query and key, in each column. */
  readonly products: readonly number[];
  readonly scores: readonly number[];
  /** Wavelets from the north to each tile of a column, and along the row for a token of its row. */
  readonly south: readonly number[];
  readonly east: readonly number[];
  /** Bytes of activations a token. */
  readonly activationBytes: readonly number[];
  /** By row, over all micro-batches of a step; and tokens that a row holds at a time. */
  readonly tokens: readonly number[];
  readonly pairs: readonly number[];
  readonly heldTokens: readonly number[];
}

export interface Work {
  readonly format: 1;
  readonly kind: 'training' | 'generation';
  /** Steps that it covers. */
  readonly steps: number;
  readonly model: { readonly name: string; readonly parameterCount: number };
  /** Samples and tokens of one step, over all systems. */
  readonly samples: number;
  readonly tokens: number;
  readonly numCsx: number;
  /** Down-ports of a SwarmX node. */
  readonly fanIn: number;
  readonly rectangle: { readonly rows: number; readonly cols: number };
  readonly numbers: { readonly weights: NumberName; readonly activations: NumberName };
  readonly sram: { readonly limitBytes: number; readonly codeBytes: number; readonly activationBytes: number; readonly streamBytes: number; readonly totalBytes: number };
  /** State in MemoryX: weights, moments, gradients under way. */
  readonly stateBytes: number;
  /** Updates wait for the whole step's verdict (clipping, a scaled loss). */
  readonly verdict: boolean;
  readonly layers: readonly string[];
  readonly passes: readonly PassWork[];
  readonly microBatches: readonly MicroBatchWork[];
  readonly updates: readonly UpdateWork[];
  /** Actions of updates over all steps. */
  readonly updateCounts: Partial<Counts>;
  readonly map: WaferMap;
}

/** The counts of all passes and updates: those of the run. */
export const workCounts = (work: Pick<Work, 'passes' | 'updateCounts'>): Partial<Counts> => {
  const total: Partial<Counts> = {};
  for (const counts of [...work.passes.map((pass) => pass.counts), work.updateCounts]) {
    for (const [action, amount] of Object.entries(counts) as [keyof Counts, number][]) total[action] = (total[action] ?? 0) + amount;
  }
  return total;
};
