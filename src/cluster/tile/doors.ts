/**
 * The doors of a tile's SRAM: the only way from its turn to its view of the buffers, its columns' features × its row's lanes.
 *
 *   SRAM ─load─▶ scratch panels, a turn's own ─kernel─▶ scratch ─store─▶ SRAM           every other lane of a scratch panel is +0
 *
 * A feature or lane of another tile is refused. Not here: what a turn does (tile.ts), fabric buffers (they come with the message).
 */
import { slabTokens, type Kernels } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';

/** Tokens of one slab that lie in one row of the rectangle: lanes first … last−1 of the slab's panel. */
export interface Piece {
  readonly row: number;
  /** Place of the slab in the band, or in the sample where rows of several bands work together. */
  readonly slab: number;
  readonly first: number;
  readonly last: number;
}

export interface TileSram {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** Features that this tile holds of a buffer. */
  range(buffer: number): readonly [number, number];
  /** Address of feature `feature` of slab `slab` of a buffer. */
  at(buffer: number, slab: number, feature: number): number;
  /** Whether a piece lies in the lanes of its row. */
  holds(piece: Piece): boolean;
  /** Three panels of the tile's features, private to the turn. */
  readonly scratch: readonly [number, number, number];
}

export interface Doors {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly scratch: readonly [number, number, number];
  /** The tile's features of a buffer, or those among `count` from `first` on. */
  overlap(buffer: number, first?: number, count?: number): readonly [number, number];
  /** Own lanes of features from … to−1 into a panel whose other lanes are +0. */
  load(buffer: number, panel: number, from: number, to: number): void;
  /** Own lanes of a panel to features from … to−1. */
  store(buffer: number, panel: number, from: number, to: number): void;
}

export const openDoors = (sram: TileSram, piece: Piece): Doors => {
  const { memory } = sram;
  assert(sram.holds(piece), 'a tile works on lanes of its own row');
  const own = (buffer: number, from: number, to: number): Float32Array => {
    const [first, last] = sram.range(buffer);
    assert(from >= first && to <= last && from < to, 'a tile opens its own features alone');
    return floats(memory, sram.at(buffer, piece.slab, from), (to - from) * slabTokens);
  };
  return {
    kernels: sram.kernels,
    memory,
    scratch: sram.scratch,
    overlap(buffer, first = 0, count = Infinity) {
      const [from, to] = sram.range(buffer);
      return [Math.max(from, first), Math.min(to, first + count)];
    },
    load(buffer, panel, from, to) {
      const source = own(buffer, from, to), into = floats(memory, panel, source.length);
      into.fill(0);
      copyLanes(into, source, piece);
    },
    store(buffer, panel, from, to) {
      const into = own(buffer, from, to);
      copyLanes(into, floats(memory, panel, into.length), piece);
    },
  };
};

/** The piece's lanes of every row of 32. */
export const copyLanes = (into: Float32Array, source: Float32Array, { first, last }: Piece): void => {
  for (let row = 0; row < into.length; row += slabTokens) for (let t = first; t < last; t++) into[row + t] = source[row + t] as number;
};

/** Pieces of consecutive slabs with the given tokens, slab by slab and in it row by row; `firstLane`: the first slab's first lane in the wafer's share. */
export const piecesOf = (rowEdges: readonly number[], firstLane: number, tokensOf: readonly number[]): Piece[][] =>
  tokensOf.map((tokens, slab) => {
    const start = firstLane + slab * slabTokens, pieces: Piece[] = [];
    for (let row = 0; row + 1 < rowEdges.length; row++) {
      const from = Math.max(start, rowEdges[row] ?? 0), to = Math.min(start + tokens, rowEdges[row + 1] ?? 0);
      if (from < to) pieces.push({ row, slab, first: from - start, last: to - start });
    }
    return pieces;
  });
