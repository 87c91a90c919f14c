/**
 * The bytes by which a shard knows its own states: a superblock of one page for each slot, and the table of checksums that it vouches for.
 *
 *   superblock   magic · format · step · blocks · bytes and checksum of the table · identity · own checksum           little-endian, one page
 *   table        checksum of every block · length of the state's text · the text
 *
 * Not here: when they are written (shard.ts).
 */
import { crc32 as zlibCrc32 } from 'node:zlib';
import { InvalidConfig } from '../util/errors.js';
import { MiB } from '../util/units.js';

export const pageBytes = 4096;
/** Most bytes of a state's text. */
export const stateBytesMax = MiB;
export const formatVersion = 1;

const magic = 'WAFERSH1';

export const crc32 = (bytes: Uint8Array): number => zlibCrc32(bytes);

export interface Superblock {
  readonly step: number;
  readonly blocks: number;
  readonly tableBytes: number;
  readonly tableChecksum: number;
  readonly identity: string;
}

const at = { format: 8, step: 16, blocks: 24, tableBytes: 28, tableChecksum: 32, identity: 64, own: pageBytes - 4 } as const;

export const superblockOf = ({ step, blocks, tableBytes, tableChecksum, identity }: Superblock): Uint8Array => {
  const bytes = new Uint8Array(pageBytes), view = new DataView(bytes.buffer), text = new TextEncoder();
  bytes.set(text.encode(magic), 0);
  view.setUint32(at.format, formatVersion, true);
  view.setBigUint64(at.step, BigInt(step), true);
  view.setUint32(at.blocks, blocks, true);
  view.setUint32(at.tableBytes, tableBytes, true);
  view.setUint32(at.tableChecksum, tableChecksum, true);
  bytes.set(text.encode(identity), at.identity);
  view.setUint32(at.own, crc32(bytes.subarray(0, at.own)), true);
  return bytes;
};

/** Null: no superblock, or a torn one. */
export const parseSuperblock = (bytes: Uint8Array): Superblock | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), text = new TextDecoder();
  if (text.decode(bytes.subarray(0, magic.length)) !== magic || view.getUint32(at.own, true) !== crc32(bytes.subarray(0, at.own)) || view.getUint32(at.format, true) !== formatVersion) return null;
  return {
    step: Number(view.getBigUint64(at.step, true)), blocks: view.getUint32(at.blocks, true), tableBytes: view.getUint32(at.tableBytes, true),
    tableChecksum: view.getUint32(at.tableChecksum, true), identity: text.decode(bytes.subarray(at.identity, at.identity + 64)),
  };
};

/** @throws InvalidConfig for a text that is too long */
export const tableOf = (checksums: readonly number[], state: string): Uint8Array => {
  const text = new TextEncoder().encode(state);
  if (text.length > stateBytesMax) throw new InvalidConfig({ what: 'the text of a state', value: text.length, limit: `${stateBytesMax} bytes`, hint: 'evaluate less often' });
  const bytes = new Uint8Array(checksums.length * 4 + 4 + text.length), view = new DataView(bytes.buffer);
  checksums.forEach((checksum, block) => view.setUint32(block * 4, checksum, true));
  view.setUint32(checksums.length * 4, text.length, true);
  bytes.set(text, checksums.length * 4 + 4);
  return bytes;
};

/** Null: not the table that its superblock vouches for. */
export const parseTable = (bytes: Uint8Array, blocks: number, checksum: number): { readonly checksums: readonly number[]; readonly state: string } | null => {
  if (crc32(bytes) !== checksum || bytes.length < blocks * 4 + 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), length = view.getUint32(blocks * 4, true);
  return { checksums: Array.from({ length: blocks }, (_, block) => view.getUint32(block * 4, true)), state: new TextDecoder().decode(bytes.subarray(blocks * 4 + 4, blocks * 4 + 4 + length)) };
};
