/**
 * The open file of a shard: blocks one way, head, superblocks and tables the other.
 *
 *   with direct I/O   whole pages of blocks ─▶ past the page cache      tails of blocks, tables, superblocks ─▶ through it
 *   without           everything through it
 *
 * The two never meet in one page, but for zeros, which go through it once. Not here: in which order things are written (shard.ts).
 */
import { CorruptFile } from '../util/errors.js';
import { roundUp } from '../util/units.js';
import { pageBytes, type FileSystem, type OpenFile } from './file-system.js';
import { decodeHead, decodeSuperblock, decodeTable, layoutOf, type ShardLayout, type ShardPlan, type Table } from './layout.js';

/** The plan that a file says it has. @throws CorruptFile */
export const readPlan = (fs: FileSystem, path: string): ShardPlan => {
  const file = fs.open(path, 'read');
  try {
    const size = file.size(), cut = new CorruptFile({ what: 'the shard is cut', where: path, value: size, hint: 'go back to a copy' });
    if (size < pageBytes) throw cut;
    const page = new Uint8Array(pageBytes);
    file.read(page, 0);
    const { sizesBytes, planOf } = decodeHead(page, path);
    if (size < pageBytes + sizesBytes) throw cut;
    const sizes = new Uint8Array(sizesBytes);
    file.read(sizes, pageBytes);
    const plan = planOf(sizes);
    if (size !== layoutOf(plan).bytes) throw cut;
    return plan;
  } finally {
    file.close();
  }
};

export class ShardFile {
  readonly path: string;
  readonly layout: ShardLayout;
  readonly #meta: OpenFile;
  readonly #direct: OpenFile | null;

  constructor(fs: FileSystem, path: string, layout: ShardLayout, { mode, direct = false }: { readonly mode: 'read' | 'write'; readonly direct?: boolean }) {
    this.path = path;
    this.layout = layout;
    this.#meta = fs.open(path, mode);
    try {
      this.#direct = direct ? fs.open(path, mode, { direct }) : null;
    } catch (error) {
      this.#meta.close();
      throw error;
    }
  }

  /** The step whose superblock and table are valid in a slot. */
  committed(slot: number): { readonly step: number; readonly first: boolean; readonly table: Table } | null {
    const { plan, superblocks, tables } = this.layout, at = slot === 0 ? 0 : 1;
    const page = new Uint8Array(pageBytes);
    this.#meta.read(page, superblocks[at]);
    const superblock = decodeSuperblock(page, slot, plan);
    if (superblock === null) return null;
    const bytes = new Uint8Array(superblock.tableBytes);
    this.#meta.read(bytes, tables[at]);
    const table = decodeTable(bytes, superblock, plan.blocks.length);
    return table === null ? null : { step: superblock.step, first: superblock.first, table };
  }

  put(from: Uint8Array, at: number): void {
    this.#parts(from, at, (file, part, partAt) => file.write(part, partAt));
  }

  get(into: Uint8Array, at: number): void {
    this.#parts(into, at, (file, part, partAt) => file.read(part, partAt));
  }

  #parts(bytes: Uint8Array, at: number, each: (file: OpenFile, part: Uint8Array, at: number) => void): void {
    if (this.#direct === null) return each(this.#meta, bytes, at);
    const whole = bytes.length - (bytes.length % pageBytes);
    if (whole > 0) each(this.#direct, bytes.subarray(0, whole), at);
    if (whole < bytes.length) each(this.#meta, bytes.subarray(whole), at + whole);
  }

  /** Makes a range zero, writing only where it is not. `zeros` gives at most 1 MiB of them. */
  clear(at: number, bytes: number, zeros: (count: number) => Uint8Array): void {
    const chunk = new Uint8Array(Math.min(roundUp(bytes, 8), zeros(Infinity).length)), words = new BigUint64Array(chunk.buffer);
    for (let done = 0; done < bytes; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, bytes - done));
      part.fill(0);
      this.#meta.read(part, at + done);
      if (words.some((word) => word !== 0n)) this.#meta.write(zeros(part.length), at + done);
    }
  }

  putMeta(bytes: Uint8Array, at: number): void {
    this.#meta.write(bytes, at);
  }

  sync(): void {
    this.#meta.sync();
  }

  close(): void {
    this.#meta.close();
    this.#direct?.close();
  }
}
