/**
 * Folders of checkpoints: their names, which of them are complete, and how one goes.
 *
 *   runs/a/  step-00000100/  complete: a folder gets this name last
 *            step-00000120/
 *            .step-00000140.part/  being written, or what a killed process left
 *            .step-00000080.old/   being removed
 *
 * Whatever has its plain name is whole, whenever a process is killed. Not here: what lies in them (write.ts, read.ts).
 */
import { join } from 'node:path';
import type { FileSystem } from '../../storage/file-system.js';
import { realFileSystem } from '../../storage/real-file-system.js';
import { InvalidConfig } from '../../util/errors.js';

/** The file that is written last. */
export const stateName = 'state.json';

/** The files of tensors, and what the elements of each are. */
export const tensorFiles = { model: 'F32', optimizer: 'F32', masks: 'U8' } as const;
export type TensorFileName = keyof typeof tensorFiles;
export const tensorFileNames = Object.keys(tensorFiles) as readonly TensorFileName[];
export const fileNameOf = (file: TensorFileName): string => `${file}.safetensors`;

const digits = 8;
/** A checkpoint's name in its folder. */
export const stepName = (step: number): string => `step-${String(step).padStart(digits, '0')}`;
export const partName = (step: number): string => `.${stepName(step)}.part`;

/** The step of a name, null if it is no checkpoint's. */
export const stepOfName = (name: string): number | null => {
  const step = Number(/^step-(\d{8,16})$/.exec(name)?.[1]);
  return Number.isSafeInteger(step) && stepName(step) === name ? step : null;
};
/** The step of a folder that is being written, null if it is none. */
export const stepOfPart = (name: string): number | null => {
  const inner = /^\.(step-\d+)\.part$/.exec(name)?.[1];
  return inner === undefined ? null : stepOfName(inner);
};
const isLeftover = (name: string): boolean => /^\.step-\d{8,16}\.(part|old)$/.test(name);

export interface ListedCheckpoint {
  readonly step: number;
  readonly path: string;
}

/** Complete checkpoints in a folder, by step, ascending; none where there is no folder. @throws StorageFailed, CorruptFile for what is no folder */
export const listCheckpoints = (dir: string, fs: FileSystem = realFileSystem): readonly ListedCheckpoint[] => {
  if (fs.kind(dir) === null) return [];
  return fs.list(dir).flatMap((name): ListedCheckpoint[] => {
    const step = stepOfName(name), path = join(dir, name);
    return step !== null && fs.kind(join(path, stateName)) === 'file' ? [{ step, path }] : [];
  }).toSorted((a, b) => a.step - b.step);
};

/** The complete checkpoint of the highest step, null if there is none. @throws StorageFailed */
export const latestCheckpoint = (dir: string, fs: FileSystem = realFileSystem): ListedCheckpoint | null => listCheckpoints(dir, fs).at(-1) ?? null;

/** Removes a folder with all that lies in it; fine if it is not there. */
export const removeTree = (fs: FileSystem, folder: string): void => {
  if (fs.kind(folder) === null) return;
  for (const name of fs.list(folder)) {
    const path = join(folder, name);
    if (fs.kind(path) === 'folder') removeTree(fs, path);
    else fs.remove(path);
  }
  fs.removeFolder(folder);
};

/**
 * Removes what killed processes left of checkpoints that were being written or removed; gives the paths. For when nobody writes here. @throws StorageFailed
 */
export const removeLeftovers = (dir: string, fs: FileSystem = realFileSystem): readonly string[] => {
  if (fs.kind(dir) === null) return [];
  const left = fs.list(dir).filter(isLeftover).map((name) => join(dir, name));
  for (const path of left) removeTree(fs, path);
  return left;
};

/**
 * Removes the oldest checkpoints beyond the newest `keep`; gives their paths. A kill in between leaves no half one that counts as complete.
 * @throws InvalidConfig for `keep` below 1: the newest is never removed. StorageFailed
 */
export const pruneCheckpoints = (dir: string, keep: number, fs: FileSystem = realFileSystem): readonly string[] => {
  if (!Number.isSafeInteger(keep) || keep < 1) throw new InvalidConfig({ what: 'checkpoints to keep', where: dir, value: keep, limit: 'a whole number from 1' });
  const tooMany = listCheckpoints(dir, fs).slice(0, -keep);
  if (tooMany.length === 0) return [];
  const hidden = tooMany.map(({ step }) => join(dir, `.${stepName(step)}.old`));
  for (const [i, { path }] of tooMany.entries()) {
    const to = hidden[i] ?? '';
    removeTree(fs, to);
    fs.rename(path, to);
  }
  // The names must be gone for good before the contents go.
  fs.syncFolder(dir);
  for (const path of hidden) removeTree(fs, path);
  return tooMany.map(({ path }) => path);
};
