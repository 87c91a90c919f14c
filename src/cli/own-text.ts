/** The project's own text, for runs that are given none: src, docs, and the documents beside them. Not here: reading it (formats/text.ts). */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from './package-root.js';

export const ownText = async (): Promise<readonly string[]> => {
  const root = await packageRoot();
  const names = (await readdir(root)).filter((name) => name === 'src' || name === 'docs' || name.endsWith('.md'));
  return names.toSorted().map((name) => join(root, name));
};
