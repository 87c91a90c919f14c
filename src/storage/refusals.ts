/**
 * What the host's file system refuses, as one typed error each: operation, file, code, and what would help. Not here: damage that checksums find.
 */
import { CorruptFile, InvalidConfig, StorageFailed, type WaferstreamError } from '../util/errors.js';

const refusals: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  ENOSPC: ['no space is left on the disk', 'free space, or choose a folder on another disk'],
  EDQUOT: ["the user's share of the disk is used up", 'free space, or choose a folder on another disk'],
  EFBIG: ['the file may not grow that large', 'raise the limit on the size of files (ulimit -f), or choose another file system'],
  EROFS: ['the disk is read-only', 'mount it writable, or choose another folder'],
  EACCES: ['not permitted', 'change the permissions, or choose another folder'],
  EPERM: ['not permitted', 'change the permissions, or choose another folder'],
  EIO: ['the disk failed', "look at the host's log and replace the disk"],
  EMFILE: ['too many files are open', 'raise the limit on open files (ulimit -n)'],
  ENFILE: ['too many files are open', 'raise the limit on open files of the host'],
  ENAMETOOLONG: ['the name is too long', 'choose a shorter path'],
  ENOTEMPTY: ['the folder is not empty', 'choose another folder'],
  ESTALE: ['the file is gone from its server', 'choose a folder on a disk of this host'],
};
const missing: Readonly<Record<string, string>> = { ENOENT: 'no such file or folder', ENOTDIR: 'a part of the path is no folder', EISDIR: 'a folder where a file was expected' };

export const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error));

/** `operation` is a gerund, with its size if it has one: "writing 4096 bytes at 8192". */
export const refusal = (operation: string, path: string, error: unknown): WaferstreamError => {
  const code = codeOf(error);
  const gone = missing[code];
  if (gone !== undefined) return new CorruptFile({ what: `${operation}: ${gone}`, where: path, hint: 'check the path' }, { cause: error });
  if (code === 'EEXIST') return new InvalidConfig({ what: `${operation}: it exists already`, where: path, hint: 'open it, or choose another place' }, { cause: error });
  const [reason, hint] = refusals[code] ?? ['the disk refused it', "look at the host's log"];
  return new StorageFailed({ what: `${operation}: ${reason}`, where: path, value: code, hint }, { cause: error });
};
