/**
 * store.json: what a store is, for its reader and for people. Written once, when everything else is there.
 *
 *   { format, version, id, identity, shards: [{ file, blocks, scratchBytes }], pieces: [{ name, bytes, parts }], about }
 *
 * Not here: the shards' own bytes (layout.ts).
 */
import { createHash } from 'node:crypto';
import { CorruptFile, InvalidConfig } from '../util/errors.js';
import { readAll, type FileSystem } from './file-system.js';
import { checkPlan, type ShardPlan } from './layout.js';

export const manifestName = 'store.json';
const format = 'waferstream-store', version = 1;

/** Where a run of a piece's bytes lies. All in bytes. */
export interface PiecePart {
  readonly shard: number;
  readonly block: number;
  /** In the block. */
  readonly offset: number;
  readonly bytes: number;
}

/** Something with a name, in one or more parts: a weight, its first moment. */
export interface Piece {
  readonly name: string;
  readonly bytes: number;
  readonly parts: readonly PiecePart[];
}

export interface ManifestShard {
  /** From the store's folder, or absolute. */
  readonly file: string;
  readonly blocks: readonly number[];
  readonly scratchBytes: number;
}

export interface Manifest {
  readonly format: typeof format;
  readonly version: number;
  /** This store's alone, so that shards of two stores of one configuration are told apart. */
  readonly id: string;
  /** Of the configuration: 64 hexadecimal digits. */
  readonly identity: string;
  readonly shards: readonly ManifestShard[];
  readonly pieces: readonly Piece[];
  /** Plain JSON, for the caller. */
  readonly about: Readonly<Record<string, unknown>>;
}

/** The plan of one shard, whose identity says store and place. */
export const shardPlanOf = ({ id, identity }: Pick<Manifest, 'id' | 'identity'>, { blocks, scratchBytes }: ManifestShard, index: number): ShardPlan => ({
  blocks,
  scratchBytes,
  identity: createHash('sha256').update(`${format} ${version} ${id} ${identity} ${index}`).digest('hex'),
});

/** Pieces must lie in blocks, and have unlike names. @throws InvalidConfig */
export const checkManifest = (manifest: Manifest, where: string): void => {
  if (!/^[0-9a-f]{64}$/.test(manifest.identity)) throw new InvalidConfig({ what: 'identity', where, value: manifest.identity, limit: '64 hexadecimal digits' });
  if (manifest.shards.length === 0) throw new InvalidConfig({ what: 'shards of a store', where, value: 0, limit: 'at least 1' });
  manifest.shards.forEach((shard, i) => checkPlan(shardPlanOf(manifest, shard, i), `${where}, shard ${i}`));
  const names = new Set<string>();
  for (const { name, bytes, parts } of manifest.pieces) {
    if (names.has(name)) throw new InvalidConfig({ what: 'two pieces have one name', where, value: name });
    names.add(name);
    for (const part of parts) {
      const room = manifest.shards[part.shard]?.blocks[part.block];
      if (room === undefined || part.offset < 0 || part.bytes < 0 || part.offset + part.bytes > room) throw new InvalidConfig({ what: `a part of piece ${name} lies in no block`, where, value: part, limit: room ?? 'a block that is there' });
    }
    const sum = parts.reduce((total, part) => total + part.bytes, 0);
    if (sum !== bytes) throw new InvalidConfig({ what: `the parts of piece ${name} have other bytes than it`, where, value: sum, limit: bytes });
  }
};

export const encodeManifest = (manifest: Omit<Manifest, 'format' | 'version'>): Uint8Array => new TextEncoder().encode(`${JSON.stringify({ format, version, ...manifest })}\n`);
export const newManifest = (parts: Omit<Manifest, 'format' | 'version'>): Manifest => ({ format, version, ...parts });

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isListOf = <T>(value: unknown, is: (item: unknown) => item is T): value is readonly T[] => Array.isArray(value) && value.every(is);
const isShard = (value: unknown): value is ManifestShard => isObject(value) && typeof value['file'] === 'string' && isListOf(value['blocks'], isCount) && isCount(value['scratchBytes']);
const isPart = (value: unknown): value is PiecePart => isObject(value) && ['shard', 'block', 'offset', 'bytes'].every((key) => isCount(value[key]));
const isPiece = (value: unknown): value is Piece => isObject(value) && typeof value['name'] === 'string' && isCount(value['bytes']) && isListOf(value['parts'], isPart);

/** The manifest in a store's folder. @throws CorruptFile for a folder that holds none, or a damaged one. */
export const readManifest = (fs: FileSystem, folder: string): Manifest => {
  const where = `${folder}/${manifestName}`;
  if (fs.kind(where) === null) throw new CorruptFile({ what: 'no store', where, hint: 'give a folder that a store was made in; one whose making was interrupted is to be removed' });
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(readAll(fs, where)));
  } catch (cause) {
    if (cause instanceof CorruptFile) throw cause;
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw new CorruptFile({ what: 'not valid JSON', where, hint: 'go back to a copy' }, { cause });
  }
  if (!isObject(value) || value['format'] !== format) throw new CorruptFile({ what: 'not the description of a store', where });
  if (value['version'] !== version) throw new CorruptFile({ what: 'a store of another format', where, value: value['version'], limit: version, hint: 'use the version of waferstream that wrote it' });
  const { id, identity, shards, pieces, about } = value;
  if (typeof id !== 'string' || typeof identity !== 'string' || !isListOf(shards, isShard) || !isListOf(pieces, isPiece) || !isObject(about)) {
    throw new CorruptFile({ what: 'the description of the store is damaged', where, hint: 'go back to a copy' });
  }
  const manifest = newManifest({ id, identity, shards, pieces, about });
  try {
    checkManifest(manifest, where);
  } catch (cause) {
    throw new CorruptFile({ what: 'the description of the store contradicts itself', where, hint: 'go back to a copy' }, { cause });
  }
  return manifest;
};
