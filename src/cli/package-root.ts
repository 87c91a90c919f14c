/** Where the package lies: the nearest folder above this file whose package.json names waferstream. Not here: what is read from it. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CorruptFile } from '../index.js';

const isOurs = (folder: string): Promise<boolean> =>
  readFile(join(folder, 'package.json'), 'utf8').then(
    (text) => (JSON.parse(text) as { readonly name?: unknown }).name === 'waferstream',
    () => false,
  );

/** @throws CorruptFile if the package was taken apart. */
export const packageRoot = async (): Promise<string> => {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (await isOurs(folder)) return folder;
    if (folder === dirname(folder)) throw new CorruptFile({ what: 'package.json of waferstream is missing', where: start, hint: 'install the package again' });
  }
};
