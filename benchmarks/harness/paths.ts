/** Where the benchmarks' files lie, found from the built file upwards, so that any output folder works. Not here: what is in them. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const isRoot = (folder: string): boolean => {
  const file = join(folder, 'package.json');
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { readonly name?: string }).name === 'waferstream';
};

const findRoot = (from: string): string => {
  for (let folder = from; ; folder = dirname(folder)) {
    if (isRoot(folder)) return folder;
    if (dirname(folder) === folder) throw new Error('the package of the benchmarks is not above their built files');
  }
};

export const root = findRoot(dirname(fileURLToPath(import.meta.url)));
export const peersFolder = join(root, 'benchmarks', 'peers');
export const resultsFolder = join(root, 'benchmarks', 'results');
