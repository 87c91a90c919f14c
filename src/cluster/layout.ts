/**
 * The layout: where everything of one run lies, as plain data that every actor gets with its props.
 *
 *   arena     one shared memory: weight slots, and for each band the SRAM of its tiles and its gradient nodes
 *   MemoryX   memories of their own: weights twice (this step's and the next), moments, gradients
 *
 * Not here: making it (wafer/arena.ts, memoryx/places.ts), using it.
 */
import type { KernelPlan } from '../kernels/load.js';
import type { Optimizer } from '../model/optimizer.js';
import type { Precision } from '../model/precision.js';
import type { SparseParameter } from '../model/sparsity.js';
import type { Program } from '../compiler/program.js';
import type { BatchShape } from './deal.js';

/** A band: neighbouring slabs of one wafer's share, in whatever rows they lie, swept together by one tile host on one thread. Addresses in the arena. */
export interface BandPlan {
  readonly id: number;
  readonly wafer: number;
  readonly thread: number;
  /** Places among the slabs of the wafer's share. */
  readonly firstSlab: number;
  readonly slabs: number;
  /** Activations [slabs][features][32], a buffer of the program each: the tiles' SRAM, tile (row, column) being a view of it. */
  readonly buffers: readonly number[];
  /** Labels i32 [slabs][32]. */
  readonly labels: number;
  /** The step's loss factor, f32, left by the input worker. */
  readonly factor: number;
  /** Rows [rowsOfBand][32] of travelling sums: maxima, sums, chunks, means, the label's logit, losses. */
  readonly rows: number;
  /** Turned panels [slabs][32][width]. */
  readonly turned: number;
  /** The gradient kernel's stack. */
  readonly stack: number;
  /** One panel of a streamed head's dx on its way to the sum; 0 if the program has no such head. */
  readonly partial: number;
  /** Outgoing gradient nodes, one region a gradient slot. */
  readonly gradients: readonly number[];
  /** Outgoing deltas of gathered rows, turned [slabs][32][width]; 0 if the program has none. */
  readonly scatter: number;
  /** Lists of live features, one a slab; 0 where no ReLU leaves zeros. */
  readonly live: number;
  /** Copies of every layer's output and delta, by layer, for whoever inspects them; empty where nobody does. −1: none. */
  readonly captured: readonly { readonly activation: number; readonly delta: number }[];
  /** Buffers on the links of the band, where tiles work one by one; 0 where they are swept. */
  readonly fabric: number;
}

/** Room of one thread for the sparse gradient over four slabs at a time; see tile/gradient-sparse.ts. Addresses in the arena. */
export interface QuadPlan {
  /** Panels of four slabs interleaved: the layer's inputs, the block's deltas, and ones. */
  readonly x: number;
  readonly dy: number;
  readonly ones: number;
  /** The structure of a bias gradient: every result has the one feature 0. */
  readonly noIndices: number;
  readonly everyStart: number;
  /** Dense nodes of a group of slabs, from which stored positions are taken. */
  readonly dense: number;
}

export interface ArenaPlan {
  readonly bytes: number;
  /** Packed weights with their bias, in flight. */
  readonly weightSlots: readonly number[];
  /** One panel row of ones: the input of bias gradients. */
  readonly ones: number;
  /** One panel row of zeros: the mean of an RMSNorm. */
  readonly zeros: number;
  /** Leaves of the loss, f32, by slab of the global batch. */
  readonly lossLeaves: number;
  /** cos and sin of rotary positions, [places][headSize / 2] each, by layer. */
  readonly rotary: readonly { readonly layer: number; readonly cos: number; readonly sin: number }[];
  /** Each thread's room for gradient nodes that wait for their siblings; see tile/gradient.ts. */
  readonly nodes: readonly number[];
  /** Each thread's room for one head of a sample's attention; see tile/attention.ts. */
  readonly attention: readonly number[];
  /** Stored positions of the sparse gradient block in each gradient slot, i32. */
  readonly gradientHeads: number;
  /** Each thread's room for gradients at stored positions; empty where nothing is sparse. */
  readonly quads: readonly QuadPlan[];
  readonly bands: readonly BandPlan[];
  /** Bytes of activations among all of it. */
  readonly activationBytes: number;
}

/** Where one parameter lies in a MemoryX memory. */
export interface ParameterPlace {
  readonly memory: number;
  /** Step s reads weights[s mod 2] and writes the other. */
  readonly weights: readonly [number, number];
  readonly moments: readonly number[];
  /** Gradient nodes waiting for their siblings; the root ends in the first. */
  readonly gradients: readonly number[];
  /** A tied table's second root: that of its gathered rows, added to the first where the gradient is read. */
  readonly tableRoot: number | null;
  /** Leaves of the sum of squares, f32, ⌈size / 1024⌉; 0 where no norm is asked for. */
  readonly squares: number;
  /** Sums that sweeps of an update need (sweeps.ts); 0 where there are none. */
  readonly statistics: number;
  /** A sparse parameter's masks, with its weights and moments at the stored positions; `weights` and `moments` above are then empty, `gradients` hold stored positions. */
  readonly sparse: SparsePlace | null;
}

/** The structure of a stream's blocks (sparsity/structure.ts) in memory. */
export interface FormPlace {
  readonly indices: number;
  readonly starts: number;
  /** u32 [blocks + 1]: the first stored place of each block, and where its starts begin. */
  readonly firstOf: number;
  readonly startsOf: number;
}

/** One mask and what is stored under it, in the order in which it streams. */
export interface MaskPlace {
  readonly weights: readonly [number, number];
  readonly moments: readonly number[];
  /** Dense index of each stored place, u32. */
  readonly positions: number;
  readonly forward: FormPlace;
  /** `order`: stored place of each entry of the delta stream, u32. */
  readonly delta: FormPlace & { readonly order: number };
  /** Stored places by ascending dense index, u32; 0 where no sum over the parameter is asked for. */
  readonly byIndex: number;
}

export interface SparsePlace {
  readonly plan: SparseParameter;
  /** Its place in the table of masks (masks.ts). */
  readonly number: number;
  /** Values of four neighbouring outputs lie side by side. */
  readonly fourRow: boolean;
  /** One, or two where masks change: the next is made while the last is still needed. */
  readonly masks: readonly MaskPlace[];
  /** Dense gradients, where an algorithm asks for them; as many as `gradients`. */
  readonly dense: readonly number[];
}

/** One unit's own regions in each memory that it works on. */
export interface UnitPlace {
  /** Staging of a block on its way down or up, by memory. */
  readonly staging: readonly number[];
  /** Saved moments of the stretch being updated, by memory. */
  readonly undo: readonly number[];
  /** One stretch of a gradient, summed or scaled on its way to the optimizer, by memory. */
  readonly stretch: readonly number[];
}

/** What a gathered table has beside it, in its memory. */
export interface EmbeddingPlace {
  /** The table's parameter, its rows and their length; whether its rows are chosen by place instead of by id. */
  readonly parameter: number;
  readonly vocabulary: number;
  readonly dim: number;
  readonly context: number;
  readonly byPlace: boolean;
  readonly memory: number;
  /** Ids i32 [slabs of a micro-batch][32][context]. */
  readonly ids: number;
  /** One panel (gathered, or turned on its way up) for each unit, and a second one to add it to. */
  readonly panels: readonly number[];
  readonly sums: readonly number[];
  /** Pool of gradient rows [rowsMax][dim]. */
  readonly rows: number;
  readonly rowsMax: number;
  /** Pool rows of one leaf's ids, i32 [32][context]. */
  readonly slots: number;
}

export interface MemoryXPlan {
  /** Bytes of each memory. */
  readonly memoryBytes: readonly number[];
  readonly parameters: readonly ParameterPlace[];
  readonly units: readonly UnitPlace[];
  /** The embedding's table first, then its positions. */
  readonly embeddings: readonly EmbeddingPlace[];
}

/** A part of MemoryX's state that is in DRAM as a whole, in one room, or not at all. */
export interface StateObject {
  readonly group: number;
  /** weights: one of the two versions of a group, by parity; moments: of all its parameters; stored: a sparse weight with masks and moments; gradient: what is collected. */
  readonly kind: 'weights' | 'moments' | 'stored' | 'gradient';
  /** Whole pages. */
  readonly bytes: number;
}

/** Parameters whose state comes and goes together: those of one streamed layer, a table, or a sparse weight. Objects by number. */
export interface StateGroup {
  readonly parameters: readonly number[];
  readonly memory: number;
  /** By the parity of the version; null where the weight is sparse. */
  readonly weights: readonly [number, number] | null;
  readonly moments: number | null;
  readonly stored: number | null;
  readonly gradient: number;
}

/** MemoryX in two tiers: addresses in `ParameterPlace` then count from the beginning of the object's room. */
export interface TierPlan {
  readonly groups: readonly StateGroup[];
  /** By parameter. */
  readonly groupOf: readonly number[];
  readonly objects: readonly StateObject[];
  /** The room of each memory that objects come and go in. */
  readonly pools: readonly { readonly address: number; readonly bytes: number }[];
  /** Page of each object's room, i32; 0: it is not in DRAM. */
  readonly rooms: SharedArrayBuffer;
}

/** Bytes of a page: rooms begin on one, and files are read and written by whole pages. */
export const pageBytes = 4096;

/** Everything that actors share. Memories and the kernels' module travel by reference. */
export interface ClusterLayout {
  readonly program: Program;
  readonly optimizer: Optimizer;
  /** Largest global norm of a step's gradient, or null: parameters then wait for the verdict of the whole step. */
  readonly clipNorm: number | null;
  /** Numbers of weights and activations, and the rules of the loss scale. */
  readonly precision: Precision;
  /** Keys dropout, masks and rounding by chance. */
  readonly seed: number;
  readonly batch: BatchShape;
  readonly kernels: KernelPlan;
  readonly arena: ArenaPlan;
  readonly arenaMemory: WebAssembly.Memory;
  readonly memoryX: MemoryXPlan;
  readonly memoryXMemories: readonly WebAssembly.Memory[];
  /** Null: all of MemoryX's state has a place of its own in DRAM. */
  readonly tiers: TierPlan | null;
  /** Versions and progress of updates, i32 [parameter][unit][3]; see memoryx/update.ts. */
  readonly journal: SharedArrayBuffer;
  /** Which mask goes with which version, i32; see masks.ts. */
  readonly masks: SharedArrayBuffer;
  /** 'stored': sparse blocks always travel at their stored positions alone, as tiles that work one by one want them. */
  readonly forms: 'fastest' | 'stored';
  /** Action counters (trace/counts.ts), one array a device. */
  readonly counts: SharedArrayBuffer;
}

/** Floats in a stretch that an update saves and redoes as a whole. */
export const stretchFloats = 1 << 14;

/** Journal words of one parameter and unit. */
export const journalWords = 3;

/** Which counter array a device writes: bands, then inputs, then SwarmX nodes, then wafers, then MemoryX units. */
export const deviceNumbers = (bands: number, nodes: number, numCsx: number) => ({
  band: (id: number) => id,
  input: (id: number) => bands + id,
  node: (id: number) => 2 * bands + id,
  wafer: (id: number) => 2 * bands + nodes + id,
  unit: (id: number) => 2 * bands + nodes + numCsx + id,
});
