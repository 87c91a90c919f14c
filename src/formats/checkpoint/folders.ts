/**
 * Folders of checkpoints: one for each step, complete or not there.
 *
 *   <dir>/.step-00000120.part ─all written, synced─▶ <dir>/step-00000120 { model.safetensors, optimizer.safetensors, masks.safetensors, state.json }
 *
 * Not here: what is in one (write.ts, read.ts).
 */
import { join } from 'node:path';
import type { FileSystem } from '../../storage/file-system.js';
import { realFileSystem } from '../../storage/real-file-system.js';

export const stateName = 'state.json';
/** Files of tensors: weights by name, moments as `<parameter>.<moment>`, masks as bytes of 0 and 1. */
export const checkpointFiles = { model: 'model.safetensors', optimizer: 'optimizer.safetensors', masks: 'masks.safetensors' } as const;
export type CheckpointFile = keyof typeof checkpointFiles;

const digits = 8;
const stepName = (step: number): string => `step-${String(step).padStart(digits, '0')}`;

export const checkpointFolder = (dir: string, step: number): string => join(dir, stepName(step));
export const partFolder = (dir: string, step: number): string => join(dir, `.${stepName(step)}.part`);

export interface ListedCheckpoint {
  readonly step: number;
  readonly path: string;
}

/** Whether a folder is a complete checkpoint. */
export const isCheckpoint = (path: string, fs: FileSystem = realFileSystem): boolean => fs.kind(join(path, stateName)) === 'file';

/** Complete checkpoints in a folder, by step. */
export const listCheckpoints = (dir: string, fs: FileSystem = realFileSystem): ListedCheckpoint[] => {
  if (fs.kind(dir) !== 'folder') return [];
  return fs.list(dir).flatMap((name) => {
    const step = /^step-(\d{8,})$/.exec(name)?.[1], path = join(dir, name);
    return step !== undefined && isCheckpoint(path, fs) ? [{ step: Number(step), path }] : [];
  }).toSorted((a, b) => a.step - b.step);
};

/** Removes a folder of files, under a name that is none of a checkpoint's first. */
export const removeFolder = (path: string, fs: FileSystem): void => {
  for (const name of fs.list(path)) fs.remove(join(path, name));
  fs.removeFolder(path);
};

/** Keeps the newest `keep` checkpoints, and removes what interrupted runs left. */
export const pruneCheckpoints = (dir: string, keep: number, fs: FileSystem = realFileSystem): void => {
  const all = listCheckpoints(dir, fs);
  for (const { path, step } of all.slice(0, Math.max(0, all.length - Math.max(1, keep)))) {
    const leaving = join(dir, `.${stepName(step)}.old`);
    fs.rename(path, leaving);
  }
  for (const name of fs.list(dir)) if (/^\.step-\d{8,}\.old$/.test(name)) removeFolder(join(dir, name), fs);
};
