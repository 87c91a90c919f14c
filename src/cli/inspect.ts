/** `waferstream inspect PATH`: what a file of weights, a checkpoint of a training, a folder of them or a store holds. Not here: the tables (formats/). */
import { join } from 'node:path';
import {
  describeCheckpoint, describeStore, inspectCheckpoint, inspectCheckpoints, inspectTraining, kindOfState, realFileSystem, textOfCheckpoints, textOfStore, textOfTraining, type CheckpointInspection,
} from '../index.js';
import { inspectJson } from './json/files.js';
import { sayJson } from './json/say.js';
import type { Options } from './options.js';
import { print } from './progress.js';
import { sparsityShare } from './sparsity-table.js';

const weightFiles = ['model.safetensors', 'model.safetensors.index.json'];

const weightsBody = ({ path, rows, sparse, masks, totals, metadata }: CheckpointInspection) =>
  ({ path, tensors: rows, sparse: sparse.map((row) => ({ ...row, sparsity: sparsityShare(row) })), masks, totals, metadata });

const weights = async (isJson: boolean, file: string): Promise<void> => {
  const found = await inspectCheckpoint(file);
  if (isJson) sayJson(inspectJson, { kind: 'weights', ...weightsBody(found) });
  else print(describeCheckpoint(found));
};

const training = (isJson: boolean, folder: string): void => {
  const found = inspectTraining(folder);
  if (!isJson) return print(textOfTraining(found));
  const { model, ...state } = found.state, files = found.files.map(({ tensors, ...file }) => ({ ...file, tensors: tensors.length }));
  sayJson(inspectJson, { kind: 'checkpoint', path: found.path, bytes: found.bytes, model: model.name, ...state, parameters: found.rows, files });
};

/** What a run saved at its end may lie beside its checkpoints. */
const trainings = async (isJson: boolean, folder: string): Promise<void> => {
  const found = inspectCheckpoints(folder), beside = weightFiles.some((name) => realFileSystem.kind(join(folder, name)) !== null) ? await inspectCheckpoint(folder) : null;
  if (isJson) return sayJson(inspectJson, { kind: 'checkpoints', path: folder, checkpoints: found, weights: beside === null ? null : weightsBody(beside) });
  print(textOfCheckpoints(found));
  if (beside !== null) print(describeCheckpoint(beside));
};

const store = (isJson: boolean, folder: string): void => {
  const found = describeStore(realFileSystem, folder);
  if (!isJson) return print(textOfStore(found));
  const { shards, pieces, ...about } = found.manifest;
  sayJson(inspectJson, {
    kind: 'store', path: folder, steps: found.steps, ...about,
    shards: shards.map(({ blocks, scratchBytes }, i) => ({ path: found.paths[i] ?? '', blocks: blocks.length, bytes: blocks.reduce((a, b) => a + b, 0), scratchBytes })),
    pieces: pieces.map(({ parts, ...piece }) => ({ ...piece, parts: parts.length })),
  });
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
      await trainings(isJson, path);
      break;
    case null:
      await weights(isJson, path);
  }
  return 0;
};
