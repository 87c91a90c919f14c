/**
 * The flash tier of a run: its store is made, or opened again where the run is resumed from it, and read when the run is over.
 *
 *   folder + what the pieces are ─▶ store, locked ─▶ files for the lanes (cluster/flash/) … ─▶ weights of the last step, read when somebody looks at them
 *
 * Not here: files (storage/), when pieces move (cluster/coordinator/residence.ts), resuming from somewhere else (resume.ts).
 */
import { dirname, join, resolve } from 'node:path';
import { dealBlocks, type Run } from '../cluster/flash-blocks.js';
import type { FlashFiles } from '../cluster/flash/lane.js';
import type { ClusterLayout, TierPlan } from '../cluster/layout.js';
import { piecesOf, type StatePiece } from '../cluster/tiers.js';
import type { Model } from '../model/graph.js';
import { manifestName, readManifest, type Piece } from '../storage/manifest.js';
import { realFileSystem } from '../storage/real-file-system.js';
import { shardChecksums } from '../storage/checksums.js';
import { pageBytes } from '../storage/file-system.js';
import { isHead } from '../storage/layout.js';
import { createShard, openShard } from '../storage/shard.js';
import { createStore, openStore, shardFileOf, type Store, type StorePlan } from '../storage/store.js';
import { CorruptFile, InvalidConfig } from '../util/errors.js';
import { MiB } from '../util/units.js';
import { identityOf, type Contract } from './contract.js';
import { aboutOf, type StoreAbout } from './flash-about.js';
import type { MemoryXOptions } from './options.js';

type Tiered = ClusterLayout & { readonly tiers: TierPlan };

export interface OpenFlash {
  /** The store's folder. */
  readonly folder: string;
  readonly files: readonly FlashFiles[];
  /** Room for what a version says of itself. */
  readonly text: SharedArrayBuffer;
  /** Every shard has committed a version. */
  acknowledge(version: number): void;
  close(): void;
}

/** The folder of the store, and where its shards lie if each has a folder of its own. */
export const foldersOf = ({ flashDir, shards = 1 }: MemoryXOptions): { readonly folder: string; readonly shards: number; readonly own: readonly string[] | null } | null => {
  if (flashDir === undefined) return null;
  return typeof flashDir === 'string' ? { folder: flashDir, shards, own: null } : { folder: flashDir[0] as string, shards: flashDir.length, own: flashDir.map((folder) => resolve(folder)) };
};

/** What people call the pieces. */
const namedPieces = (model: Model, { groups }: TierPlan, pieces: readonly StatePiece[], runs: readonly (readonly Run[])[]): Piece[] =>
  pieces.flatMap(({ group, kind, bytes, scratch }, p) => {
    if (scratch) return [];
    const names = groups[group]?.parameters.map((parameter) => model.parameters[parameter]?.name).join(', ');
    return [{ name: `${kind === 'stored' ? 'weights, moments and mask' : kind} of ${names}`, bytes, parts: (runs[p] ?? []).map((run) => ({ shard: run.shard, block: run.at, offset: 0, bytes: run.bytes })) }];
  });

/** Removes a shard that never had a state. What is there and is no such thing stays, and is refused when the store is made. */
const removeUnmade = (path: string): void => {
  if (realFileSystem.kind(path) !== 'file') return;
  const page = new Uint8Array(pageBytes), file = realFileSystem.open(path, 'read'), size = file.size();
  file.read(page.subarray(0, Math.min(size, pageBytes)), 0);
  file.close();
  // Cut before its head was whole, or with a head and nothing committed.
  if (page.some((byte) => byte !== 0)) {
    try {
      const shard = openShard(realFileSystem, path, { mode: 'read' }), { committed } = shard;
      shard.close();
      if (committed.length > 0) return;
    } catch (error) {
      if (!(error instanceof CorruptFile) || !isHead(page)) return;
    }
  }
  realFileSystem.remove(path);
};

/** A store that was made, wholly or in part, and never had a state: its run died before. */
const removeUnbegun = (folder: string, paths: readonly string[]): void => {
  if (realFileSystem.kind(folder) !== 'folder') return;
  const manifest = join(folder, manifestName), isMade = realFileSystem.kind(manifest) !== null;
  if (!isMade && paths.every((path) => realFileSystem.kind(path) === null)) return;
  const store = isMade ? openStore(realFileSystem, folder, { mode: 'write' }) : null, lock = store === null ? realFileSystem.lock(folder) : null;
  try {
    if ((store?.committedSteps().length ?? 0) > 0) throw new InvalidConfig({ what: 'a folder that holds the state of a run', where: folder, hint: 'go on with it (resume: the folder), or choose an empty folder' });
    // Without its manifest it is one that was never whole, if this ends midway.
    if (isMade) realFileSystem.remove(manifest);
    (store?.shards.map(({ path }) => path) ?? paths).forEach(removeUnmade);
  } finally {
    store?.close();
    lock?.release();
  }
};

/** A store that is gone on with keeps its units, and sparse weights as the columns of tiles want them. */
const checkPlaces = (folder: string, shards: number, { layout }: StoreAbout): void => {
  const found = readManifest(realFileSystem, folder), elsewhere = 'or give another memoryX.flashDir: the run then goes on from here, and is kept there';
  if (found.shards.length !== shards) throw new InvalidConfig({ what: 'memoryX units of a store that a run goes on with', where: folder, value: shards, limit: found.shards.length, hint: `use as many units as before, ${elsewhere}` });
  if (JSON.stringify(found.about['layout']) !== JSON.stringify(layout)) {
    throw new InvalidConfig({ what: 'the store that the run goes on with keeps sparse weights for other columns of tiles', where: folder, hint: `use the rectangle, sweep and micro-batches that it was made with, ${elsewhere}` });
  }
};

/** Opens the run's own store. `resumed`: it goes on from what is there; else there must be no state. @throws InvalidConfig, DoesNotFit, StorageFailed, CorruptFile */
export const openFlash = (layout: Tiered, options: MemoryXOptions, contract: Contract, resumed: boolean): OpenFlash => {
  const where = foldersOf(options);
  if (where === null) throw new InvalidConfig({ what: 'memoryX.flashDir is missing' });
  const { folder, own } = where, { pieces } = piecesOf(layout.tiers), { runs, blocks, scratchBytes } = dealBlocks(pieces, where.shards);
  if (blocks.some((of) => of.length === 0)) throw new InvalidConfig({ what: 'memoryX.shards', value: where.shards, limit: `${blocks.flat().length} blocks of state`, hint: 'give fewer units to so small a model' });
  const about = aboutOf(layout, contract), plan: StorePlan = {
    identity: identityOf(about.layout, contract, where.shards), pieces: namedPieces(layout.program.model, layout.tiers, pieces, runs), about: { ...about },
    shards: blocks.map((of, s) => ({ blocks: of, scratchBytes: 0, ...(own === null ? {} : { folder: own[s] as string }) })),
  };
  if (resumed) checkPlaces(folder, where.shards, about);
  else {
    removeUnbegun(folder, plan.shards.map((shard, s) => resolve(folder, shardFileOf(s, shard.folder))));
    createStore(realFileSystem, folder, plan);
  }
  const store = openStore(realFileSystem, folder, { mode: 'write', expect: plan });
  try {
    const files = store.shards.map((shard, s) => filesOf(shard, scratchBytes[s] as number, plan.identity, options.durability === 'checkpoint'));
    return {
      folder, files, text: new SharedArrayBuffer(MiB), acknowledge: (version) => store.acknowledge(version),
      close() {
        for (const { scratch } of files) realFileSystem.remove(scratch.path);
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
};

/** What lanes open of a shard; the file of its gradients is made anew. */
const filesOf = (shard: Store['shards'][number], scratchBytes: number, identity: string, unguarded: boolean): FlashFiles => {
  const scratch = join(dirname(shard.path), 'gradients.bin'), plan = { blocks: [4], scratchBytes, identity };
  if (realFileSystem.kind(scratch) !== null) realFileSystem.remove(scratch);
  createShard(realFileSystem, scratch, plan);
  return {
    path: shard.path, options: { mode: 'write', checksums: shard.checksums, unguarded },
    scratch: { path: scratch, options: { mode: 'write', checksums: shardChecksums(plan) } },
  };
};
