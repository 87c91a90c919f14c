/**
 * Looking at a store without changing it: what it says of itself, and whether every byte is what was written. Needs no lock.
 *
 * An older step that is damaged is no loss: its slot is that of the step that was being written. Not here: going back to a step (store.ts).
 */
import { WaferstreamError } from '../util/errors.js';
import type { FileSystem } from './file-system.js';
import { readManifest, type Manifest } from './manifest.js';
import { openShard } from './shard.js';
import { openStore, shardPaths } from './store.js';

export interface Damage {
  readonly shard: string;
  /** Null where the shard as a whole is damaged. */
  readonly step: number | null;
  readonly block: number | null;
  readonly what: string;
}

export interface StoreDescription {
  readonly manifest: Manifest;
  /** Files of the shards, in order. */
  readonly paths: readonly string[];
  /** Committed steps, the newest first. */
  readonly steps: readonly number[];
}

/** Reads every block of every committed step of a shard. @throws CorruptFile if it is none, or its head is damaged. */
export const verifyShard = (fs: FileSystem, path: string): readonly Damage[] => {
  const shard = openShard(fs, path, { mode: 'read' }), damage: Damage[] = [];
  try {
    const room = new Uint8Array(shard.plan.blocks.reduce((most, bytes) => Math.max(most, bytes), 0));
    for (const { step } of shard.committed) {
      shard.plan.blocks.forEach((bytes, block) => {
        try {
          shard.read(step, block, room.subarray(0, bytes));
        } catch (error) {
          if (!(error instanceof WaferstreamError)) throw error;
          damage.push({ shard: path, step, block, what: error.message });
        }
      });
    }
  } finally {
    shard.close();
  }
  return damage;
};

/** Files of a store's shards, in order, whatever state they are in. @throws CorruptFile if the description of the store is damaged */
export const shardsOfStore = (fs: FileSystem, folder: string): readonly string[] => shardPaths(folder, readManifest(fs, folder));

/** @throws CorruptFile, InvalidConfig as openStore */
export const describeStore = (fs: FileSystem, folder: string): StoreDescription => {
  const store = openStore(fs, folder, { mode: 'read' });
  try {
    return { manifest: store.manifest, paths: shardPaths(folder, store.manifest), steps: store.committedSteps() };
  } finally {
    store.close();
  }
};

/** All damage of all shards. @throws CorruptFile if the description itself is damaged. */
export const verifyStore = (fs: FileSystem, folder: string): readonly Damage[] => {
  const manifest = readManifest(fs, folder);
  const damage = shardPaths(folder, manifest).flatMap((path) => {
    try {
      return verifyShard(fs, path);
    } catch (error) {
      if (!(error instanceof WaferstreamError)) throw error;
      return [{ shard: path, step: null, block: null, what: error.message }];
    }
  });
  if (damage.length > 0) return damage;
  try {
    describeStore(fs, folder);
  } catch (error) {
    if (!(error instanceof WaferstreamError)) throw error;
    return [{ shard: folder, step: null, block: null, what: error.message }];
  }
  return [];
};
