/**
 * A shard: one file that holds the last two states of a part of the parameters, and never a mixture of them.
 *
 *   [superblock 0 | superblock 1 | table 0 | table 1 | slot 0 | slot 1 | scratch]          the state of step s lies in slot s mod 2
 *   blocks of step s+1 ─▶ the other slot ─all there─▶ its table ─sync─▶ its superblock ─sync─▶ committed
 *
 * Every block has a checksum in the table of its slot, and the table one in its superblock. Until step s+1 is committed nothing of step s is touched: whatever happens, the
 * newest valid superblock stands for a whole state. Scratch room outlives nothing. Not here: several shards (store.ts), the bytes of a superblock (superblock.ts).
 */
import { CorruptFile, EmulatorBug, assert } from '../util/errors.js';
import { roundUp } from '../util/units.js';
import type { FileSystem, OpenFile } from './file-system.js';
import { crc32, pageBytes, parseSuperblock, stateBytesMax, superblockOf, tableOf, parseTable, type Superblock } from './superblock.js';

/** What a shard is made of. */
export interface ShardPlan {
  /** Bytes of each block, in the order in which they stream. */
  readonly blocks: readonly number[];
  readonly scratchBytes: number;
  /** 64 hexadecimal digits that say whose state it is. */
  readonly identity: string;
}

/** Where everything of a shard's file lies, in bytes. */
export interface ShardMap {
  readonly blocks: readonly number[];
  readonly starts: readonly number[];
  readonly tables: readonly [number, number];
  readonly slots: readonly [number, number];
  readonly scratch: number;
  readonly bytes: number;
}

export const mapShard = ({ blocks, scratchBytes }: Pick<ShardPlan, 'blocks' | 'scratchBytes'>): ShardMap => {
  const tableBytes = roundUp(blocks.length * 4 + 8 + stateBytesMax, pageBytes), first = 2 * pageBytes;
  const starts: number[] = [];
  let slotBytes = 0;
  for (const bytes of blocks) {
    starts.push(slotBytes);
    slotBytes += roundUp(bytes, pageBytes);
  }
  const slot = first + 2 * tableBytes, scratch = slot + 2 * slotBytes;
  return { blocks, starts, tables: [first, first + tableBytes], slots: [slot, slot + slotBytes], scratch, bytes: scratch + roundUp(scratchBytes, pageBytes) };
};

export interface Committed {
  readonly step: number;
  /** What was said of the state when it was committed. */
  readonly state: string;
}

/** 'process': it survives the end of the process; 'power': also a loss of power. */
export type CommitTo = 'process' | 'power';

/** Words of shared checksums before those of blocks: the newest committed step + 1. */
const headWords = 1;

/** Checksums of both slots and which step each block is of, shared by all that have the shard open. */
export const shardChecksums = (blocks: number): SharedArrayBuffer => new SharedArrayBuffer((headWords + 4 * blocks) * 4);

/** Makes the file of a shard; nothing is committed. @throws StorageFailed if there is one */
export const createShard = (fs: FileSystem, path: string, plan: ShardPlan): void => {
  const file = fs.open(path, 'create');
  try {
    file.truncate(mapShard(plan).bytes);
    file.sync();
  } finally {
    file.close();
  }
};

export interface OpenShard {
  readonly path: string;
  readonly plan: ShardPlan;
  readonly mode: 'read' | 'write';
  /** Past the host's page cache. */
  readonly direct?: boolean;
  /** Of `shardChecksums`; what somebody has read or written before is known. Read from the file if left out. */
  readonly checksums?: SharedArrayBuffer;
  /** Steps need not be committed one by one: nothing survives anyway. */
  readonly unguarded?: boolean;
}

export class Shard {
  readonly path: string;
  readonly #map: ShardMap;
  readonly #identity: string;
  /** Tables and superblocks, and blocks. */
  readonly #file: OpenFile;
  readonly #data: OpenFile;
  readonly #words: Int32Array;
  readonly #scratch = new Map<number, number>();
  readonly #unguarded: boolean;

  private constructor(fs: FileSystem, o: OpenShard) {
    this.path = o.path;
    this.#map = mapShard(o.plan);
    this.#identity = o.plan.identity;
    this.#unguarded = o.unguarded ?? false;
    this.#file = fs.open(o.path, o.mode);
    try {
      this.#data = o.direct === true ? fs.open(o.path, o.mode, true) : this.#file;
      // Scratch room is whoever opens the file's.
      if (o.mode === 'write' && this.#file.size() < this.#map.bytes) this.#file.truncate(this.#map.bytes);
      this.#words = new Int32Array(o.checksums ?? shardChecksums(o.plan.blocks.length));
      if (o.checksums === undefined) this.committed();
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  static open(fs: FileSystem, o: OpenShard): Shard {
    return new Shard(fs, o);
  }

  /** Committed states that are whole as far as tables say, newest first. Checksums are read from them. @throws CorruptFile for a file of another run */
  committed(): Committed[] {
    const found = [0, 1].flatMap((slot) => {
      const superblock = this.#superblock(slot as 0 | 1);
      if (superblock === null) return [];
      const table = parseTable(this.#bytes(this.#map.tables[slot as 0 | 1], superblock.tableBytes), this.#map.blocks.length, superblock.tableChecksum);
      if (table === null) return [];
      table.checksums.forEach((checksum, block) => this.#note(superblock.step, block, checksum));
      return [{ step: superblock.step, state: table.state }];
    }).toSorted((a, b) => b.step - a.step);
    Atomics.store(this.#words, 0, (found[0]?.step ?? -1) + 1);
    return found;
  }

  #bytes(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#file.read(bytes, at);
    return bytes;
  }

  #superblock(slot: 0 | 1): Superblock | null {
    const found = this.#file.size() < 2 * pageBytes ? null : parseSuperblock(this.#bytes(slot * pageBytes, pageBytes));
    if (found === null || found.step % 2 !== slot) return null;
    if (found.identity !== this.#identity || found.blocks !== this.#map.blocks.length) {
      throw new CorruptFile({ what: 'a shard of another run', where: this.path, value: `${found.blocks} blocks, identity ${found.identity.slice(0, 12)}…`, limit: `${this.#map.blocks.length} blocks, identity ${this.#identity.slice(0, 12)}…`, hint: 'give the folder of the run that is resumed, or an empty one' });
    }
    return found;
  }

  #note(step: number, block: number, checksum: number): void {
    const at = headWords + 2 * ((step % 2) * this.#map.blocks.length + block);
    Atomics.store(this.#words, at, checksum | 0);
    Atomics.store(this.#words, at + 1, step + 1);
  }

  /** The checksum that a block of a step must have; null: it was not written. */
  #noted(step: number, block: number): number | null {
    const at = headWords + 2 * ((step % 2) * this.#map.blocks.length + block);
    return Atomics.load(this.#words, at + 1) === step + 1 ? Atomics.load(this.#words, at) >>> 0 : null;
  }

  #at(step: number, block: number, bytes: number): number {
    const start = this.#map.starts[block];
    assert(start !== undefined && this.#map.blocks[block] === bytes, `block ${block} has ${bytes} bytes`);
    return this.#map.slots[step % 2 === 0 ? 0 : 1] + start;
  }

  /** Fills `into` with a block. @throws CorruptFile if it is not what was written */
  read(step: number, block: number, into: Uint8Array): void {
    const expected = this.#noted(step, block);
    if (expected === null) throw new EmulatorBug({ what: `block ${block} of step ${step} was never written`, where: this.path });
    this.#data.read(into, this.#at(step, block, into.length));
    this.#check(crc32(into), expected, `block ${block} of step ${step}`);
  }

  #check(actual: number, expected: number, what: string): void {
    if (actual === expected) return;
    throw new CorruptFile({ what: `${what} is damaged`, where: this.path, value: actual.toString(16), limit: `checksum ${expected.toString(16)}`, hint: 'resume from a checkpoint, and see what the system says of this disk' });
  }

  /** Writes a block of a step that is not committed. The step before must be: its state would be lost otherwise. */
  write(step: number, block: number, from: Uint8Array): void {
    const newest = Atomics.load(this.#words, 0) - 1;
    if (!this.#unguarded && newest >= 0 && step !== newest + 1) throw new EmulatorBug({ what: `a block of step ${step} is written while step ${newest} is the newest that is committed`, where: this.path });
    const checksum = crc32(from);
    this.#data.write(from, this.#at(step, block, from.length));
    this.#note(step, block, checksum);
  }

  readScratch(at: number, into: Uint8Array): void {
    this.#data.read(into, this.#map.scratch + at);
    this.#check(crc32(into), this.#scratch.get(at) ?? -1, `scratch at ${at}`);
  }

  writeScratch(at: number, from: Uint8Array): void {
    this.#scratch.set(at, crc32(from));
    this.#data.write(from, this.#map.scratch + at);
  }

  /** All blocks of `step` are written: it becomes the newest state. Again for a step that is committed: nothing to do. */
  commit(step: number, state: string, to: CommitTo): void {
    if (Atomics.load(this.#words, 0) === step + 1) return;
    const slot = step % 2 === 0 ? 0 : 1;
    const checksums = this.#map.blocks.map((_, block) => {
      const noted = this.#noted(step, block);
      if (noted === null) throw new EmulatorBug({ what: `step ${step} is committed without its block ${block}`, where: this.path });
      return noted;
    });
    const table = tableOf(checksums, state);
    this.#file.write(table, this.#map.tables[slot]);
    if (to === 'power') this.#file.sync();
    this.#file.write(superblockOf({ step, blocks: checksums.length, tableBytes: table.length, tableChecksum: crc32(table), identity: this.#identity }), slot * pageBytes);
    if (to === 'power') this.#file.sync();
    Atomics.store(this.#words, 0, step + 1);
  }

  close(): void {
    if (this.#data !== this.#file) this.#data.close();
    this.#file.close();
  }
}
