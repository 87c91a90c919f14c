/**
 * A store: the state of one run over several shards, each in a folder of its own, with a manifest that says what lies where.
 *
 *   folders ─▶ <folder>/state.bin, a shard each; the first folder also holds store.json and the writer's lock
 *   a step is committed when every shard has committed it
 *
 * Not here: one shard (shard.ts), what the pieces mean (cluster/, emulator/).
 */
import { CorruptFile, DoesNotFit, InvalidConfig, WaferstreamError } from '../util/errors.js';
import { readText, realFileSystem, writeText, type FileSystem } from './file-system.js';
import { lockFolder } from './lock.js';
import { Shard, createShard, mapShard, shardChecksums, type ShardPlan } from './shard.js';

export interface StorePlan {
  /** One a shard. */
  readonly folders: readonly string[];
  /** By shard: bytes of each block, in order. */
  readonly blocks: readonly (readonly number[])[];
  readonly scratchBytes: readonly number[];
  /** 64 hexadecimal digits that say whose state it is. */
  readonly identity: string;
  /** What the blocks hold, for whoever reads them: plain data. */
  readonly about: unknown;
}

/** What store.json says. */
export interface Manifest {
  readonly format: 1;
  readonly identity: string;
  readonly shards: readonly { readonly folder: string; readonly blocks: readonly number[] }[];
  readonly about: unknown;
}

export interface CommittedStep {
  readonly step: number;
  readonly state: string;
}

export const manifestName = 'store.json';
export const shardFile = (folder: string): string => `${folder}/state.bin`;

/** Whether a folder is the first of a store. */
export const isStore = (folder: string, fs: FileSystem = realFileSystem): boolean => fs.exists(`${folder}/${manifestName}`);

/** @throws CorruptFile for a manifest that says something else than it should */
export const readManifest = (folder: string, fs: FileSystem = realFileSystem): Manifest => {
  const path = `${folder}/${manifestName}`;
  const corrupt = (what: string): CorruptFile => new CorruptFile({ what, where: path, hint: 'give the first folder of a flash store' });
  let parsed: Partial<Manifest> | null;
  try {
    parsed = JSON.parse(readText(fs, path)) as Partial<Manifest> | null;
  } catch (cause) {
    throw cause instanceof WaferstreamError ? cause : corrupt('a manifest that is no JSON');
  }
  const isShard = (shard: unknown): boolean => typeof shard === 'object' && shard !== null && typeof (shard as Manifest['shards'][number]).folder === 'string' && Array.isArray((shard as Manifest['shards'][number]).blocks);
  if (parsed?.format !== 1 || typeof parsed.identity !== 'string' || !Array.isArray(parsed.shards) || parsed.shards.length === 0 || !parsed.shards.every(isShard)) throw corrupt('a manifest of another kind');
  return parsed as Manifest;
};

const planOf = (manifest: Manifest, shard: number, scratchBytes = 0): ShardPlan => ({ blocks: manifest.shards[shard]?.blocks ?? [], scratchBytes, identity: manifest.identity });

/** Makes a store with nothing committed. @throws InvalidConfig where there is something already, DoesNotFit where the disk is too small */
export const createStore = (plan: StorePlan, fs: FileSystem = realFileSystem): void => {
  for (const [s, folder] of plan.folders.entries()) {
    fs.makeFolder(folder);
    if (isStore(folder, fs) || fs.exists(shardFile(folder))) throw new InvalidConfig({ what: 'a folder that holds a flash store already', where: folder, hint: 'resume its run (resume: the folder), or choose an empty folder' });
    const needBytes = mapShard({ blocks: plan.blocks[s] ?? [], scratchBytes: plan.scratchBytes[s] ?? 0 }).bytes, haveBytes = fs.freeBytes(folder);
    if (needBytes > haveBytes) throw new DoesNotFit({ what: 'the state on flash', where: folder, needBytes, haveBytes, hint: 'free some space, or spread it over folders on several disks' });
  }
  plan.folders.forEach((folder, s) => {
    createShard(fs, shardFile(folder), { blocks: plan.blocks[s] ?? [], scratchBytes: plan.scratchBytes[s] ?? 0, identity: plan.identity });
    fs.syncFolder(folder);
  });
  const manifest: Manifest = { format: 1, identity: plan.identity, shards: plan.folders.map((folder, s) => ({ folder, blocks: plan.blocks[s] ?? [] })), about: plan.about };
  writeText(fs, plan.folders[0] as string, manifestName, `${JSON.stringify(manifest)}\n`);
};

/** Removes a store that nothing was ever committed to: what was left of a run that died before its first step. */
export const removeUnbegun = (folders: readonly string[], fs: FileSystem = realFileSystem): void => {
  for (const folder of folders.toReversed()) {
    fs.remove(`${folder}/${manifestName}`);
    fs.remove(shardFile(folder));
  }
};

/** Only one process at a time writes to a store. Returns the way to let go of it. */
export const lockStore = (folders: readonly string[], fs: FileSystem = realFileSystem): (() => void) => {
  const held: (() => void)[] = [];
  const unlock = (): void => held.splice(0).forEach((free) => free());
  try {
    for (const folder of folders) {
      fs.makeFolder(folder);
      held.push(lockFolder(fs, folder));
    }
  } catch (error) {
    unlock();
    throw error;
  }
  return unlock;
};

/** All shards of a store, open. */
export class Store {
  readonly manifest: Manifest;
  /** Checksums of each shard, for others that open it. */
  readonly checksums: readonly SharedArrayBuffer[];
  readonly shards: readonly Shard[];

  private constructor(manifest: Manifest, folders: readonly string[], fs: FileSystem, mode: 'read' | 'write', scratchBytes: readonly number[]) {
    this.manifest = manifest;
    this.checksums = manifest.shards.map(({ blocks }) => shardChecksums(blocks.length));
    const open: Shard[] = [];
    try {
      folders.forEach((folder, s) => open.push(Shard.open(fs, { path: shardFile(folder), plan: planOf(manifest, s, scratchBytes[s]), mode, checksums: this.checksums[s] as SharedArrayBuffer })));
    } catch (error) {
      open.forEach((shard) => shard.close());
      throw error;
    }
    this.shards = open;
  }

  /** `folder`: the first of the store; `folders`: where its shards lie now, if they were moved. @throws CorruptFile, StorageFailed */
  static open(folder: string, { fs = realFileSystem, mode = 'read', folders, scratchBytes = [] }: { readonly fs?: FileSystem; readonly mode?: 'read' | 'write'; readonly folders?: readonly string[]; readonly scratchBytes?: readonly number[] } = {}): Store {
    const manifest = readManifest(folder, fs), where = folders ?? movedFolders(manifest, folder, fs);
    if (where.length !== manifest.shards.length) throw new InvalidConfig({ what: 'shards of a flash store', where: folder, value: where.length, limit: manifest.shards.length, hint: 'give as many shards as it was made with' });
    return new Store(manifest, where, fs, mode, scratchBytes);
  }

  /** Steps that every shard has committed, newest first. */
  committed(): CommittedStep[] {
    const [first = [], ...rest] = this.shards.map((shard) => shard.committed());
    return first.filter(({ step }) => rest.every((other) => other.some((committed) => committed.step === step)));
  }

  close(): void {
    for (const shard of this.shards) shard.close();
  }
}

/** Shards that lay beside each other are found beside each other again, wherever the store was moved to. */
const movedFolders = ({ shards }: Manifest, folder: string, fs: FileSystem): string[] => {
  const first = shards[0]?.folder ?? folder, parent = (path: string): string => path.replace(/\/+[^/]+\/*$/, ''), leaf = (path: string): string => path.replace(/\/+$/, '').split('/').pop() ?? '';
  return shards.map((shard, s) => {
    if (s === 0) return folder;
    const beside = `${parent(folder)}/${leaf(shard.folder)}`;
    return parent(shard.folder) === parent(first) && fs.exists(shardFile(beside)) ? beside : shard.folder;
  });
};

export interface Damage {
  readonly shard: number;
  readonly block: number;
  readonly step: number;
  readonly message: string;
}

/** Reads every block of every committed step. */
export const verifyStore = (store: Store, onBlock: (bytes: number) => void = () => {}): Damage[] => {
  const damage: Damage[] = [];
  const steps = store.committed();
  store.shards.forEach((shard, s) => {
    const blocks = store.manifest.shards[s]?.blocks ?? [], room = new Uint8Array(Math.max(0, ...blocks));
    for (const { step } of steps) {
      blocks.forEach((bytes, block) => {
        try {
          shard.read(step, block, room.subarray(0, bytes));
        } catch (error) {
          if (!(error instanceof WaferstreamError)) throw error;
          damage.push({ shard: s, block, step, message: error.message });
        }
        onBlock(bytes);
      });
    }
  });
  return damage;
};
