/**
 * What storage asks of a disk: a few synchronous operations, so that it runs in an actor on a thread of its own and on the one thread of a replayed
 * schedule alike.
 *
 *   store ─▶ shard ─▶ FileSystem ─┬─ real-file-system.ts   the host's
 *                                 └─ a simulated disk       tests: power losses, torn writes, lies
 *
 * Every operation does all that it is asked, or throws: CorruptFile for what is missing or too short, InvalidConfig for what exists already,
 * StorageFailed for all that the disk refuses. Not here: what the bytes mean (layout.ts).
 */

/** The unit of offsets in files: a page of memory, and what direct I/O is aligned to. */
export const pageBytes = 4096;

/** How a file is opened. `create` makes a new one, and refuses one that is there. */
export type OpenMode = 'read' | 'write' | 'create';

export interface OpenOptions {
  /** Past the page cache of the host. Addresses, offsets and lengths are then multiples of 4,096; a WebAssembly.Memory begins at one. */
  readonly direct?: boolean;
}

/** An open file. Offsets and sizes in bytes. */
export interface OpenFile {
  readonly path: string;
  /** Fills `into`, which may lie in shared memory, from offset `at`. @throws CorruptFile where the file ends before. */
  read(into: Uint8Array, at: number): void;
  /** Writes all of `from`, which may lie in shared memory, at offset `at`. */
  write(from: Uint8Array, at: number): void;
  /** Cuts or grows the file; what is new reads as zeros and takes no room yet. */
  truncate(bytes: number): void;
  /** Returns when all that was written has survived a loss of power. */
  sync(): void;
  size(): number;
  close(): void;
}

/** A folder that only its holder may change. */
export interface FolderLock {
  release(): void;
}

export interface DiskSpace {
  /** Two folders with the same name share their free bytes. */
  readonly disk: string;
  readonly freeBytes: number;
}

export interface FileSystem {
  open(path: string, mode: OpenMode, options?: OpenOptions): OpenFile;
  /** What stands at a path, links followed. */
  kind(path: string): 'file' | 'folder' | 'other' | null;
  /** A folder and those above it; fine if they are there. */
  makeFolder(path: string): void;
  /** Names in a folder, in order. */
  list(folder: string): readonly string[];
  /** Atomic, for a file or a folder; a file that stands at `to` is replaced. */
  rename(from: string, to: string): void;
  /** A file. */
  remove(path: string): void;
  /** A folder with nothing in it. */
  removeFolder(path: string): void;
  /** Returns when the folder's names have survived a loss of power. */
  syncFolder(path: string): void;
  space(folder: string): DiskSpace;
  /**
   * Makes this holder the one writer of a folder until it is released or its process ends, however it ends. Two that ask at the same moment may both be
   * refused. @throws InvalidConfig that names the holder.
   */
  lock(folder: string): FolderLock;
  /** A text that no other call ever returned, here or elsewhere. */
  uniqueName(): string;
}

/** The whole file; for small ones. */
export const readAll = (fs: FileSystem, path: string): Uint8Array => {
  const file = fs.open(path, 'read');
  try {
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    return bytes;
  } finally {
    file.close();
  }
};

/** Writes a small file so that after any crash it has its old contents or its new ones. */
export const replaceFile = (fs: FileSystem, folder: string, name: string, bytes: Uint8Array): void => {
  const staged = `${folder}/.${name}.${fs.uniqueName()}`;
  const file = fs.open(staged, 'create');
  try {
    file.write(bytes, 0);
    file.sync();
  } finally {
    file.close();
  }
  fs.rename(staged, `${folder}/${name}`);
  fs.syncFolder(folder);
};
