/**
 * The few file operations that storage is made of, synchronous, behind an interface: tests put a disk that fails in the place of the real one.
 *
 *   storage ─▶ FileSystem ─┬─ realFileSystem: node:fs, short reads and writes continued, failures typed
 *                          └─ a disk in memory that drops, tears, fills up or lies (test/support)
 *
 * Not here: what lies in files (shard.ts, store.ts).
 */
import { closeSync, constants, existsSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { StorageFailed } from '../util/errors.js';

/** An open file. Positions in bytes; buffers may view shared memory. */
export interface OpenFile {
  /** Fills `into` from `at` on. @throws StorageFailed where the file ends before */
  read(into: Uint8Array, at: number): void;
  write(from: Uint8Array, at: number): void;
  truncate(bytes: number): void;
  /** Settled on the disk when it returns. */
  sync(): void;
  size(): number;
  close(): void;
}

/** 'read', 'write' (an existing file, both ways), or 'create' (a new one, both ways; refused if it exists). */
export type OpenMode = 'read' | 'write' | 'create';

export interface FileSystem {
  /** `direct`: past the host's page cache; buffers, positions and lengths are then whole pages of 4,096 bytes. */
  open(path: string, mode: OpenMode, direct?: boolean): OpenFile;
  exists(path: string): boolean;
  makeFolder(path: string): void;
  list(path: string): string[];
  /** Takes the place of what was there. */
  rename(from: string, to: string): void;
  /** A file, or a folder with all in it; nothing to do where there is nothing. */
  remove(path: string): void;
  /** Names in the folder are settled on the disk when it returns. */
  syncFolder(path: string): void;
  freeBytes(path: string): number;
}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on that disk, or choose a folder on another one',
  EDQUOT: 'free some space, or raise the quota of this user',
  EROFS: 'choose a folder on a disk that can be written',
  EACCES: 'choose a folder that this user may read and write',
  EPERM: 'choose a folder that this user may read and write',
  ENOENT: 'check the path',
  EIO: 'the disk itself fails: copy what is there to another one',
  EINVAL: 'the file system of this folder may not know direct access: leave it out',
  EMFILE: 'raise the limit of open files',
  EFBIG: 'raise the limit of file sizes, or choose another file system',
};

/** The typed form of what node:fs threw. */
const failed = (operation: string, path: string, cause: unknown): StorageFailed => {
  const { code = 'unknown', message } = cause as NodeJS.ErrnoException;
  return new StorageFailed({ what: `${operation} failed with ${code}: ${message}`, where: path, hint: hints[code] ?? 'see what the system says of this disk' }, { cause });
};

const attempt = <T>(operation: string, path: string, run: () => T): T => {
  try {
    return run();
  } catch (cause) {
    throw cause instanceof StorageFailed ? cause : failed(operation, path, cause);
  }
};

const flags: Readonly<Record<OpenMode, number>> = { read: constants.O_RDONLY, write: constants.O_RDWR, create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL };

const openReal = (path: string, mode: OpenMode, direct = false): OpenFile => {
  const fd = attempt('opening', path, () => openSync(path, flags[mode] | (direct ? constants.O_DIRECT : 0), 0o644));
  return {
    read(into, at) {
      for (let done = 0; done < into.length;) {
        const now = attempt('reading', path, () => readSync(fd, into, done, into.length - done, at + done));
        if (now === 0) throw new StorageFailed({ what: `the file ends ${into.length - done} bytes early`, where: path, value: at + done, hint: 'the file was cut off: use another copy of it' });
        done += now;
      }
    },
    write(from, at) {
      for (let done = 0; done < from.length;) {
        const now = attempt('writing', path, () => writeSync(fd, from, done, from.length - done, at + done));
        if (now === 0) throw new StorageFailed({ what: 'a write that stores nothing', where: path, value: at + done, hint: 'see what the system says of this disk' });
        done += now;
      }
    },
    truncate: (bytes) => attempt('truncating', path, () => ftruncateSync(fd, bytes)),
    sync: () => attempt('syncing', path, () => fsyncSync(fd)),
    size: () => attempt('measuring', path, () => fstatSync(fd).size),
    close: () => attempt('closing', path, () => closeSync(fd)),
  };
};

export const realFileSystem: FileSystem = {
  open: openReal,
  exists: existsSync,
  makeFolder: (path) => void attempt('making a folder', path, () => mkdirSync(path, { recursive: true })),
  list: (path) => attempt('listing', path, () => readdirSync(path)),
  rename: (from, to) => attempt('renaming', from, () => renameSync(from, to)),
  remove: (path) => attempt('removing', path, () => rmSync(path, { recursive: true, force: true })),
  syncFolder(path) {
    const fd = attempt('opening', path, () => openSync(path, 'r'));
    try {
      attempt('syncing', path, () => fsyncSync(fd));
    } finally {
      closeSync(fd);
    }
  },
  freeBytes(path) {
    const { bavail, bsize } = attempt('measuring the disk of', path, () => statfsSync(path));
    return bavail * bsize;
  },
};

/** A whole small file as text. */
export const readText = (fs: FileSystem, path: string): string => {
  const file = fs.open(path, 'read');
  try {
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    return new TextDecoder().decode(bytes);
  } finally {
    file.close();
  }
};

/** Writes a small file so that it is there as a whole or not at all. */
export const writeText = (fs: FileSystem, folder: string, name: string, text: string): void => {
  const part = `${folder}/.${name}.part`, file = (fs.remove(part), fs.open(part, 'create'));
  try {
    file.write(new TextEncoder().encode(text), 0);
    file.sync();
  } finally {
    file.close();
  }
  fs.rename(part, `${folder}/${name}`);
  fs.syncFolder(folder);
};
