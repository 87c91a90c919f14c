/**
 * The flash tier of a run: its store is made, or opened again where the run is resumed from it, and read when the run is over.
 *
 *   folders + what the pieces are ─▶ store, locked ─▶ files for the lanes (cluster/flash/) … ─▶ weights of the last step, read when somebody looks at them
 *
 * Not here: files (storage/), when pieces move (cluster/coordinator/residence.ts), resuming on another layout (resume.ts).
 */
import { join } from 'node:path';
import { dealBlocks } from '../cluster/flash-blocks.js';
import type { FlashProps } from '../cluster/flash/lane.js';
import type { ClusterLayout, TierPlan } from '../cluster/layout.js';
import { piecesOf } from '../cluster/tiers.js';
import { realFileSystem } from '../storage/file-system.js';
import { createStore, isStore, lockStore, removeUnbegun, shardFile, Store, type CommittedStep } from '../storage/store.js';
import { MiB } from '../util/units.js';
import { identityOf, type Contract } from './contract.js';
import { aboutOf } from './flash-about.js';
import type { MemoryXOptions } from './options.js';

export interface OpenFlash {
  readonly files: readonly FlashProps['file'][];
  /** Room for what a version says of itself. */
  readonly text: SharedArrayBuffer;
  /** The state that the store was opened with; null: it is to be filled. */
  readonly committed: CommittedStep | null;
  readonly folders: readonly string[];
  close(): void;
}

export const foldersOf = ({ flashDir, shards = 1 }: MemoryXOptions): string[] =>
  typeof flashDir === 'object' ? [...flashDir] : flashDir === undefined ? [] : Array.from({ length: shards }, (_, s) => join(flashDir, `shard-${s}`));

/** Opens the run's own store. `resumed`: it goes on from what is there; else there must be nothing. @throws InvalidConfig, DoesNotFit, StorageFailed, CorruptFile */
export const openFlash = (layout: ClusterLayout & { readonly tiers: TierPlan }, options: MemoryXOptions, contract: Contract, resumed: boolean): OpenFlash => {
  const folders = foldersOf(options), { pieces } = piecesOf(layout.tiers), { blocks, scratchBytes } = dealBlocks(pieces, folders.length);
  const about = aboutOf(layout, contract), identity = identityOf(about.layout, contract, folders.length);
  const unlock = lockStore(folders);
  try {
    const first = folders[0] as string;
    // A run that died before its first state was whole left nothing to lose.
    if (isStore(first) && !resumed && isUnbegun(first, folders)) removeUnbegun(folders);
    if (!resumed || !isStore(first)) createStore({ folders, blocks, scratchBytes, identity, about });
    const store = Store.open(first, { mode: 'write', folders, scratchBytes }), committed = store.committed()[0] ?? null;
    const files = folders.map((folder, s): FlashProps['file'] => ({
      path: shardFile(folder), plan: { blocks: blocks[s] ?? [], scratchBytes: scratchBytes[s] ?? 0, identity }, mode: 'write', checksums: store.checksums[s] as SharedArrayBuffer,
      unguarded: options.durability === 'checkpoint',
    }));
    return {
      files, text: new SharedArrayBuffer(MiB), committed, folders,
      close() {
        store.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
};

const isUnbegun = (first: string, folders: readonly string[]): boolean => {
  if (!folders.every((folder) => realFileSystem.exists(shardFile(folder)))) return true;
  const store = Store.open(first, { folders });
  try {
    return store.shards.every((shard) => shard.committed().length === 0);
  } finally {
    store.close();
  }
};
