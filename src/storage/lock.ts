/**
 * One writer at a time: a lock file that names its holder. A holder that was killed leaves it behind, and the next one takes it over.
 *
 *   exclusive creation ─exists─▶ its holder lives: refused        it is dead: taken over, by one process only
 *
 * A holder is a process id with the time at which the process began, so that a reused id is nobody's. Holders on other hosts are not seen. Not here: what is locked.
 */
import { readFileSync } from 'node:fs';
import { InvalidConfig } from '../util/errors.js';
import { readText, type FileSystem } from './file-system.js';

export interface Holder {
  readonly pid: number;
  /** When the process began, as the system counts; '' where it does not say. */
  readonly began: string;
}

/** When a process began; null if there is none. */
const beganAt = (pid: number): string | null => {
  try {
    // Field 22 of the line, behind the name in brackets.
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    try {
      process.kill(pid, 0);
      return '';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : null;
    }
  }
};

const lives = ({ pid, began }: Holder): boolean => {
  const now = beganAt(pid);
  return now !== null && (now === '' || began === '' || now === began);
};

export const thisProcess = (): Holder => ({ pid: process.pid, began: beganAt(process.pid) ?? '' });

const name = 'store.lock';

const holderIn = (fs: FileSystem, path: string): Holder | null => {
  try {
    const { pid, began } = JSON.parse(readText(fs, path)) as Holder;
    return Number.isInteger(pid) && typeof began === 'string' ? { pid, began } : null;
  } catch {
    return null;
  }
};

const create = (fs: FileSystem, path: string, holder: Holder): boolean => {
  try {
    const file = fs.open(path, 'create');
    try {
      file.write(new TextEncoder().encode(JSON.stringify(holder)), 0);
    } finally {
      file.close();
    }
    return true;
  } catch (error) {
    if (fs.exists(path)) return false;
    throw error;
  }
};

/** Locks a folder. Returns the way to unlock it. @throws InvalidConfig that names a holder that lives */
export const lockFolder = (fs: FileSystem, folder: string, isAlive: (holder: Holder) => boolean = lives, self: Holder = thisProcess()): (() => void) => {
  const path = `${folder}/${name}`, unlock = (): void => fs.remove(path);
  if (create(fs, path, self)) return unlock;
  const holder = holderIn(fs, path);
  const refused = (hint: string): InvalidConfig => new InvalidConfig({ what: 'a store that another writer holds', where: folder, value: holder === null ? 'a lock that names nobody' : `process ${holder.pid}`, hint });
  if (holder !== null && isAlive(holder)) throw refused('wait for it to end, or use another folder');
  // Whoever creates this file may take over the lock of that one holder; nobody else can a second time.
  const takeover = `${folder}/.${name}.${holder?.pid ?? 0}.${holder?.began ?? ''}`;
  if (!create(fs, takeover, self)) {
    const other = holderIn(fs, takeover);
    if (other !== null && isAlive(other)) throw refused('another process is taking it over just now');
    throw refused(`no process holds it any more: remove ${name} and ${takeover.slice(folder.length + 1)}`);
  }
  fs.remove(path);
  const isOurs = create(fs, path, self);
  fs.remove(takeover);
  if (!isOurs) throw refused('another process was faster');
  return unlock;
};
