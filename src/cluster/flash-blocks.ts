/**
 * Blocks: how the pieces of MemoryX's state are dealt over shards. A piece is cut into runs of at most 4 MiB; neighbouring runs go to different shards, so that a large
 * tensor comes from all disks at once.
 *
 *   run after run ─▶ shard after shard, the next block of its file; those of gradients, which outlive nothing, into rooms of their own
 *
 * Not here: files (storage/), when a piece moves (coordinator/residence.ts).
 */
import { MiB } from '../util/units.js';

/** Bytes of a block but the last of a piece: large enough for a disk's full rate. */
export const blockBytesMax = 4 * MiB;

export interface Run {
  readonly shard: number;
  /** Its number in the shard, or its offset in the shard's scratch room. */
  readonly at: number;
  /** Where it stands in the piece. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Piece {
  readonly bytes: number;
  /** Scratch: nothing of it outlives the run. */
  readonly scratch: boolean;
}

export interface Dealt {
  /** By piece. */
  readonly runs: readonly (readonly Run[])[];
  /** By shard: bytes of each block, in order. */
  readonly blocks: readonly (readonly number[])[];
  readonly scratchBytes: readonly number[];
}

export const dealBlocks = (pieces: readonly Piece[], shards: number): Dealt => {
  const blocks = Array.from({ length: shards }, (): number[] => []), scratchBytes = blocks.map(() => 0);
  let lasting = 0, passing = 0;
  const runs = pieces.map(({ bytes, scratch }) => {
    const of: Run[] = [];
    for (let offset = 0; offset < bytes; offset += blockBytesMax) {
      const shard = (scratch ? passing++ : lasting++) % shards, now = Math.min(blockBytesMax, bytes - offset), list = blocks[shard] as number[];
      of.push({ shard, at: scratch ? (scratchBytes[shard] as number) : list.length, offset, bytes: now });
      if (scratch) scratchBytes[shard] = (scratchBytes[shard] as number) + now;
      else list.push(now);
    }
    return of;
  });
  return { runs, blocks, scratchBytes };
};

/** Lanes of a unit's flash: while one sums a block up, another waits for the disk. */
export const lanesPerShard = 2;

/** Runs of a piece that a lane moves. */
export const runsOfLane = (runs: readonly Run[], shard: number, lane: number): Run[] => runs.filter((run) => run.shard === shard).filter((_, i) => i % lanesPerShard === lane);
