/**
 * A lane of a MemoryX unit's flash: moves blocks between the unit's file and rooms in DRAM. A unit has a few lanes on threads of their own, so that one sums a block up while
 * another waits for the disk.
 *
 *   flash.read   file ─▶ room, checked          flash.write   room ─▶ file, checksum kept          flash.commit   all of a version is there: make it the newest
 *
 * Not here: what moves when (coordinator/residence.ts), the file (storage/).
 */
import type { Behavior } from '../../actor/behavior.js';
import { realFileSystem } from '../../storage/real-file-system.js';
import { openShard, type OpenShardOptions } from '../../storage/shard.js';
import { bytesOf } from '../../tensor/shared-memory.js';
import { nowMs } from '../../util/clock.js';
import { assert } from '../../util/errors.js';
import { dealBlocks, runsOfLane, type Piece } from '../flash-blocks.js';
import { pageBytes } from '../layout.js';
import type { FlashCommand, FlashReply } from './protocol.js';

/** Files of one shard, as they are to be opened. */
export interface FlashFiles {
  readonly path: string;
  readonly options: OpenShardOptions;
  /** For gradients, which outlive nothing. */
  readonly scratch: { readonly path: string; readonly options: OpenShardOptions };
}

export interface FlashProps {
  readonly file: FlashFiles;
  readonly pieces: readonly Piece[];
  readonly shard: number;
  readonly shards: number;
  readonly lane: number;
  readonly memories: readonly WebAssembly.Memory[];
  /** What a version says of itself, in UTF-8, for the commit under way. */
  readonly text: SharedArrayBuffer;
}

export const flashLane = (props: FlashProps): Behavior<FlashCommand, FlashReply> => {
  const { pieces, shard, lane, memories } = props;
  const own = dealBlocks(pieces, props.shards).runs.map((runs) => runsOfLane(runs, shard, lane));
  const { path, options, scratch: passing } = props.file;
  const file = openShard(realFileSystem, path, options), scratch = openShard(realFileSystem, passing.path, passing.options);
  const isCommitted = (version: number): boolean => file.committed[0]?.step === version;
  const commit = (version: number, textBytes: number, power: boolean): void => {
    // Asked again after a fault, a shard may have done it the first time.
    if (!isCommitted(version)) file.commit(version, new TextDecoder().decode(new Uint8Array(props.text, 0, textBytes).slice()), power ? 'power' : 'process');
  };
  const close = (): void => {
    file.close();
    scratch.close();
  };
  const perform = (message: FlashCommand): number => {
    if (message.type === 'flash.commit') {
      commit(message.version, message.textBytes, message.durability === 1);
      return 0;
    }
    const memory = memories[message.memory], piece = pieces[message.piece];
    assert(memory !== undefined && piece !== undefined, 'the piece and its memory exist');
    let bytes = 0;
    for (const run of own[message.piece] ?? []) {
      const room = bytesOf(memory, message.page * pageBytes + run.offset, run.bytes);
      if (message.type === 'flash.read') {
        if (piece.scratch) scratch.readScratch(run.at, room);
        else file.read(message.version, run.at, room);
      } else if (piece.scratch) scratch.writeScratch(run.at, room);
      // A step that is redone because nobody heard of its commit: the shard has all of it.
      else if (!isCommitted(message.version)) file.write(message.version, run.at, room);
      bytes += run.bytes;
    }
    return bytes;
  };
  return (ctx) => ({
    receive(message) {
      const since = nowMs();
      try {
        const bytes = perform(message);
        ctx.reply({ type: 'flash.done', bytes, seconds: (nowMs() - since) / 1000 });
      } catch (error) {
        // An actor that has failed is not closed by anybody else.
        close();
        throw error;
      }
    },
    close,
  });
};
