/**
 * A safetensors checkpoint, open for reading: one file, or several with their index.
 *
 *   openSafetensors('model.safetensors' | 'model.safetensors.index.json' | folder)
 *     ──▶ every header read and checked ──▶ tensors: name → dtype, shape, bytes, shard
 *     ──▶ read / readPart: weights as f32, streamed into the caller's array; readBytes: any tensor as it stands
 *
 * Opening reads headers only; nothing keeps a tensor. Not here: which tensor is which parameter of a model.
 */
import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CorruptFile, InvalidConfig } from '../../util/errors.js';
import { kindOf } from '../files.js';
import { isWeightDtype } from './dtypes.js';
import { quoted, type HeaderTensor } from './header.js';
import { indexEnding, readShardIndex } from './shard-index.js';
import { openShard, readElements, readTensorBytes, type Shard } from './shard.js';

/** A tensor of a checkpoint. */
export interface StoredTensor extends HeaderTensor {
  /** The name of the file that holds it. */
  readonly shard: string;
}

/** An open checkpoint. Close it, or declare it with `await using`. */
export interface SafetensorsFile extends AsyncDisposable {
  readonly path: string;
  /** By name: file after file in the order of their names, within a file in the order of the data. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** `__metadata__` of the files; where two differ, the first one's. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The files, with their sizes on the disk. */
  readonly shards: readonly { readonly name: string; readonly path: string; readonly bytes: number }[];
  /** into (all elements) ← the tensor as f32, row-major. @throws InvalidConfig, CorruptFile */
  read(name: string, into: Float32Array): Promise<void>;
  /** into (n) ← n elements of the flat tensor from `firstElement` on, as f32. @throws InvalidConfig, CorruptFile */
  readPart(name: string, firstElement: number, into: Float32Array): Promise<void>;
  /** into (all bytes) ← the data of a tensor of any type, as it stands. @throws InvalidConfig, CorruptFile */
  readBytes(name: string, into: Uint8Array): Promise<void>;
  /** Closes the files. Closing twice is closing once. */
  close(): Promise<void>;
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

/** The file or index that a path stands for. */
const resolve = async (path: string): Promise<string> => {
  if ((await kindOf(path)) === 'file') return path;
  const single = join(path, 'model.safetensors'), index = join(path, `model${indexEnding}`);
  const [hasSingle, hasIndex] = await Promise.all([exists(single), exists(index)]);
  if (hasSingle && hasIndex) throw new InvalidConfig({ what: 'both one whole file and the index of several', where: path, value: `${basename(single)}, ${basename(index)}`, limit: 'one of them', hint: 'name the one that is meant' });
  if (!hasSingle && !hasIndex) throw new CorruptFile({ what: `no ${basename(single)} and no ${basename(index)}`, where: path, hint: 'name the file itself' });
  return hasSingle ? single : index;
};

/** Every tensor of the index must be in its file, and every tensor of a file in the index. */
const checkAgainstIndex = (assigned: ReadonlyMap<string, string>, shards: ReadonlyMap<string, Shard>, index: string): void => {
  for (const [name, { header, path }] of shards) {
    const there = new Set(header.tensors.map((tensor) => tensor.name));
    for (const tensor of there) {
      const meant = assigned.get(tensor);
      if (meant !== name) throw new CorruptFile({ what: `tensor ${quoted(tensor)}: in this file, but the index ${meant === undefined ? 'does not know it' : 'assigns it to another'}`, where: path, value: name, limit: meant ?? index });
    }
    for (const [tensor, file] of assigned) {
      if (file === name && !there.has(tensor)) throw new CorruptFile({ what: `tensor ${quoted(tensor)}: the index assigns it to this file, which does not hold it`, where: path, hint: 'fetch index and files again' });
    }
  }
};

/** Opens the files, all or none. */
const openAll = async (folder: string, names: readonly string[]): Promise<Map<string, Shard>> => {
  const shards = new Map<string, Shard>();
  try {
    for (const name of names) shards.set(name, await openShard(join(folder, name)));
    return shards;
  } catch (error) {
    for (const { handle } of shards.values()) await handle.close();
    throw error;
  }
};

const closeAll = async (shards: Iterable<Shard>): Promise<void> => {
  for (const { handle } of shards) await handle.close();
};

/**
 * Opens a checkpoint: a `.safetensors` file, a `*.safetensors.index.json`, or a folder that holds `model.safetensors` or its index.
 *
 * @throws CorruptFile for what is missing, damaged or lies about itself, naming file, tensor, value and limit; InvalidConfig for a choice that is not clear.
 */
export const openSafetensors = async (path: string): Promise<SafetensorsFile> => {
  const target = await resolve(path);
  const assigned = target.endsWith(indexEnding) ? await readShardIndex(target) : null;
  const names = assigned === null ? [basename(target)] : [...new Set(assigned.values())].toSorted();
  const shards = await openAll(dirname(target), names);
  try {
    if (assigned !== null) checkAgainstIndex(assigned, shards, target);
  } catch (error) {
    await closeAll(shards.values());
    throw error;
  }
  return new Checkpoint(target, shards);
};

class Checkpoint implements SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly shards: SafetensorsFile['shards'];
  readonly #open: ReadonlyMap<string, Shard>;
  #closed: Promise<void> | null = null;

  constructor(path: string, open: ReadonlyMap<string, Shard>) {
    this.path = path;
    this.#open = open;
    const all = [...open];
    this.tensors = new Map(all.flatMap(([shard, { header }]) => header.tensors.map((tensor) => [tensor.name, { ...tensor, shard }])));
    this.metadata = new Map(all.toReversed().flatMap(([, { header }]) => [...header.metadata]));
    this.shards = all.map(([name, shard]) => ({ name, path: shard.path, bytes: shard.fileBytes }));
  }

  async read(name: string, into: Float32Array): Promise<void> {
    const { elements } = this.#find(name);
    if (into.length !== elements) throw new InvalidConfig({ what: `tensor ${quoted(name)}: room for another number of elements`, where: this.path, value: into.length, limit: elements });
    return this.readPart(name, 0, into);
  }

  async readPart(name: string, firstElement: number, into: Float32Array): Promise<void> {
    const tensor = this.#find(name), shard = this.#shardOf(tensor);
    const { dtype, elements } = tensor;
    if (!isWeightDtype(dtype)) throw new InvalidConfig({ what: `tensor ${quoted(name)}: not a type that weights are read from`, where: shard.path, value: dtype, limit: 'F32, F16 or BF16', hint: 'convert the checkpoint' });
    if (!Number.isSafeInteger(firstElement) || firstElement < 0 || firstElement + into.length > elements) {
      throw new InvalidConfig({ what: `tensor ${quoted(name)}: a part outside its elements`, where: this.path, value: `${firstElement} and ${into.length} more`, limit: elements });
    }
    return readElements(shard, { ...tensor, dtype }, firstElement, into);
  }

  async readBytes(name: string, into: Uint8Array): Promise<void> {
    const tensor = this.#find(name);
    if (into.length !== tensor.bytes) throw new InvalidConfig({ what: `tensor ${quoted(name)}: room for another number of bytes`, where: this.path, value: into.length, limit: tensor.bytes });
    return readTensorBytes(this.#shardOf(tensor), tensor, into);
  }

  close(): Promise<void> {
    this.#closed ??= closeAll(this.#open.values());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #shardOf(tensor: StoredTensor): Shard {
    const shard = this.#open.get(tensor.shard);
    if (shard === undefined || this.#closed !== null) throw new InvalidConfig({ what: 'the checkpoint is closed', where: this.path, hint: 'open it again' });
    return shard;
  }

  #find(name: string): StoredTensor {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) throw new InvalidConfig({ what: 'no such tensor', where: this.path, value: name, limit: `the ${this.tensors.size} tensors that it lists` });
    return tensor;
  }
}
