/**
 * A row of tiles: their mailboxes, the ring that joins them, and the buffers on its links.
 *
 *   host ─▶ column 0 ─▶ column 1 ─▶ … ─▶ last column ─ring─▶ column 0, next phase
 *
 * Rows of a rectangle are alike and work one after the other here, so that one row's mailboxes and buffers serve them all. Mailboxes hold `mailboxMax`
 * messages; the ring keeps one phase of a row in flight. Not here: a tile's turn (tile.ts), which phases there are (fabric.ts and its neighbours).
 */
import type { Program } from '../../compiler/program.js';
import { panelRowBytes, slabTokens } from '../../kernels/types.js';
import { assert } from '../../util/errors.js';
import type { BandContext, Share } from './band.js';
import type { Piece, TileSram } from './doors.js';
import { tileTurn, type TileMessage } from './tile.js';

/** Messages that a tile can hold. */
const mailboxMax = 4;

/** Rows of travelling sums, statistics and losses. */
const rowsOfFabric = 8;

export interface FabricBuffers {
  /** Travelling sums of a block's outputs, and their chunk sums. */
  readonly sum: number;
  readonly chunk: number;
  /** Three panels of a tile's features, private to its turn. */
  readonly scratch: readonly [number, number, number];
  /** Three panels that are multicast along a row or travel between rows. */
  readonly panels: readonly [number, number, number];
  /** Chunk sums of the scores of one pair of slabs. */
  readonly scoreChunk: number;
  readonly rows: readonly number[];
  readonly bytes: number;
}

/** The fabric buffers of a band, from an address on. */
export const fabricBuffers = (program: Program, address: number): FabricBuffers => {
  const blockMax = Math.max(1, ...program.streamed.flatMap((plan) => [...plan.forwardBlocks, ...plan.deltaBlocks].map((block) => block.count)));
  const featuresMax = Math.max(blockMax, ...program.buffers.map((buffer) => buffer.features));
  let end = address;
  const take = (features: number): number => {
    const at = end;
    end += features * panelRowBytes;
    return at;
  };
  const three = (): readonly [number, number, number] => [take(featuresMax), take(featuresMax), take(featuresMax)];
  const buffers = { sum: take(blockMax), chunk: take(blockMax), scratch: three(), panels: three(), scoreChunk: take(slabTokens), rows: Array.from({ length: rowsOfFabric }, () => take(1)) };
  return { ...buffers, bytes: end - address };
};

/** Floats of fabric buffers that a band needs. */
export const fabricFloats = (program: Program): number => fabricBuffers(program, 0).bytes / 4;

/** Every column's features of a buffer, and the rest of its SRAM. */
export type RowSram = Omit<TileSram, 'range'> & { range(buffer: number, column: number): readonly [number, number] };

/** One phase of a row: the message enters at column 0 and travels east until the ring's end. */
export type Travel = (message: TileMessage) => void;

export const rowOfTiles = (columns: number, sram: RowSram): Travel => {
  const tiles = Array.from({ length: columns }, (_, column): { readonly sram: TileSram; readonly mailbox: TileMessage[] } => ({
    mailbox: [],
    sram: { ...sram, range: (buffer) => sram.range(buffer, column) },
  }));
  const put = (column: number, message: TileMessage): void => {
    const mailbox = tiles[column]?.mailbox;
    assert(mailbox !== undefined && mailbox.length < mailboxMax, `the mailbox of a column holds at most ${mailboxMax} messages`);
    mailbox.push(message);
  };
  return (message) => {
    put(0, message);
    tiles.forEach((tile, column) => {
      for (let next = tile.mailbox.shift(); next !== undefined; next = tile.mailbox.shift()) {
        tileTurn(tile.sram, next);
        if (column + 1 < tiles.length) put(column + 1, next);
      }
    });
  };
};

/** Column `column`'s features of a buffer of `width` features: as even as can be. */
export const featuresOfColumn = (width: number, columns: number, column: number): readonly [number, number] => [Math.floor((column * width) / columns), Math.floor(((column + 1) * width) / columns)];

/** What the parts of a band's fabric share. */
export interface Fabric {
  readonly context: BandContext;
  readonly buffers: FabricBuffers;
  readonly travel: Travel;
  /** Deltas of several widths pass through scratch buffers: these hold `features` now, placed like any buffer of that width. */
  layOut(features: number, ...buffers: readonly (number | null)[]): void;
  everyPiece(share: Share): readonly Piece[];
  /** Whether a piece holds the last token of its slab. */
  endsSlab(share: Share, piece: Piece): boolean;
  /** Gradient nodes of `nodeFloats` each: `add` continues a slab's leaf with the tokens of a piece. */
  formNodes(share: Share, slot: number, nodeFloats: number, add: (piece: Piece, leaf: number) => void): void;
}
