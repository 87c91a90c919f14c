/**
 * A disk in memory that fails as disks fail, behind the interface that storage has.
 *
 *   process ─write─▶ what the host would read back ─sync─▶ what a loss of power leaves
 *                     sectors of 512 bytes                  of the rest any sectors, in any version that was current since the last sync
 *
 * A crash comes at a given operation, before it, behind it or inside: a write then did its first bytes, a sync some sectors. Names of files come and go in order, and a loss of
 * power leaves a beginning of what was not synced. Chance comes from one seed. Not here: what is tested with it (storage-lives.ts).
 */
import type { FileSystem, FolderLock, OpenFile, OpenMode } from '../../src/storage/file-system.js';
import { refusal } from '../../src/storage/refusals.js';
import { CorruptFile, InvalidConfig } from '../../src/util/errors.js';
import { purposes, randomWord } from '../../src/util/prng.js';

const sectorBytes = 512;
const noSector = new Uint8Array(sectorBytes);

/** The end of the simulated process: no error of the project's, so nothing may take it for one. */
export class Crash extends Error {}

type Sectors = Map<number, Uint8Array>;
interface Contents {
  /** Sectors are replaced, never changed. */
  now: Sectors;
  durable: Sectors;
  dirty: Set<number>;
  size: number;
  durableSize: number;
}
type Names = Map<string, Contents | 'folder'>;

export interface Faults {
  /** Bytes of sectors that the disk has. */
  capacityBytes?: number;
  readOnly?: boolean;
  /** Operations from this one on fail with EIO. */
  brokenFrom?: number;
  /** One sync of so many does nothing and says it did. */
  lyingSyncs?: number;
  /** One write of so many stores nothing and says it did. */
  lyingWrites?: number;
  /** Called before every operation: a slow disk waits here. */
  before?: (operation: string, path: string) => void;
}

const folderOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));
const failing = (code: string, operation: string, path: string): Error => refusal(operation, path, Object.assign(new Error(code), { code }));

export class SimulatedDisk {
  faults: Faults;
  /** Done so far, over all lives. */
  operations = 0;
  /** The operation that the process does not survive. */
  crashAt = Infinity;
  readonly #seed: number;
  #draws = 0;
  #names: Names = new Map([['/', 'folder']]);
  #durableNames: Names = new Map([['/', 'folder']]);
  #pending: { readonly folder: string; readonly apply: (names: Names) => void }[] = [];
  #locked = new Set<string>();
  #life = 0;
  #unique = 0;

  constructor(seed: number, faults: Faults = {}) {
    this.#seed = seed;
    this.faults = faults;
  }

  /** A whole number below `limit`. */
  draw(limit: number): number {
    return randomWord(this.#seed, purposes.testData, this.#draws++) % limit;
  }

  #usedSectors(): number {
    let sum = 0;
    for (const file of new Set(this.#names.values())) sum += file === 'folder' ? 0 : file.now.size;
    return sum;
  }

  /** Counts an operation. True if the process ends in it. */
  #enter(life: number, operation: string, path: string, changes: boolean): boolean {
    if (life !== this.#life) throw new Crash('this process has ended');
    this.faults.before?.(operation, path);
    if (this.operations++ >= (this.faults.brokenFrom ?? Infinity)) throw failing('EIO', operation, path);
    if (changes && this.faults.readOnly === true) throw failing('EROFS', operation, path);
    if (this.operations <= this.crashAt) return false;
    if (changes) return true;
    return this.#end();
  }

  #end(): never {
    this.#life++;
    throw new Crash('the process ended here');
  }

  #name(folder: string, crashes: boolean, apply: (names: Names) => void): void {
    if (!crashes || this.draw(2) === 0) {
      apply(this.#names);
      this.#pending.push({ folder, apply });
    }
    if (crashes) this.#end();
  }

  #writeBack(file: Contents, sector: number): void {
    const bytes = file.now.get(sector);
    if (bytes === undefined) file.durable.delete(sector);
    else file.durable.set(sector, bytes);
  }

  #write(file: Contents, path: string, from: Uint8Array, at: number): void {
    const room = (this.faults.capacityBytes ?? Infinity) / sectorBytes;
    let used = room === Infinity ? 0 : this.#usedSectors();
    for (let done = 0; done < from.length; ) {
      const sector = Math.floor((at + done) / sectorBytes), inside = (at + done) % sectorBytes, count = Math.min(sectorBytes - inside, from.length - done);
      const old = file.now.get(sector);
      if (old === undefined && ++used > room) throw failing('ENOSPC', `writing ${from.length} bytes at ${at}`, path);
      // The host writes back when it likes, so that a version in between may be the one that stays.
      if (file.dirty.has(sector) && this.draw(4) === 0) this.#writeBack(file, sector);
      const bytes = Uint8Array.from(old ?? noSector);
      bytes.set(from.subarray(done, done + count), inside);
      file.now.set(sector, bytes);
      file.dirty.add(sector);
      done += count;
      file.size = Math.max(file.size, at + done);
    }
  }

  #isFilled(folder: string): boolean {
    return [...this.#names.keys()].some((name) => name.startsWith(`${folder}/`));
  }

  #file(path: string, operation: string): Contents {
    const found = this.#names.get(path);
    if (found === undefined) throw failing('ENOENT', operation, path);
    if (found === 'folder') throw failing('EISDIR', operation, path);
    return found;
  }

  #open(life: number, path: string, mode: OpenMode): OpenFile {
    const crashes = this.#enter(life, 'opening', path, mode === 'create');
    if (mode === 'create') {
      if (this.#names.has(path)) throw failing('EEXIST', 'creating', path);
      if (this.#names.get(folderOf(path)) !== 'folder') throw failing('ENOENT', 'creating', path);
      const made: Contents = { now: new Map(), durable: new Map(), dirty: new Set(), size: 0, durableSize: 0 };
      this.#name(folderOf(path), crashes, (names) => names.set(path, made));
    }
    const file = this.#file(path, 'opening');
    return {
      path,
      read: (into, at) => {
        this.#enter(life, 'reading', path, false);
        if (at + into.length > file.size) throw new CorruptFile({ what: 'the file ends early', where: path, value: file.size, limit: at + into.length });
        for (let done = 0; done < into.length; ) {
          const inside = (at + done) % sectorBytes, count = Math.min(sectorBytes - inside, into.length - done);
          into.set((file.now.get(Math.floor((at + done) / sectorBytes)) ?? noSector).subarray(inside, inside + count), done);
          done += count;
        }
      },
      write: (from, at) => {
        const crashesHere = this.#enter(life, 'writing', path, true);
        const lies = this.faults.lyingWrites !== undefined && this.draw(this.faults.lyingWrites) === 0;
        if (!lies) this.#write(file, path, crashesHere ? from.subarray(0, this.draw(from.length + 1)) : from, at);
        if (crashesHere) this.#end();
      },
      truncate: (bytes) => {
        const crashesHere = this.#enter(life, 'setting the size', path, true);
        if (!crashesHere || this.draw(2) === 0) file.size = bytes;
        if (crashesHere) this.#end();
      },
      sync: () => {
        const crashesHere = this.#enter(life, 'syncing', path, true);
        if (this.faults.lyingSyncs === undefined || this.draw(this.faults.lyingSyncs) !== 0) {
          for (const sector of file.dirty) if (!crashesHere || this.draw(2) === 0) this.#writeBack(file, sector);
          if (!crashesHere) {
            file.dirty.clear();
            file.durableSize = file.size;
          }
        }
        if (crashesHere) this.#end();
      },
      size: () => {
        this.#enter(life, 'asking for the size', path, false);
        return file.size;
      },
      close: () => undefined,
    };
  }

  #lock(life: number, folder: string): FolderLock {
    const crashes = this.#enter(life, 'claiming the folder', folder, true);
    if (crashes) this.#end();
    if (this.#locked.has(folder)) throw new InvalidConfig({ what: 'this process writes here', where: folder });
    this.#locked.add(folder);
    // What a thread does while its process ends does no harm.
    return { release: () => void (life === this.#life && this.#locked.delete(folder)) };
  }

  /** The disk as a new process finds it. One process at a time. */
  start(): FileSystem {
    const life = ++this.#life;
    this.#locked.clear();
    return {
      open: (path, mode) => this.#open(life, path, mode),
      kind: (path) => {
        this.#enter(life, 'looking', path, false);
        const found = this.#names.get(path);
        return found === undefined ? null : found === 'folder' ? 'folder' : 'file';
      },
      makeFolder: (path) => {
        const crashes = this.#enter(life, 'making the folder', path, true);
        const above = path.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/')).filter((name) => name !== '');
        for (const name of above) if (!this.#names.has(name)) this.#name(folderOf(name), false, (names) => names.set(name, 'folder'));
        if (crashes) this.#end();
      },
      list: (folder) => {
        this.#enter(life, 'listing', folder, false);
        return [...this.#names.keys()].filter((name) => name !== folder && folderOf(name) === folder).map((name) => name.slice(folder.length + 1)).toSorted();
      },
      rename: (from, to) => {
        const crashes = this.#enter(life, 'renaming', from, true);
        if (!this.#names.has(from)) throw failing('ENOENT', 'renaming', from);
        if (this.#isFilled(to)) throw failing('ENOTEMPTY', 'renaming', to);
        this.#name(folderOf(to), crashes, (names) => {
          const moved = [...names].filter(([name]) => name === from || name.startsWith(`${from}/`));
          for (const [name, what] of moved) {
            names.delete(name);
            names.set(to + name.slice(from.length), what);
          }
        });
      },
      remove: (path) => {
        const crashes = this.#enter(life, 'removing', path, true);
        this.#file(path, 'removing');
        this.#name(folderOf(path), crashes, (names) => names.delete(path));
      },
      removeFolder: (path) => {
        const crashes = this.#enter(life, 'removing the folder', path, true);
        if (this.#names.get(path) !== 'folder') throw failing('ENOENT', 'removing the folder', path);
        if (this.#isFilled(path)) throw failing('ENOTEMPTY', 'removing the folder', path);
        this.#name(folderOf(path), crashes, (names) => names.delete(path));
      },
      syncFolder: (path) => {
        if (this.#enter(life, 'syncing', path, true)) this.#end();
        const last = this.#pending.findLastIndex(({ folder }) => folder === path);
        for (const { apply } of this.#pending.splice(0, last + 1)) apply(this.#durableNames);
      },
      space: (folder) => {
        this.#enter(life, 'asking for free space', folder, false);
        return { disk: 'simulated', freeBytes: Math.max(0, (this.faults.capacityBytes ?? 2 ** 40) - this.#usedSectors() * sectorBytes) };
      },
      lock: (folder) => this.#lock(life, folder),
      uniqueName: () => `name-${this.#unique++}`,
    };
  }

  /** The process is killed: all that it did stays. */
  kill(): FileSystem {
    return this.start();
  }

  /** Power is lost: of what was not synced anything may stay. */
  cutPower(): FileSystem {
    for (const { apply } of this.#pending.splice(0).slice(0, this.draw(8))) apply(this.#durableNames);
    this.#names = new Map(this.#durableNames);
    for (const file of new Set(this.#names.values())) {
      if (file === 'folder') continue;
      const kept = this.draw(4);
      // Nothing, all, or any of it.
      for (const sector of file.dirty) if (kept === 1 || (kept > 1 && this.draw(2) === 0)) this.#writeBack(file, sector);
      if (this.draw(2) === 0) file.durableSize = file.size;
      file.size = file.durableSize;
      file.now = new Map(file.durable);
      file.dirty.clear();
    }
    return this.start();
  }
}
