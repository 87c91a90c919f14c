/**
 * `waferstream check PATH`: every byte of a checkpoint, a folder of them or a store against its checksum.
 *
 *   one line a file or shard ─▶ one line for each damage ─▶ exit code 1 and a line on stderr if there was any
 *
 * A store's older step may be half overwritten by the next: that is said and is no damage. Not here: the checks (formats/checkpoint/, storage/look.ts).
 */
import { basename, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  CorruptFile, InvalidConfig, WaferstreamError, describeStore, kindOfState, listCheckpoints, readCheckpointState, realFileSystem, shardsOfStore, verifyByTensor, verifyShard,
  type CheckpointDamage, type Damage, type ListedFile,
} from '../index.js';
import { checkJson } from './json/files.js';
import { sayJson } from './json/say.js';
import type { Options } from './options.js';
import { print } from './progress.js';

/** Says what was found, for people or for programs. */
interface Teller {
  readonly line: (type: 'file' | 'shard', path: string, damaged: number) => void;
  readonly damage: (of: CheckpointDamage | Damage) => void;
  readonly note: (text: string, of: { readonly shard: string; readonly blocks: number }) => void;
}
const teller = (isJson: boolean): Teller => ({
  line: (type, path, damaged) => (isJson ? sayJson(checkJson, { type, path, damage: damaged }) : print(`${damaged === 0 ? 'ok     ' : 'DAMAGED'}  ${path}`)),
  damage: (of) => (isJson ? sayJson(checkJson, { type: 'damage', ...of }) : print(`         ${of.what}`)),
  note: (text, of) => (isJson ? sayJson(checkJson, { type: 'note', ...of, what: text }) : print(`         ${text}`)),
});

/** Of all that was looked at. */
interface Found {
  readonly looked: number;
  readonly damaged: number;
}
const together = (all: readonly Found[]): Found => all.reduce((a, b) => ({ looked: a.looked + b.looked, damaged: a.damaged + b.damaged }), { looked: 0, damaged: 0 });

/** What state.json lists; nothing where it is damaged, which is found anyway. */
const listedIn = (folder: string): readonly ListedFile[] => {
  try {
    return readCheckpointState(folder).files;
  } catch (error) {
    if (error instanceof WaferstreamError) return [];
    throw error;
  }
};

const checkCheckpoint = async (folder: string, { line, damage }: Teller, signal: AbortSignal): Promise<Found> => {
  const files = ['state.json', ...listedIn(folder).map(({ name }) => name)].map((name) => join(folder, name)), found: CheckpointDamage[] = [];
  for (const some of verifyByTensor(folder)) {
    found.push(...some);
    await nextTurn();
    signal.throwIfAborted();
  }
  for (const file of files) {
    const here = found.filter((one) => one.file === file);
    line('file', file, here.length);
    for (const one of here) damage(one);
  }
  return { looked: files.length, damaged: new Set(found.map(({ file }) => file)).size };
};

const checkCheckpoints = async (dir: string, tell: Teller, signal: AbortSignal): Promise<Found> => {
  const all: Found[] = [];
  for (const { path } of listCheckpoints(dir)) all.push(await checkCheckpoint(path, tell, signal));
  return together(all);
};

const shardDamage = (path: string): readonly Damage[] => {
  try {
    return verifyShard(realFileSystem, path);
  } catch (error) {
    if (!(error instanceof WaferstreamError)) throw error;
    return [{ shard: path, step: null, block: null, what: error.message }];
  }
};

/** The newest step that all shards have; null where some shard cannot be opened. */
const newestOf = (folder: string): { readonly newest: number | null; readonly refusal: WaferstreamError | null } => {
  try {
    return { newest: describeStore(realFileSystem, folder).steps[0] ?? null, refusal: null };
  } catch (error) {
    if (!(error instanceof WaferstreamError)) throw error;
    return { newest: null, refusal: error };
  }
};

const checkStore = async (folder: string, { line, damage, note }: Teller, signal: AbortSignal): Promise<Found> => {
  const paths = shardsOfStore(realFileSystem, folder), { newest, refusal } = newestOf(folder);
  let damaged = 0;
  for (const path of paths) {
    const all = shardDamage(path), counts = all.filter(({ step }) => newest === null || step === null || step === newest);
    damaged += counts.length > 0 ? 1 : 0;
    line('shard', path, counts.length);
    for (const one of counts) damage(one);
    const old = all.length - counts.length;
    if (old > 0) note(`${old} blocks of a step beside the newest are overwritten: no loss`, { shard: path, blocks: old });
    await nextTurn();
    signal.throwIfAborted();
  }
  // Each by itself is whole, and together they are no store.
  if (refusal !== null && damaged === 0) throw refusal;
  return { looked: paths.length, damaged };
};

/** @throws CorruptFile if anything is damaged, InvalidConfig for a path at which there is nothing that has checksums */
export const check = async (options: Options, signal: AbortSignal, path: string): Promise<number> => {
  const isJson = options.json === true, tell = teller(isJson), kind = kindOfState(path);
  if (kind === null) {
    if (realFileSystem.kind(path) === null) throw new CorruptFile({ what: 'no such file or folder', where: path, hint: 'check the path' });
    throw new InvalidConfig({ what: 'neither a checkpoint of a training, nor a folder of them, nor a store', where: path, hint: 'files of weights alone have no checksums; see waferstream inspect' });
  }
  const run = { store: checkStore, checkpoint: checkCheckpoint, checkpoints: checkCheckpoints }[kind];
  const { looked, damaged } = await run(path, tell, signal), what = kind === 'store' ? 'shards' : 'files';
  if (isJson) sayJson(checkJson, { type: 'summary', path, kind, ...(kind === 'store' ? { shards: looked } : { files: looked }), damaged });
  else if (damaged === 0) print(`${basename(path)}: ${looked} ${what}, no damage`);
  if (damaged > 0) throw new CorruptFile({ what: `${damaged} of ${looked} ${what} are damaged`, where: path, hint: kind === 'store' ? 'go back to a checkpoint or to a copy' : 'go back to an older checkpoint, or to a copy' });
  return 0;
};
