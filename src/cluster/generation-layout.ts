/**
 * The layout of a generation: where weights, lanes, activations and caches lie, as plain data that every host gets with its props.
 *
 *   memory 0    the wafers' arena: panels of lanes, keys and values of every sequence; behind it packed weights as far as they fit
 *   memory 1 …  more packed weights: their blocks pass through a host's own slot
 *
 * A lane is one token of one sequence in a step; lanes lie in panels [features][32], and lanes of different wafers share none. Not here: making it
 * (generation/plan.ts), using it (generation/host.ts).
 */
import type { LocalStep, Program } from '../compiler/program.js';
import type { KernelPlan } from '../kernels/load.js';
import { slabTokens } from '../kernels/types.js';
import { words } from '../tensor/shared-memory.js';

/** What hosts do between two waits. `wantedOnly`: for lanes whose logits are asked for; nothing behind the last attention concerns the others. */
export type Stage = { readonly wantedOnly: boolean } & (
  /** Rows of the tables, and the angles of the lanes' places. */
  | { readonly kind: 'gather'; readonly buffer: number }
  /** Norms whole in every host's own room, then the host's share of the features of a product and of the local steps behind it. */
  | { readonly kind: 'features'; readonly norms: readonly number[]; readonly linear: number | null; readonly locals: readonly LocalStep[]; readonly features: number }
  /** A norm that others write over: panels shared out. */
  | { readonly kind: 'norm'; readonly norm: number }
  | { readonly kind: 'rotary'; readonly step: RotaryStep }
  /** Keys and values are stored, then the lanes attend; the wafers' key–value heads are shared out. Positions are turned before, where there are any. */
  | { readonly kind: 'attention'; readonly attention: number; readonly rotary: RotaryStep | null }
);
export type RotaryStep = Extract<LocalStep, { op: 'rotary' }>;

/** A place in one of the memories. */
export interface Place {
  readonly memory: number;
  readonly address: number;
}

/** Packed weights of a few outputs with their bias behind them. */
export interface PackedBlock extends Place {
  readonly first: number;
  readonly count: number;
}

/** The angles of one kind of rotary positions: all places', and those of the lanes at hand, [panel][32][headSize / 2]. */
export interface RotaryRoom {
  readonly layers: readonly number[];
  readonly half: number;
  readonly cos: number;
  readonly sin: number;
  readonly laneCos: number;
  readonly laneSin: number;
}

/** What a host has for itself. */
export interface HostRoom {
  /** Outputs of norms that nobody else writes, by buffer. */
  readonly buffers: Readonly<Record<number, number>>;
  /** Four rows of 32. */
  readonly rows: number;
  readonly scratch: number;
  /** For a block that lies in another memory; 0 where none does. */
  readonly slot: number;
}

/** Keys [kvHead][slab][headSize][32] and values [kvHead][place][headSize rounded up to 4] of one sequence and attention. */
export interface CachePlace {
  readonly keys: number;
  readonly values: number;
}

export interface SequencePlan {
  readonly wafer: number;
  /** Slabs of places that its caches hold. */
  readonly slabs: number;
  /** By attention. */
  readonly caches: readonly CachePlace[];
}

export interface GenerationLayout {
  readonly program: Program;
  readonly kernels: KernelPlan;
  readonly stages: readonly Stage[];
  readonly memories: readonly WebAssembly.Memory[];
  /** Shared buffers of panels, by buffer; 0 for one that hosts have of their own, or that generation does not need. */
  readonly buffers: readonly number[];
  readonly hosts: readonly HostRoom[];
  /** Blocks of a product by streamed layer and host. */
  readonly blocks: readonly (readonly (readonly PackedBlock[])[])[];
  /** Gain and bias of a norm by streamed layer, in memory 0. */
  readonly norms: readonly { readonly gain: number; readonly bias: number }[];
  readonly table: Place;
  readonly positions: Place | null;
  readonly dim: number;
  readonly rotary: readonly RotaryRoom[];
  readonly sequences: readonly SequencePlan[];
  /** The lane table; see laneTable. */
  readonly lanes: number;
  readonly panelsMax: number;
  /** Buffer of the logits. */
  readonly logits: number;
  /** Systems, and links of the SwarmX tree: bytes on each are counted. */
  readonly numCsx: number;
  readonly links: number;
  readonly counts: SharedArrayBuffer;
}

const panelWords = 3, laneWords = 3;
export const laneTableWords = (panelsMax: number): number => 1 + panelsMax * (panelWords + slabTokens * laneWords);

/** The lanes of the step at hand, as the coordinator writes and hosts read them. */
export const laneTable = (memory: WebAssembly.Memory, address: number, panelsMax: number) => {
  const table = words(memory, address, laneTableWords(panelsMax));
  const panel = (p: number, word: number): number => 1 + p * panelWords + word, lane = (l: number, word: number): number => 1 + panelsMax * panelWords + l * laneWords + word;
  const get = (i: number): number => table[i] as number;
  return {
    panels: () => get(0),
    wafer: (p: number) => get(panel(p, 0)),
    /** Lanes of a panel, and how many of its first are asked for their logits. */
    lanes: (p: number) => get(panel(p, 1)),
    wanted: (p: number) => get(panel(p, 2)),
    /** Lane p · 32 + t is lane t of panel p. */
    sequence: (l: number) => get(lane(l, 0)),
    place: (l: number) => get(lane(l, 1)),
    token: (l: number) => get(lane(l, 2)),
    setPanels: (panels: number) => void (table[0] = panels),
    setPanel: (p: number, wafer: number, lanes: number, wanted: number) => table.set([wafer, lanes, wanted], panel(p, 0)),
    setLane: (l: number, sequence: number, place: number, token: number) => table.set([sequence, place, token], lane(l, 0)),
  };
};
export type LaneTable = ReturnType<typeof laneTable>;
