/**
 * Where things lie in a shard's file, and the bytes of its head, superblocks and tables. Little-endian; every part begins at a multiple of 4,096.
 *
 *   [ head, sizes of blocks | superblock 0 | superblock 1 | table 0 | table 1 | slot 0 | slot 1 | scratch ]
 *     written once            step s has superblock, table and slot s mod 2
 *
 *   head        magic, version, blocks, scratch bytes, identity, checksum of the sizes, own checksum
 *   superblock  magic, version, slot, step, bytes and checksum of the table, whether it is the first, identity, own checksum: in one sector, so that it is old or new
 *   table       checksum of every block of the slot, bytes of the state, the state: a text that the caller gives at the commit
 *
 * Not here: when they are written (shard.ts).
 */
import { CorruptFile, DoesNotFit, InvalidConfig } from '../util/errors.js';
import { MiB, roundUp } from '../util/units.js';
import { crc32 } from './crc.js';
import { pageBytes } from './file-system.js';

/** What a shard holds. */
export interface ShardPlan {
  /** Bytes of each block, in the order in which they stream; multiples of 4. */
  readonly blocks: readonly number[];
  /** Room that is not committed; a multiple of 4,096. */
  readonly scratchBytes: number;
  /** 32 bytes in hexadecimal: whose state this is. */
  readonly identity: string;
}

/** Offsets in bytes. */
export interface ShardLayout {
  readonly plan: ShardPlan;
  readonly superblocks: readonly [number, number];
  readonly tables: readonly [number, number];
  /** Of each block in slot 0 and in slot 1. */
  readonly slots: readonly [readonly number[], readonly number[]];
  readonly scratch: number;
  readonly bytes: number;
}

export interface Superblock {
  readonly step: number;
  readonly tableBytes: number;
  readonly tableCrc: number;
  /** Nothing was committed before it. */
  readonly first: boolean;
}

export interface Table {
  readonly crcs: Uint32Array;
  readonly state: string;
}

/** Of the text that a commit may carry, in UTF-8. */
export const stateBytesMax = MiB;
export const formatVersion = 1;
const blockBytesMax = 2 ** 32 - pageBytes;
const headMagic = 'WSSHARD\n', superMagic = 'WSSUPER\n';
const sectorBytes = 512, crcAt = sectorBytes - 4, identityAt = 48;
const hex = /^[0-9a-f]{64}$/;

export const checkPlan = (plan: ShardPlan, where: string): void => {
  const block = plan.blocks.findIndex((bytes) => !Number.isInteger(bytes) || bytes < 4 || bytes % 4 !== 0 || bytes > blockBytesMax);
  if (block !== -1) throw new InvalidConfig({ what: `bytes of block ${block}`, where, value: plan.blocks[block], limit: `a multiple of 4 from 4 to ${blockBytesMax}` });
  if (plan.blocks.length === 0) throw new InvalidConfig({ what: 'blocks of a shard', where, value: 0, limit: 'at least 1' });
  if (!Number.isSafeInteger(plan.scratchBytes) || plan.scratchBytes < 0 || plan.scratchBytes % pageBytes !== 0) {
    throw new InvalidConfig({ what: 'scratchBytes', where, value: plan.scratchBytes, limit: `a multiple of ${pageBytes}` });
  }
  if (!hex.test(plan.identity)) throw new InvalidConfig({ what: 'identity', where, value: plan.identity, limit: '64 hexadecimal digits' });
};

const slotFrom = (start: number, blocks: readonly number[]): { readonly offsets: number[]; readonly end: number } => {
  const offsets: number[] = [];
  let end = start;
  for (const bytes of blocks) {
    offsets.push(end);
    end = roundUp(end + bytes, pageBytes);
  }
  return { offsets, end };
};

const tableRoom = (blocks: number): number => roundUp(4 * blocks + 4 + stateBytesMax, pageBytes);

/** Where the parts of a checked plan lie. */
export const layoutOf = (plan: ShardPlan): ShardLayout => {
  const first = pageBytes + roundUp(4 * plan.blocks.length, pageBytes), tables = first + 2 * pageBytes, room = tableRoom(plan.blocks.length);
  const slot0 = slotFrom(tables + 2 * room, plan.blocks), slot1 = slotFrom(slot0.end, plan.blocks);
  return {
    plan,
    superblocks: [first, first + pageBytes],
    tables: [tables, tables + room],
    slots: [slot0.offsets, slot1.offsets],
    scratch: slot1.end,
    bytes: slot1.end + plan.scratchBytes,
  };
};

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const textAt = (bytes: Uint8Array, at: number, count: number): string => String.fromCharCode(...bytes.subarray(at, at + count));
const putText = (bytes: Uint8Array, at: number, text: string): void => bytes.set(new TextEncoder().encode(text), at);

/** A page whose first sector is sealed by its own checksum. */
const sealed = (magic: string, identity: string, fill: (view: DataView) => void): Uint8Array => {
  const page = new Uint8Array(pageBytes), view = viewOf(page);
  putText(page, 0, magic);
  view.setUint32(8, formatVersion, true);
  fill(view);
  page.set(Buffer.from(identity, 'hex'), identityAt);
  view.setUint32(crcAt, crc32(page.subarray(0, crcAt)), true);
  return page;
};
const isSealed = (page: Uint8Array, magic: string): boolean => textAt(page, 0, 8) === magic && viewOf(page).getUint32(crcAt, true) === crc32(page.subarray(0, crcAt));
const identityIn = (page: Uint8Array): string => Buffer.from(page.subarray(identityAt, identityAt + 32)).toString('hex');

/** Head and sizes of a new file. */
export const encodeHead = (plan: ShardPlan): Uint8Array => {
  const bytes = new Uint8Array(pageBytes + roundUp(4 * plan.blocks.length, pageBytes)), view = viewOf(bytes);
  plan.blocks.forEach((size, b) => view.setUint32(pageBytes + 4 * b, size, true));
  bytes.set(sealed(headMagic, plan.identity, (head) => {
    head.setUint32(12, plan.blocks.length, true);
    head.setBigUint64(16, BigInt(plan.scratchBytes), true);
    head.setUint32(24, crc32(bytes.subarray(pageBytes)), true);
  }));
  return bytes;
};

/** Whether a page is the beginning of a shard's head, be the rest of it there or not. */
export const isHead = (page: Uint8Array): boolean => textAt(page, 0, 8) === headMagic;

/** What the first page says of the pages behind it: how many bytes of sizes, and a reader of them. @throws CorruptFile */
export const decodeHead = (page: Uint8Array, where: string): { readonly sizesBytes: number; planOf(sizes: Uint8Array): ShardPlan } => {
  if (textAt(page, 0, 8) !== headMagic) throw new CorruptFile({ what: 'not a shard', where, hint: 'give a file that createShard made' });
  const view = viewOf(page), version = view.getUint32(8, true);
  if (version !== formatVersion) throw new CorruptFile({ what: 'a shard of another format', where, value: version, limit: formatVersion, hint: 'use the version of waferstream that wrote it' });
  const damaged = new CorruptFile({ what: "the shard's head is damaged", where, hint: 'go back to a copy' });
  if (!isSealed(page, headMagic)) throw damaged;
  const count = view.getUint32(12, true), scratchBytes = Number(view.getBigUint64(16, true)), crc = view.getUint32(24, true);
  return {
    sizesBytes: roundUp(4 * count, pageBytes),
    planOf(sizes) {
      if (crc32(sizes) !== crc) throw damaged;
      const table = viewOf(sizes);
      return { blocks: Array.from({ length: count }, (_, b) => table.getUint32(4 * b, true)), scratchBytes, identity: identityIn(page) };
    },
  };
};

export const encodeSuperblock = ({ step, tableBytes, tableCrc, first }: Superblock, identity: string): Uint8Array =>
  sealed(superMagic, identity, (view) => {
    view.setUint32(12, step % 2, true);
    view.setBigUint64(16, BigInt(step), true);
    view.setUint32(24, tableBytes, true);
    view.setUint32(28, tableCrc, true);
    view.setUint32(32, first ? 1 : 0, true);
  });

/** The superblock of a slot, or null if the page is none of this shard: never written, torn, or of another one. */
export const decodeSuperblock = (page: Uint8Array, slot: number, plan: ShardPlan): Superblock | null => {
  if (!isSealed(page, superMagic) || identityIn(page) !== plan.identity) return null;
  const view = viewOf(page), step = Number(view.getBigUint64(16, true)), tableBytes = view.getUint32(24, true);
  const possible = view.getUint32(8, true) === formatVersion && view.getUint32(12, true) === slot && step % 2 === slot && tableBytes >= 4 * plan.blocks.length + 4 && tableBytes <= tableRoom(plan.blocks.length);
  return possible ? { step, tableBytes, tableCrc: view.getUint32(28, true), first: view.getUint32(32, true) === 1 } : null;
};

/** A table, padded to pages, and the bytes of it that its checksum covers. @throws DoesNotFit for too long a state. */
export const encodeTable = (crcs: Uint32Array, state: string): { readonly padded: Uint8Array; readonly bytes: number; readonly crc: number } => {
  const text = new TextEncoder().encode(state), bytes = 4 * crcs.length + 4 + text.length;
  if (text.length > stateBytesMax) throw new DoesNotFit({ what: 'the state of a commit', needBytes: text.length, haveBytes: stateBytesMax, hint: 'keep large things in blocks' });
  const padded = new Uint8Array(roundUp(bytes, pageBytes)), view = viewOf(padded);
  crcs.forEach((crc, b) => view.setUint32(4 * b, crc, true));
  view.setUint32(4 * crcs.length, text.length, true);
  padded.set(text, 4 * crcs.length + 4);
  return { padded, bytes, crc: crc32(padded.subarray(0, bytes)) };
};

/** The table that a superblock speaks of, or null if these are not its bytes. */
export const decodeTable = (bytes: Uint8Array, superblock: Superblock, blocks: number): Table | null => {
  if (crc32(bytes) !== superblock.tableCrc) return null;
  const view = viewOf(bytes), start = 4 * blocks + 4;
  if (view.getUint32(start - 4, true) !== bytes.length - start) return null;
  return { crcs: Uint32Array.from({ length: blocks }, (_, b) => view.getUint32(4 * b, true)), state: new TextDecoder().decode(bytes.subarray(start)) };
};
