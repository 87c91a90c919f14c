/**
 * A store: several shards that commit together, in one folder or in one on each disk, described by store.json.
 *
 *   shard 0: steps 8 7 ┐
 *   shard 1: steps 8 7 ┼─▶ a step is committed when every shard has it: 7, and the shards that are ahead let 8 go
 *   shard 2: steps 7 6 ┘
 *
 * One writer holds the folder's lock; readers need none. Threads that write shards get the paths and checksum memories of the one store that is open, and call openShard;
 * when all have committed a step, the store acknowledges it. Not here: one shard (shard.ts), looking without opening (look.ts).
 */
import { dirname, isAbsolute, join } from 'node:path';
import { CorruptFile, DoesNotFit, InvalidConfig, assert } from '../util/errors.js';
import { manifestName, checkManifest, encodeManifest, newManifest, readManifest, shardPlanOf, type Manifest, type Piece } from './manifest.js';
import { replaceFile, type FileSystem, type FolderLock } from './file-system.js';
import { createShard, openShard, shardBytes, type Durability, type Shard } from './shard.js';

export interface StorePlan {
  /** Of the configuration: 32 bytes in hexadecimal. */
  readonly identity: string;
  readonly shards: readonly {
    readonly blocks: readonly number[];
    readonly scratchBytes: number;
    /** Where its file lies; `shard-<i>` in the store's folder if not given. */
    readonly folder?: string;
  }[];
  readonly pieces?: readonly Piece[];
  readonly about?: Readonly<Record<string, unknown>>;
}

export interface OpenStoreOptions {
  readonly mode: 'read' | 'write';
  /** What the store must have been made for; `about` is compared to say what differs. */
  readonly expect?: Pick<StorePlan, 'identity' | 'about'>;
  readonly direct?: boolean;
}

export const shardPaths = (folder: string, manifest: Manifest): readonly string[] => manifest.shards.map(({ file }) => (isAbsolute(file) ? file : join(folder, file)));

/** Where the file of shard `i` lies, seen from the store's folder. */
export const shardFileOf = (i: number, own: string | undefined): string => join(own ?? `shard-${i}`, own === undefined ? 'state.bin' : `shard-${i}.bin`);

/** Every disk must hold all files that go there. */
const checkSpace = (fs: FileSystem, shards: readonly { readonly path: string; readonly bytes: number }[]): void => {
  const needs = new Map<string, { bytes: number; freeBytes: number; folder: string }>();
  for (const { path, bytes } of shards) {
    const folder = dirname(path), { disk, freeBytes } = fs.space(folder), before = needs.get(disk)?.bytes ?? 0;
    needs.set(disk, { bytes: before + bytes, freeBytes, folder });
  }
  for (const { bytes, freeBytes, folder } of needs.values()) {
    if (bytes > freeBytes) throw new DoesNotFit({ what: 'the store on the disk', where: folder, needBytes: bytes, haveBytes: freeBytes, hint: 'free space, use folders on several disks, or choose a smaller model' });
  }
};

/** A folder whose name survives. */
const makeFolder = (fs: FileSystem, folder: string): void => {
  if (fs.kind(folder) !== null) return;
  fs.makeFolder(folder);
  fs.syncFolder(dirname(folder));
};

/**
 * Makes a store with nothing committed.
 * @throws InvalidConfig where there is one, or something else with its names; DoesNotFit where a disk has too little room.
 */
export const createStore = (fs: FileSystem, folder: string, plan: StorePlan): void => {
  const manifest = newManifest({
    id: fs.uniqueName(),
    identity: plan.identity,
    shards: plan.shards.map(({ blocks, scratchBytes, folder: own }, i) => ({ file: shardFileOf(i, own), blocks, scratchBytes })),
    pieces: plan.pieces ?? [],
    about: plan.about ?? {},
  });
  checkManifest(manifest, folder);
  makeFolder(fs, folder);
  const lock = fs.lock(folder);
  try {
    const paths = shardPaths(folder, manifest);
    for (const path of [join(folder, manifestName), ...paths]) {
      if (fs.kind(path) !== null) throw new InvalidConfig({ what: 'it exists already', where: path, hint: 'open the store, or choose another folder; what an interrupted making left is to be removed' });
    }
    for (const path of paths) makeFolder(fs, dirname(path));
    const plans = manifest.shards.map((shard, i) => shardPlanOf(manifest, shard, i));
    checkSpace(fs, plans.map((shard, i) => ({ path: paths[i] as string, bytes: shardBytes(shard) })));
    plans.forEach((shard, i) => createShard(fs, paths[i] as string, shard));
    replaceFile(fs, folder, manifestName, encodeManifest(manifest));
  } finally {
    lock.release();
  }
};

/** Names of the settings that differ, or of the identity alone. */
const differing = (found: Manifest, about: StorePlan['about']): string => {
  const keys = about === undefined ? [] : [...new Set([...Object.keys(found.about), ...Object.keys(about)])];
  const unlike = keys.filter((key) => JSON.stringify(found.about[key]) !== JSON.stringify(about?.[key]));
  return unlike.length === 0 ? 'another identity' : `other ${unlike.join(', ')}`;
};

/**
 * Opens a store, as its one writer or as one of many readers. A writer finds every shard at the newest step that all have.
 * @throws CorruptFile for damage, InvalidConfig for a store of something else, or one that another process writes.
 */
export const openStore = (fs: FileSystem, folder: string, options: OpenStoreOptions): Store => {
  const manifest = readManifest(fs, folder), { mode, expect, direct = false } = options;
  if (expect !== undefined && expect.identity !== manifest.identity) {
    throw new InvalidConfig({ what: `the store was made for ${differing(manifest, expect.about)}`, where: folder, value: manifest.identity, limit: expect.identity, hint: 'use the options that it was made with, or another folder' });
  }
  const lock = mode === 'write' ? fs.lock(folder) : null, shards: Shard[] = [];
  try {
    shardPaths(folder, manifest).forEach((path, i) => {
      const shard = manifest.shards[i];
      assert(shard !== undefined, `shard ${i} is described`);
      shards.push(openShard(fs, path, { mode, direct, plan: shardPlanOf(manifest, shard, i) }));
    });
    const store = new Store(folder, manifest, shards, lock);
    if (mode === 'write') store.settle();
    return store;
  } catch (error) {
    for (const shard of shards) shard.close();
    lock?.release();
    throw error;
  }
};

export class Store {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly shards: readonly Shard[];
  readonly #lock: FolderLock | null;

  constructor(folder: string, manifest: Manifest, shards: readonly Shard[], lock: FolderLock | null) {
    this.folder = folder;
    this.manifest = manifest;
    this.shards = shards;
    this.#lock = lock;
  }

  /** Steps that all shards have, the newest first. The second is whole only until the writing of the next has begun, be it before a crash. */
  committedSteps(): readonly number[] {
    const [first, ...others] = this.shards.map(({ committed }) => committed.map(({ step }) => step));
    return (first ?? []).filter((step) => others.every((steps) => steps.includes(step)));
  }

  /** The texts of a step's commit, shard by shard. */
  states(step: number): readonly string[] {
    return this.shards.map((shard) => {
      const found = shard.committed.find((one) => one.step === step);
      if (found === undefined) throw new CorruptFile({ what: `step ${step} is not there`, where: shard.path });
      return found.state;
    });
  }

  /**
   * Lets go what only some shards have committed: a crash came between. What stays is then made to survive a loss of power, since the next step is
   * written over the one before it. @throws CorruptFile if that cannot be how it came about.
   */
  settle(): void {
    const newest = this.committedSteps()[0] ?? -1;
    const ahead = this.shards.map((shard) => shard.committed.filter(({ step }) => step > newest));
    // Of the first step nothing can have been built on, so a crash in its commit is all that is lost.
    if (newest === -1 && ahead.flat().some(({ first }) => !first)) throw new CorruptFile({ what: 'no step is there in all shards', where: this.folder, hint: 'go back to a copy' });
    ahead.forEach((steps, i) => {
      if (steps.length > 1) throw new CorruptFile({ what: `it is more than one step ahead of another shard, which lost steps`, where: this.shards[i]?.path ?? '', hint: 'go back to a copy' });
      for (const { step } of steps) this.shards[i]?.forget(step);
    });
    for (const shard of this.shards) shard.sync();
  }

  /** Goes back from the newest step, which turned out to be damaged, to the one before, if all shards still have it. @throws CorruptFile if not */
  goBack(): void {
    const [newest, before] = this.committedSteps();
    if (newest === undefined || before === undefined) throw new CorruptFile({ what: 'no older step is there', where: this.folder, hint: 'go back to a copy' });
    for (const shard of this.shards) shard.forget(newest);
  }

  /** Commits a step in all shards from one thread, and acknowledges it. `states` has a text for each shard. */
  commit(step: number, states: readonly string[], durability: Durability): void {
    assert(states.length === this.shards.length, `each of ${this.shards.length} shards has its state`);
    this.shards.forEach((shard, i) => shard.commit(step, states[i] as string, durability));
    this.acknowledge(step);
  }

  /** Tells all shards, whoever writes them, that each has committed a step. */
  acknowledge(step: number): void {
    for (const shard of this.shards) shard.acknowledge(step);
  }

  /** The bytes of a piece as of a committed step. @throws CorruptFile, InvalidConfig for a name that is none. */
  readPiece(step: number, name: string): Uint8Array {
    const piece = this.manifest.pieces.find((one) => one.name === name);
    if (piece === undefined) throw new InvalidConfig({ what: 'no such piece', where: this.folder, value: name, limit: this.manifest.pieces.map((one) => one.name).slice(0, 20) });
    const bytes = new Uint8Array(piece.bytes);
    let done = 0;
    for (const { shard, block, offset, bytes: count } of piece.parts) {
      const from = this.shards[shard], whole = new Uint8Array(from?.plan.blocks[block] ?? 0);
      from?.read(step, block, whole);
      bytes.set(whole.subarray(offset, offset + count), done);
      done += count;
    }
    return bytes;
  }

  close(): void {
    for (const shard of this.shards) shard.close();
    this.#lock?.release();
  }
}
