/** `waferstream inspect PATH`: what a file of weights, a checkpoint of a training, a folder of them or a store holds. Not here: the tables (formats/). */
import { join } from 'node:path';
import {
  describeCheckpoint, describeStore, inspectCheckpoint, inspectCheckpoints, inspectTraining, kindOfState, realFileSystem, textOfCheckpoints, textOfStore, textOfTraining,
} from '../index.js';
import type { Options } from './options.js';
import { print, printJson } from './progress.js';
import { sparsityShare } from './sparsity-table.js';

const weightFiles = ['model.safetensors', 'model.safetensors.index.json'];

const weights = async (isJson: boolean, file: string): Promise<void> => {
  const found = await inspectCheckpoint(file);
  if (!isJson) return print(describeCheckpoint(found));
  for (const row of found.rows) printJson({ type: 'tensor', ...row });
  for (const row of found.sparse) printJson({ type: 'sparse', ...row, sparsity: sparsityShare(row) });
  printJson({ type: 'summary', path: found.path, ...found.totals, masks: found.masks, metadata: found.metadata });
};

const training = (isJson: boolean, folder: string): void => {
  const found = inspectTraining(folder);
  if (!isJson) return print(textOfTraining(found));
  for (const row of found.rows) printJson({ type: 'parameter', ...row });
  for (const { tensors, ...file } of found.files) printJson({ type: 'file', ...file, tensors: tensors.length });
  const { model, ...state } = found.state;
  printJson({ type: 'summary', path: found.path, bytes: found.bytes, model: model.name, ...state });
};

const trainings = (isJson: boolean, folder: string): void => {
  const found = inspectCheckpoints(folder);
  if (!isJson) return print(textOfCheckpoints(found));
  for (const one of found) printJson({ type: 'checkpoint', ...one });
  printJson({ type: 'summary', path: folder, checkpoints: found.length });
};

const store = (isJson: boolean, folder: string): void => {
  const found = describeStore(realFileSystem, folder);
  if (!isJson) return print(textOfStore(found));
  const { shards, pieces, ...about } = found.manifest;
  shards.forEach(({ blocks, scratchBytes }, i) => printJson({ type: 'shard', path: found.paths[i], blocks: blocks.length, bytes: blocks.reduce((a, b) => a + b, 0), scratchBytes }));
  for (const { parts, ...piece } of pieces) printJson({ type: 'piece', ...piece, parts: parts.length });
  printJson({ type: 'summary', path: folder, steps: found.steps, ...about });
};

export const inspect = async (options: Options, path: string): Promise<number> => {
  const isJson = options.json === true;
  switch (kindOfState(path)) {
    case 'store':
      store(isJson, path);
      break;
    case 'checkpoint':
      training(isJson, path);
      break;
    case 'checkpoints':
      trainings(isJson, path);
      // What a run saved at its end may lie beside its checkpoints.
      if (weightFiles.some((name) => realFileSystem.kind(join(path, name)) !== null)) await weights(isJson, path);
      break;
    case null:
      await weights(isJson, path);
  }
  return 0;
};
