/**
 * Which tokenizer: the one that was named, or the one that lies beside the weights or the config, or bytes.
 *
 * Not here: what a tokenizer does (formats/).
 */
import { copyFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { bytesTokenizer, InvalidConfig, readTokenizer, type Model, type Tokenizer } from '../../index.js';
import { flagOf, type Options } from '../options.js';

const fileName = 'tokenizer.json', settingsName = 'tokenizer_config.json';

export interface TokenizerChoice {
  readonly tokenizer: Tokenizer;
  /** Its tokenizer.json; null for bytes. */
  readonly file: string | null;
  /** Nothing named it: bytes, for want of another. */
  readonly isAssumed: boolean;
}

/** What a path is, or null where nothing stands. */
export const standsAt = (path: string): Promise<'file' | 'folder' | null> => stat(path).then((found) => (found.isDirectory() ? 'folder' : 'file'), () => null);

/** The folder that a path is, or that it lies in. */
export const folderOf = async (path: string): Promise<string> => ((await standsAt(path)) === 'folder' ? path : dirname(path));

/** Whether a folder holds a file of that name. */
export const holds = async (folder: string, name: string): Promise<boolean> => (await standsAt(join(folder, name))) === 'file';

/** @throws CorruptFile for a tokenizer that cannot be read */
export const chooseTokenizer = async (options: Options): Promise<TokenizerChoice> => {
  const { tokenizer: named, weights, config } = options;
  if (named === 'bytes') return { tokenizer: bytesTokenizer(), file: null, isAssumed: false };
  if (named !== undefined) return { tokenizer: await readTokenizer(named), file: (await standsAt(named)) === 'folder' ? join(named, fileName) : named, isAssumed: false };
  for (const path of [weights, config]) {
    if (path === undefined) continue;
    const folder = await folderOf(path);
    if (await holds(folder, fileName)) return { tokenizer: await readTokenizer(folder), file: join(folder, fileName), isAssumed: false };
  }
  return { tokenizer: bytesTokenizer(), file: null, isAssumed: true };
};

/** Bytes are not taken for the tokens of another vocabulary unless somebody says so. @throws InvalidConfig */
export const checkAssumed = ({ tokenizer, isAssumed }: TokenizerChoice, model: Model): void => {
  const [input] = model.layers;
  if (!isAssumed || input?.kind !== 'tokens' || input.vocabulary === tokenizer.vocabulary) return;
  throw new InvalidConfig({ what: `no tokenizer for the ${input.vocabulary} tokens of ${model.name}`, hint: `name one with ${flagOf('tokenizer')} (bytes, if that is meant)` });
};

/** Puts the tokenizer beside saved weights, so that their folder is all that is needed. */
export const copyTokenizer = async ({ file }: TokenizerChoice, folder: string): Promise<void> => {
  if (file === null) return;
  const copy = async (from: string, name: string): Promise<void> => {
    if (resolve(from) !== resolve(folder, name)) await copyFile(from, join(folder, name));
  };
  await copy(file, fileName);
  if (basename(file) === fileName && (await holds(dirname(file), settingsName))) await copy(join(dirname(file), settingsName), settingsName);
};
