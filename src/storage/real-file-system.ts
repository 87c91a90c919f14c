/**
 * The host's files, by synchronous calls of node:fs. Short reads and writes are continued; what the host refuses becomes a typed error (refusals.ts).
 *
 * Direct I/O is Linux's O_DIRECT; whether the disk has it shows when a file is opened or first used. Not here: the lock (lock.ts).
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync, constants, existsSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, readdirSync, renameSync, rmSync, rmdirSync, statSync,
  statfsSync, writeSync,
} from 'node:fs';
import { CorruptFile, EmulatorBug, InvalidConfig, StorageFailed } from '../util/errors.js';
import { GiB } from '../util/units.js';
import { pageBytes, type FileSystem, type OpenFile, type OpenMode } from './file-system.js';
import { lockFolder } from './lock.js';
import { codeOf, refusal } from './refusals.js';

/** One request; the host's own limit is a little below 2 GiB. */
const requestBytesMax = GiB;

const attempt = <T>(operation: string, path: string, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    throw refusal(operation, path, error);
  }
};

const noDirect = (path: string, cause?: unknown): InvalidConfig =>
  new InvalidConfig({ what: 'direct I/O is not there', where: path, hint: 'do without it, or choose a folder on a disk of a Linux host whose file system has it (tmpfs has not)' }, { cause });

const flagsOf: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

type Request = (descriptor: number, bytes: Uint8Array, offset: number, count: number, at: number) => number;
/** The two calls that may do less than they are asked. */
export interface Requests {
  readonly read: Request;
  readonly write: Request;
}

/** A file of the host, by its descriptor. */
export class RealFile implements OpenFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #direct: boolean;
  readonly #requests: Requests;
  constructor(path: string, descriptor: number, direct: boolean, requests: Requests = { read: readSync, write: writeSync }) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#direct = direct;
    this.#requests = requests;
  }

  read(into: Uint8Array, at: number): void {
    for (let done = 0; done < into.length; ) {
      const count = this.#transfer(this.#requests.read, 'reading', into, done, at);
      if (count === 0) throw new CorruptFile({ what: 'the file ends early', where: this.path, value: at + done, limit: at + into.length, hint: 'it was cut, or is of another kind' });
      done += count;
    }
  }

  write(from: Uint8Array, at: number): void {
    for (let done = 0; done < from.length; ) {
      const count = this.#transfer(this.#requests.write, 'writing', from, done, at);
      if (count === 0) throw new StorageFailed({ what: `writing ${from.length - done} bytes at ${at + done}: the disk takes none`, where: this.path, value: 'EIO', hint: "look at the host's log" });
      done += count;
    }
  }

  /** One request for what is still to be done. */
  #transfer(call: Request, operation: string, bytes: Uint8Array, done: number, at: number): number {
    const count = Math.min(bytes.length - done, requestBytesMax);
    if (this.#direct && (bytes.byteOffset + done) % pageBytes + (at + done) % pageBytes + count % pageBytes !== 0) {
      throw new EmulatorBug({ what: `direct I/O of ${count} bytes at ${at + done} from address ${bytes.byteOffset + done}`, where: this.path, limit: `multiples of ${pageBytes}` });
    }
    try {
      return call(this.#descriptor, bytes, done, count, at + done);
    } catch (error) {
      if (this.#direct && codeOf(error) === 'EINVAL') throw noDirect(this.path, error);
      throw refusal(`${operation} ${count} bytes at ${at + done}`, this.path, error);
    }
  }

  truncate(bytes: number): void {
    attempt(`setting the size to ${bytes} bytes`, this.path, () => ftruncateSync(this.#descriptor, bytes));
  }

  sync(): void {
    attempt('syncing', this.path, () => fsyncSync(this.#descriptor));
  }

  size(): number {
    return attempt('asking for the size', this.path, () => fstatSync(this.#descriptor).size);
  }

  close(): void {
    attempt('closing', this.path, () => closeSync(this.#descriptor));
  }
}

export const realFileSystem: FileSystem = {
  open(path, mode, { direct = false } = {}) {
    // Node declares the flag on every host; where it is missing it is undefined.
    const flag: number | undefined = constants.O_DIRECT;
    if (direct && flag === undefined) throw noDirect(path);
    try {
      return new RealFile(path, openSync(path, flagsOf[mode] | (direct ? flag : 0), 0o644), direct);
    } catch (error) {
      if (direct && codeOf(error) === 'EINVAL') throw noDirect(path, error);
      throw refusal(mode === 'create' ? 'creating' : 'opening', path, error);
    }
  },
  kind(path) {
    if (!existsSync(path)) return null;
    const found = attempt('looking', path, () => statSync(path));
    return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
  },
  makeFolder(path) {
    attempt('making the folder', path, () => mkdirSync(path, { recursive: true }));
  },
  list: (folder) => attempt('listing', folder, () => readdirSync(folder)).toSorted(),
  rename(from, to) {
    attempt(`renaming ${from}`, to, () => renameSync(from, to));
  },
  remove(path) {
    attempt('removing', path, () => rmSync(path));
  },
  removeFolder(path) {
    attempt('removing the folder', path, () => rmdirSync(path));
  },
  syncFolder(path) {
    const descriptor = attempt('opening', path, () => openSync(path, constants.O_RDONLY));
    try {
      attempt('syncing', path, () => fsyncSync(descriptor));
    } finally {
      closeSync(descriptor);
    }
  },
  space(folder) {
    const { bavail, bsize } = attempt('asking for free space', folder, () => statfsSync(folder));
    return { disk: String(attempt('looking', folder, () => statSync(folder)).dev), freeBytes: bavail * bsize };
  },
  lock: lockFolder,
  uniqueName: () => randomUUID(),
};
