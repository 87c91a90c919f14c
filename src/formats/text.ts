/**
 * Text for byte models: a file, or all text files of a folder, as one array of bytes.
 *
 *   readText('notes.txt')      the file as it is
 *   readText('src')            its text files, one after the other, in an order that every machine agrees on
 *
 * In a folder, entries are taken in ascending order of their names' code units, folders where they stand. Skipped are: names that begin with a
 * dot, node_modules and dist, links, files with a NUL byte (binary), empty files, and files above `folderFileBytesMax` (lock files, data). A path
 * that is named itself is never skipped. A newline is put between two files.
 * Not here: which bytes make a sample (model/data.ts).
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidConfig } from '../util/errors.js';
import { MiB } from '../util/units.js';
import { inputBytesMax, kindOf, readWhole, refused } from './files.js';

/** A larger file inside a folder is taken for data, not text. */
export const folderFileBytesMax = MiB;

const skippedFolders = new Set(['node_modules', 'dist']);
const newline = 10;

export interface Text {
  readonly bytes: Uint8Array;
  /** Files that it was made of. */
  readonly files: number;
}

/** A file of a text, as it was found. */
export interface TextFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

async function* textFiles(folder: string): AsyncGenerator<TextFile> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw refused(folder, error);
  });
  // The default order of sort: by code units, the same in every locale.
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  for (const name of [...byName.keys()].toSorted()) {
    const entry = byName.get(name);
    const path = join(folder, name);
    if (name.startsWith('.')) continue;
    if (entry?.isDirectory() === true && !skippedFolders.has(name)) yield* textFiles(path);
    if (entry?.isFile() !== true || (await stat(path)).size > folderFileBytesMax) continue;
    const bytes = await readWhole(path);
    if (bytes.length > 0 && !bytes.includes(0)) yield { path, bytes };
  }
}

/** The files of text at the paths, one by one. @throws CorruptFile, InvalidConfig as `readText` */
export async function* textsAt(paths: readonly string[]): AsyncGenerator<TextFile> {
  for (const path of paths) {
    if ((await kindOf(path)) === 'folder') yield* textFiles(path);
    else yield { path, bytes: await readWhole(path) };
  }
}

/**
 * The bytes of a file, of a folder's text files, or of several of these in the order given.
 *
 * @throws CorruptFile for a path that is missing or cannot be read, InvalidConfig if there is no text or too much of it.
 */
export const readText = async (path: string | readonly string[]): Promise<Text> => {
  const paths = typeof path === 'string' ? [path] : path;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const { bytes: part } of textsAt(paths)) {
    size += part.length + (parts.length === 0 ? 0 : 1);
    if (size > inputBytesMax) throw new InvalidConfig({ what: 'too much text', where: paths.join(', '), value: size, limit: inputBytesMax, hint: 'name fewer files' });
    parts.push(part);
  }
  if (size === 0) throw new InvalidConfig({ what: 'no text found', where: paths.join(', '), value: parts.length, limit: 'at least one byte of text', hint: 'name a text file, or a folder with some' });
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    if (i > 0) bytes[at++] = newline;
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, files: parts.length };
};

/**
 * Entropy of the distribution of single bytes: the loss of the best model that knows how often each byte comes and nothing of what came
 * before. For display only; no training reads it.
 */
export const bytesEntropy = (bytes: Uint8Array): { readonly bits: number; readonly nats: number } => {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  const bits = counts.reduce((sum, count) => (count === 0 ? sum : sum - (count / bytes.length) * Math.log2(count / bytes.length)), 0);
  return { bits, nats: bits * Math.LN2 };
};
