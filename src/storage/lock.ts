/**
 * One writer at a time, without a lock of the kernel (Node has none) and without a heartbeat (a busy thread has no timers).
 *
 *   claim = an empty file whose *name* says who claims: host, boot, process namespace, process, the process's start time, a text of its own
 *   1 write the own claim   2 list all claims   3 another one that may be alive: withdraw the own, refuse. Else: held until withdrawn
 *
 * Of two that claim, the one that lists later sees the other's claim: two never hold. Both may be refused. A claim is dead when its process is
 * (looked up with its start time, as numbers of processes come again); a dead claim stays dead, so anybody may remove it, and a killed
 * process leaves nothing to clean. Limits: the claim of another host, or of another container, cannot be looked up and counts as alive, its file is then removed
 * by hand; a thread that ends does not end its process; where /proc is not there or hides the process only its number is compared.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InvalidConfig } from '../util/errors.js';
import type { FolderLock } from './file-system.js';
import { codeOf, refusal } from './refusals.js';

const prefix = '.writer';
const unknown = 'unknown';

interface Claim {
  readonly host: string;
  readonly boot: string;
  readonly namespace: string;
  readonly pid: number;
  readonly start: string;
  /** Differs between two claims of one process. */
  readonly own: string;
}

const orUnknown = (read: () => string): string => {
  try {
    return read();
  } catch {
    return unknown;
  }
};

/** When a process began, in the kernel's ticks since boot; null if only its remains are there, that nobody has collected. */
const startOf = (pid: number): string | null => {
  const stat = orUnknown(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === unknown) return unknown;
  // The name of the program, in parentheses, may hold anything; state and the other fields come behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? unknown);
};

const existsByNumber = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
};

const nameOf = (c: Claim): string => [prefix, c.host, c.boot, c.namespace, c.pid, c.start, c.own].join('~');
const parse = (name: string): Claim | null => {
  const [begin, host, boot, namespace, pid, start, own] = name.split('~');
  if (begin !== prefix || host === undefined || boot === undefined || namespace === undefined || pid === undefined || start === undefined || own === undefined || !/^[1-9]\d*$/.test(pid)) return null;
  return { host, boot, namespace, pid: Number(pid), start, own };
};

const ownClaim = (): Claim => ({
  host: hostname().replaceAll(/[^\w.-]/g, '_'),
  boot: orUnknown(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')).trim().slice(0, 8),
  namespace: orUnknown(() => readlinkSync('/proc/self/ns/pid')).replaceAll(/\D/g, '') || unknown,
  pid: process.pid,
  start: startOf(process.pid) ?? unknown,
  own: randomUUID().slice(0, 13),
});

/** Whether the process of a claim is certainly gone. */
const isDead = (claim: Claim, me: Claim): boolean => {
  if (claim.host !== me.host) return false;
  if (claim.boot !== me.boot) return true;
  if (claim.namespace !== me.namespace) return false;
  if (!existsByNumber(claim.pid)) return true;
  const start = startOf(claim.pid);
  return start === null || (start !== unknown && claim.start !== unknown && start !== claim.start);
};

const claimsIn = (folder: string): string[] => {
  try {
    return readdirSync(folder).filter((name) => parse(name) !== null).toSorted();
  } catch (error) {
    throw refusal('listing', folder, error);
  }
};

/** Claims a folder that exists. @throws InvalidConfig naming the holder; StorageFailed where nothing can be written. */
export const lockFolder = (folder: string): FolderLock => {
  const me = ownClaim(), file = join(folder, nameOf(me));
  try {
    closeSync(openSync(file, 'wx', 0o644));
  } catch (error) {
    throw refusal('claiming the folder', folder, error);
  }
  const release = (): void => rmSync(file, { force: true });
  try {
    for (const name of claimsIn(folder)) {
      const other = parse(name);
      if (other === null || other.own === me.own) continue;
      if (isDead(other, me)) {
        rmSync(join(folder, name), { force: true });
        continue;
      }
      const here = other.host === me.host && other.namespace === me.namespace;
      const holder = here && other.pid === me.pid ? `this process (${me.pid})` : `process ${other.pid} on ${other.host}${here ? '' : ' (which cannot be looked up from here)'}`;
      throw new InvalidConfig({
        what: `${holder} writes here`,
        where: folder,
        hint: here ? 'wait for it to end, or choose another folder' : `if it has ended, remove ${name} there`,
      });
    }
  } catch (error) {
    release();
    throw error;
  }
  return { release };
};
