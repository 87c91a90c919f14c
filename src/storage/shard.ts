/**
 * A shard: one file that keeps two steps of its blocks, so that one of them is whole after any crash.
 *
 *   write(s, b) …─▶ slot s mod 2 ─commit(s)─▶ table ▸ sync ▸ superblock ▸ sync ─acknowledge(s)─▶ write(s + 1, b) … over step s − 1
 *
 * Step s lies in slot s mod 2 and stays as it is until step s + 1 is committed and acknowledged (by all shards of a store). A step exists from the moment that
 * its superblock does; checksums tell whether what it speaks of is there. Opening reads head, superblocks and tables alone.
 * Not here: bytes of those (layout.ts), what threads share (checksums.ts), several shards (store.ts).
 */
import { dirname } from 'node:path';
import { CorruptFile, DoesNotFit, EmulatorBug, InvalidConfig, assert } from '../util/errors.js';
import { Checksums, shardChecksums } from './checksums.js';
import { crc32, crcOfZeros, zeros } from './crc.js';
import { pageBytes, type FileSystem } from './file-system.js';
import { checkPlan, encodeHead, encodeSuperblock, encodeTable, layoutOf, type ShardLayout, type ShardPlan } from './layout.js';
import { ShardFile, readPlan } from './shard-file.js';

/** `process`: survives the end of the process. `power`: also a loss of power, on a disk that keeps its word. */
export type Durability = 'process' | 'power';

export interface CommittedStep {
  readonly step: number;
  /** The text given at the commit. */
  readonly state: string;
  /** Nothing was committed before it. */
  readonly first: boolean;
}

export interface OpenShardOptions {
  readonly mode: 'read' | 'write';
  /** What the file must be planned for; without it, whatever it says of itself. */
  readonly plan?: ShardPlan;
  /** Blocks and scratch past the page cache: they must then begin at multiples of 4,096 in their memory. */
  readonly direct?: boolean;
  /** Steps are written as they come and need not be committed: none survives the writing of one of its parity. */
  readonly unguarded?: boolean;
  /** From shardChecksums, shared by all that write this shard. */
  readonly checksums?: SharedArrayBuffer;
}

/** Bytes of the file of a plan. */
export const shardBytes = (plan: ShardPlan): number => layoutOf(plan).bytes;

/**
 * Makes the file of a shard, with nothing committed. Its folder must be there.
 * @throws InvalidConfig for a file that exists or a plan that cannot be; DoesNotFit where the disk has too little room.
 */
export const createShard = (fs: FileSystem, path: string, plan: ShardPlan): void => {
  checkPlan(plan, path);
  const { bytes } = layoutOf(plan), folder = dirname(path), { freeBytes } = fs.space(folder);
  if (bytes > freeBytes) throw new DoesNotFit({ what: `the shard ${path}`, needBytes: bytes, haveBytes: freeBytes, hint: 'free space, use several folders, or choose a smaller model' });
  const file = fs.open(path, 'create');
  try {
    file.write(encodeHead(plan), 0);
    file.truncate(bytes);
    file.sync();
  } finally {
    file.close();
  }
  fs.syncFolder(folder);
};

/** What differs between the plan that is asked for and that of the file. */
const compare = (asked: ShardPlan, found: ShardPlan, where: string): void => {
  const refuse = (what: string, value: unknown, limit: unknown): never => {
    throw new InvalidConfig({ what: `the shard ${what}`, where, value, limit, hint: 'use the options that it was made with, or another folder' });
  };
  if (found.blocks.length !== asked.blocks.length) refuse('was made for another number of blocks', found.blocks.length, asked.blocks.length);
  const block = found.blocks.findIndex((bytes, b) => bytes !== asked.blocks[b]);
  if (block !== -1) refuse(`was made for another size of block ${block}`, found.blocks[block], asked.blocks[block]);
  if (found.scratchBytes !== asked.scratchBytes) refuse('was made for other scratchBytes', found.scratchBytes, asked.scratchBytes);
  if (found.identity !== asked.identity) refuse('belongs to another store or configuration', found.identity, asked.identity);
};

/** @throws CorruptFile for a damaged file, InvalidConfig for one of another plan. */
export const openShard = (fs: FileSystem, path: string, options: OpenShardOptions): Shard => {
  const plan = readPlan(fs, path);
  if (options.plan !== undefined) compare(options.plan, plan, path);
  return new Shard(new ShardFile(fs, path, layoutOf(plan), options), options);
};

export class Shard {
  readonly path: string;
  readonly plan: ShardPlan;
  /** Shared with other threads that open this shard. */
  readonly checksums: SharedArrayBuffer;
  readonly #file: ShardFile;
  readonly #layout: ShardLayout;
  readonly #sums: Checksums;
  readonly #writable: boolean;
  readonly #unguarded: boolean;

  constructor(file: ShardFile, { mode, checksums, unguarded = false }: OpenShardOptions) {
    this.path = file.path;
    this.#file = file;
    this.#layout = file.layout;
    this.plan = file.layout.plan;
    this.#writable = mode === 'write';
    this.#unguarded = unguarded;
    this.checksums = checksums ?? shardChecksums(this.plan);
    this.#sums = new Checksums(this.checksums, this.plan, this.path);
    this.#sums.loadOnce(() => this.#load());
  }

  #load(): void {
    for (const slot of [0, 1]) {
      const found = this.#file.committed(slot);
      if (found === null) continue;
      found.table.crcs.forEach((crc, block) => this.#sums.set(found.step, block, crc));
      this.#sums.setCommitted(slot, found.step);
    }
    this.#sums.setAcknowledged(this.#sums.newest);
  }

  /** Steps with a superblock and its table, the newest first; the older one only until the next step begins. Reads their states. */
  get committed(): readonly CommittedStep[] {
    return [0, 1].flatMap((slot): CommittedStep[] => {
      const step = this.#sums.committed(slot), found = step === -1 ? null : this.#file.committed(slot);
      return found === null || found.step !== step ? [] : [{ step, state: found.table.state, first: found.first }];
    }).toSorted((a, b) => b.step - a.step);
  }

  #bytesOf(block: number, view: Uint8Array): void {
    const bytes = this.plan.blocks[block];
    assert(bytes !== undefined, `block ${block} is one of the ${this.plan.blocks.length} of ${this.path}`);
    assert(view.length === bytes, `the view on block ${block} has its ${bytes} bytes, not ${view.length}`);
  }

  #at(step: number, block: number): number {
    const at = this.#layout.slots[step % 2 === 0 ? 0 : 1][block];
    assert(at !== undefined, `block ${block} is one of the ${this.plan.blocks.length} of ${this.path}`);
    return at;
  }

  #begin(step: number): void {
    assert(this.#writable, `${this.path} was opened for writing`);
    if (!this.#unguarded) this.#sums.begin(step);
    else if (this.#sums.committed(step % 2) !== -1) {
      this.#file.putMeta(zeros(pageBytes), this.#layout.superblocks[step % 2 === 0 ? 0 : 1]);
      this.#sums.drop(step % 2);
    }
  }

  /** Fills `into`, which has the bytes of the block. @throws CorruptFile if they are not those that were written. */
  read(step: number, block: number, into: Uint8Array): void {
    this.#bytesOf(block, into);
    const crc = this.#sums.get(step, block);
    if (crc === null) throw new EmulatorBug({ what: `block ${block} of step ${step} is read and was not written`, where: this.path });
    this.#file.get(into, this.#at(step, block));
    if (crc32(into) !== crc) {
      throw new CorruptFile({ what: `block ${block} of step ${step} is not what was written`, where: this.path, hint: 'the disk lost or changed it: go back to another copy' });
    }
  }

  /** Puts a block of the step behind the newest committed one into its slot. `from` has the bytes of the block. */
  write(step: number, block: number, from: Uint8Array): void {
    this.#bytesOf(block, from);
    this.#begin(step);
    this.#sums.erase(step % 2, block);
    this.#file.put(from, this.#at(step, block));
    this.#sums.set(step, block, crc32(from));
  }

  /** As `write` of zeros, but what the file has as zeros already is left as it is: a hole stays one. */
  writeZeros(step: number, block: number): void {
    this.#begin(step);
    const bytes = this.plan.blocks[block], at = this.#at(step, block);
    assert(bytes !== undefined, `block ${block} is one of the ${this.plan.blocks.length} of ${this.path}`);
    this.#sums.erase(step % 2, block);
    this.#file.clear(at, bytes, zeros);
    this.#sums.set(step, block, crcOfZeros(bytes));
  }

  /** Makes a step the newest. All its blocks were written, by this thread or by others. @throws EmulatorBug if not. */
  commit(step: number, state: string, durability: Durability): void {
    this.#begin(step);
    const table = encodeTable(this.#sums.all(step), state), slot = step % 2 === 0 ? 0 : 1, first = this.#sums.newest === -1;
    this.#file.putMeta(table.padded, this.#layout.tables[slot]);
    if (durability === 'power') this.#file.sync();
    this.#file.putMeta(encodeSuperblock({ step, tableBytes: table.bytes, tableCrc: table.crc, first }, this.plan.identity), this.#layout.superblocks[slot]);
    if (durability === 'power') this.#file.sync();
    this.#sums.setCommitted(slot, step);
  }

  /** Says that every shard of the store has committed a step: the one before may be overwritten. */
  acknowledge(step: number): void {
    assert(step === this.#sums.newest, `step ${step}, acknowledged, is the newest of ${this.path}`);
    this.#sums.setAcknowledged(step);
  }

  /** Takes back the newest step, which other shards of the store have not. */
  forget(step: number): void {
    assert(this.#writable && step === this.#sums.newest, `step ${step}, to be forgotten, is the newest of ${this.path}`);
    this.#file.putMeta(zeros(pageBytes), this.#layout.superblocks[step % 2 === 0 ? 0 : 1]);
    this.#file.sync();
    this.#sums.forget(step);
    this.#sums.setAcknowledged(this.#sums.newest);
  }

  /** Returns when all that was written so far survives a loss of power. */
  sync(): void {
    this.#file.sync();
  }

  #scratchAt(offset: number, bytes: number): number {
    assert(offset >= 0 && offset % pageBytes === 0 && offset + bytes <= this.plan.scratchBytes, `${bytes} bytes at ${offset} lie in the ${this.plan.scratchBytes} bytes of scratch`);
    return this.#layout.scratch + offset;
  }

  /** Room that no commit covers; `offset` is a multiple of 4,096. Lost at a crash. */
  writeScratch(offset: number, from: Uint8Array): void {
    assert(this.#writable, `${this.path} was opened for writing`);
    this.#file.put(from, this.#scratchAt(offset, from.length));
    this.#sums.setScratch(offset / pageBytes, from.length, crc32(from));
  }

  /** What one writeScratch since the opening put there. @throws CorruptFile if the disk has something else. */
  readScratch(offset: number, into: Uint8Array): void {
    const at = this.#scratchAt(offset, into.length), crc = this.#sums.getScratch(offset / pageBytes, into.length);
    if (crc === null) throw new EmulatorBug({ what: `${into.length} bytes of scratch at ${offset} are read and were not written in one piece`, where: this.path });
    this.#file.get(into, at);
    if (crc32(into) !== crc) throw new CorruptFile({ what: `${into.length} bytes of scratch at ${offset} are not what was written`, where: this.path, hint: 'the disk lost or changed them: run again on another one' });
  }

  close(): void {
    this.#file.close();
  }
}
