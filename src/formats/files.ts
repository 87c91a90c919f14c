/**
 * Reading a file whole, with every way to fail as one clear typed error. Not here: what the bytes mean (text.ts, idx.ts).
 */
import { readFile, stat } from 'node:fs/promises';
import { CorruptFile, InvalidConfig } from '../util/errors.js';
import { GiB } from '../util/units.js';

/** Most bytes that one input may have, packed or unpacked. */
export const inputBytesMax = GiB;

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error));
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is no folder',
  EACCES: 'reading is not permitted',
  EPERM: 'reading is not permitted',
  ELOOP: 'too many links',
  EISDIR: 'a folder where a file was expected',
  ENAMETOOLONG: 'the name is too long',
};

/** What the file system refused, as a CorruptFile that names the path. */
export const refused = (path: string, error: unknown): CorruptFile => {
  const code = codeOf(error);
  return new CorruptFile({ what: reasons[code] ?? `cannot be read: ${code}`, where: path, hint: 'check the path' }, { cause: error });
};

/** What stands at a path, links followed. @throws CorruptFile if nothing does. */
export const kindOf = async (path: string): Promise<'file' | 'folder'> => {
  const found = await stat(path).catch((error: unknown) => {
    throw refused(path, error);
  });
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'folder';
  throw new InvalidConfig({ what: 'neither a file nor a folder', where: path, hint: 'give a regular file or a folder' });
};

/** All bytes of a regular file. @throws CorruptFile, InvalidConfig above `inputBytesMax`. */
export const readWhole = async (path: string): Promise<Uint8Array> => {
  if ((await kindOf(path)) === 'folder') throw new CorruptFile({ what: 'a folder where a file was expected', where: path });
  const { size } = await stat(path);
  if (size > inputBytesMax) throw new InvalidConfig({ what: 'the file is too large', where: path, value: size, limit: inputBytesMax, hint: 'give a smaller file' });
  return readFile(path).catch((error: unknown) => {
    throw refused(path, error);
  });
};
