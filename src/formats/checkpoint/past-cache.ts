/**
 * Long writes past the page cache of the host: a checkpoint is written once and seldom read, so pages that keep it would cost time and push others out.
 *
 *   bytes ─▶ a room at a page's start ─▶ whole pages of the file, by direct I/O        what lies before and behind them, and all where the host has none ─▶ through the cache
 *
 * The two ways never meet in one page. Not here: what is written where (write.ts).
 */
import { pageBytes, type FileSystem, type OpenFile } from '../../storage/file-system.js';
import { InvalidConfig } from '../../util/errors.js';
import { KiB, MiB, roundUp } from '../../util/units.js';

/** Shorter runs go through the cache: staging does not pay. */
const longBytes = 256 * KiB;
const roomBytes = 4 * MiB;

export class PastCache implements Pick<OpenFile, 'write' | 'close'> {
  readonly #fs: FileSystem;
  readonly #through: OpenFile;
  /** Null: not open yet; 'none': the host has no direct I/O here. */
  #direct: OpenFile | 'none' | null = null;
  #room: Uint8Array | null = null;

  /** Writes to the file that `through` is open on, which stays its owner's. */
  constructor(fs: FileSystem, through: OpenFile) {
    this.#fs = fs;
    this.#through = through;
  }

  /** Writes all of `from`, which may lie in shared memory, at offset `at`. @throws StorageFailed */
  write(from: Uint8Array, at: number): void {
    const first = roundUp(at, pageBytes) - at, whole = Math.floor((from.length - first) / pageBytes) * pageBytes;
    const done = from.length >= longBytes ? this.#writePages(from.subarray(first, first + whole), at + first) : 0;
    if (done === 0) return this.#through.write(from, at);
    this.#through.write(from.subarray(0, first), at);
    this.#through.write(from.subarray(first + done), at + first + done);
  }

  /** @returns how many bytes it has written: all or, where direct I/O fails to begin, as many as before */
  #writePages(from: Uint8Array, at: number): number {
    this.#room ??= new Uint8Array(new WebAssembly.Memory({ initial: roomBytes / (64 * KiB) }).buffer);
    let done = 0;
    try {
      if (this.#direct === null) this.#direct = this.#fs.open(this.#through.path, 'write', { direct: true });
      for (; this.#direct !== 'none' && done < from.length; done += roomBytes) {
        const part = this.#room.subarray(0, Math.min(roomBytes, from.length - done));
        part.set(from.subarray(done, done + part.length));
        this.#direct.write(part, at + done);
      }
    } catch (error) {
      // So storage says that the host, or this disk, has no direct I/O.
      if (!(error instanceof InvalidConfig)) throw error;
      this.close();
      this.#direct = 'none';
    }
    return Math.min(done, from.length);
  }

  close(): void {
    if (this.#direct !== 'none') this.#direct?.close();
    this.#direct = null;
  }
}
