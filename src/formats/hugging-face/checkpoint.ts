/**
 * Weights of a model, from and to safetensors files with Hugging Face's names and layouts.
 *
 *   readCheckpoint   file, index or folder ──▶ names and shapes checked against the model ──▶ parameters in graph order, f32
 *   writeCheckpoint  parameters ──▶ tensors one by one, turned where the file has them turned ──▶ files, and config.json beside them
 *
 * Beside the parameters themselves at most one tensor and a few MiB are in memory. Not here: which tensor is which parameter (mapping.ts), bytes (safetensors/).
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model } from '../../model/graph.js';
import type { NamedTensor } from '../../tensor/named.js';
import { CorruptFile, InvalidConfig } from '../../util/errors.js';
import type { JsonObject } from '../json.js';
import type { WeightDtype } from '../safetensors/dtypes.js';
import { openSafetensors, type SafetensorsFile } from '../safetensors/open.js';
import { writeSafetensors, type TensorToWrite, type WrittenCheckpoint } from '../safetensors/write.js';
import { configName, configOfModel } from './config.js';
import { withoutEffect } from './fields.js';
import { mappingOf, plainMapping, type Mapping, type StoredPart } from './mapping.js';

/** Values of one piece of a tensor on its way. */
const pieceLength = 1 << 20;
/** `format` in the metadata of a file with the project's own names. */
const ownFormat = 'waferstream';

const words = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);
const quoted = (name: string): string => JSON.stringify(name);

/** A matrix inside wider rows: its first value, and values from row to row. */
interface View {
  readonly bits: Uint32Array;
  readonly first: number;
  readonly width: number;
}

/** to [b][a] ← from [a][b], in squares that stay in the cache. */
const turn = (from: View, to: View, rows: number, columns: number): void => {
  const side = 16;
  for (let a0 = 0; a0 < rows; a0 += side) {
    const aEnd = Math.min(a0 + side, rows);
    for (let b0 = 0; b0 < columns; b0 += side) {
      const bEnd = Math.min(b0 + side, columns);
      for (let b = b0; b < bEnd; b++) {
        for (let a = a0; a < aEnd; a++) to.bits[to.first + b * to.width + a] = from.bits[from.first + a * from.width + b] as number;
      }
    }
  }
};

/** Calls `visit` for strips of whole rows [first, first + count) of `columns` values. */
const strips = async (rows: number, columns: number, visit: (first: number, count: number) => Promise<void>): Promise<void> => {
  const most = Math.max(1, Math.floor(pieceLength / columns));
  for (let first = 0; first < rows; first += most) await visit(first, Math.min(most, rows - first));
};

/** The name that a part has in this file: files of the stack alone leave the prefix out. */
const namesIn = (file: SafetensorsFile, { prefix }: Mapping): ((name: string) => string) => {
  const hasPrefix = [...file.tensors.keys()].some((name) => name.startsWith(prefix));
  return (name) => (!hasPrefix && name.startsWith(prefix) ? name.slice(prefix.length) : name);
};

const checkShape = (file: SafetensorsFile, name: string, shape: readonly number[], mayBeLonger: boolean): void => {
  const found = file.tensors.get(name);
  if (found === undefined) throw new CorruptFile({ what: `tensor ${quoted(name)} is missing`, where: file.path, value: null, limit: shape, hint: 'is it a checkpoint of this model?' });
  const fits = found.shape.length === shape.length && found.shape.every((size, i) => size === shape[i] || (mayBeLonger && i === 0 && size > (shape[i] ?? 0)));
  if (!fits) throw new CorruptFile({ what: `tensor ${quoted(name)} has another shape than the model's`, where: file.path, value: found.shape, limit: shape, hint: 'is it a checkpoint of this model?' });
};

/** Every tensor of the file is a part, a repeated table, or known to be none; every part is there with its shape. */
const checkTensors = (file: SafetensorsFile, mapping: Mapping, nameOf: (name: string) => string): void => {
  const wanted = new Set(mapping.parts.map(({ name }) => nameOf(name)));
  for (const { name, shape, mayBeLonger } of mapping.parts) checkShape(file, nameOf(name), shape, mayBeLonger);
  for (const [name, { shape }] of file.tensors) {
    if (wanted.has(name) || mapping.noWeights?.test(name) === true) continue;
    if (name !== mapping.tied?.name) throw new CorruptFile({ what: `tensor ${quoted(name)} is none of the model's`, where: file.path, value: shape, limit: `the ${wanted.size} tensors of ${mapping.kind === 'plain' ? 'the model' : `a ${mapping.kind} model`}`, hint: 'is it a checkpoint of this model?' });
    checkShape(file, name, mapping.tied.table.shape, false);
  }
};

/** data ← the part, from its place in the file. */
const readPartInto = async (file: SafetensorsFile, name: string, part: StoredPart, data: Float32Array): Promise<void> => {
  if (part.firstColumn === null) return file.readPart(name, 0, data);
  const { firstColumn } = part, [rows = 0, columns = 0] = part.shape, [, width = 0] = part.parameter.shape;
  const piece = new Float32Array(Math.min(rows, Math.max(1, Math.floor(pieceLength / columns))) * columns);
  const from = words(piece), to = words(data);
  await strips(rows, columns, async (first, count) => {
    await file.readPart(name, first * columns, piece.subarray(0, count * columns));
    turn({ bits: from, first: 0, width: columns }, { bits: to, first: firstColumn + first, width }, count, columns);
  });
};

/** A repeated table must be the table. @throws CorruptFile at the first bit that differs */
const checkTied = async (file: SafetensorsFile, name: string, table: NamedTensor): Promise<void> => {
  const [rows = 0, columns = 0] = table.shape;
  await strips(rows, columns, async (first, count) => {
    const piece = new Float32Array(count * columns);
    await file.readPart(name, first * columns, piece);
    const expected = words(table.data.subarray(first * columns, (first + count) * columns));
    const differs = words(piece).findIndex((bits, i) => bits !== expected[i]);
    if (differs >= 0) {
      const index = first * columns + differs;
      throw new CorruptFile({ what: `tensor ${quoted(name)} is tied to ${table.name} and differs from it at ${index}`, where: file.path, value: piece[differs], limit: table.data[index], hint: 'set tie_word_embeddings to false' });
    }
  });
};

/**
 * The parameters of a model from a checkpoint, in graph order under the project's names: a `.safetensors` file, the index of several, or their folder.
 *
 * Models of gpt() and llama() are read with Hugging Face's names, with or without `transformer.` or `model.` before them; buffers of attention are passed over; a tied
 * output layer may be left out, and must be the embedding's table to the bit where it is not. A table of positions longer than the model's context gives its first rows.
 * Other models, and files that writeCheckpoint wrote for them, have the project's names.
 *
 * @throws CorruptFile naming the tensor that is missing, left over or of another shape, with the expected shape; whatever openSafetensors throws.
 */
export const readCheckpoint = async (model: Model, path: string): Promise<NamedTensor[]> => {
  await using file = await openSafetensors(path);
  const mapping = file.metadata.get('format') === ownFormat ? plainMapping(model) : mappingOf(model);
  const nameOf = namesIn(file, mapping);
  checkTensors(file, mapping, nameOf);
  const weights = model.parameters.map(({ name, shape, size }): NamedTensor => ({ name, shape, data: new Float32Array(size) }));
  for (const part of mapping.parts) await readPartInto(file, nameOf(part.name), part, (weights[part.parameter.index] as NamedTensor).data);
  const table = mapping.tied === null ? undefined : weights[mapping.tied.table.index];
  if (mapping.tied !== null && table !== undefined && file.tensors.has(mapping.tied.name)) await checkTied(file, mapping.tied.name, table);
  return weights;
};

export interface CheckpointOptions {
  /** F32 unless given; F16 and BF16 round to nearest even. */
  readonly dtype?: WeightDtype;
  /** Whether config.json is written beside the weights: true for a folder and a model of a family unless given. An object adds fields to it, such as `eos_token_id`. */
  readonly config?: boolean | JsonObject;
  /** Most bytes of data a file; 5 GB unless given. */
  readonly shardBytesMax?: number;
}

const torchNames: Readonly<Record<WeightDtype, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** The part as the file holds it. */
const partOf = (part: StoredPart, data: Float32Array): Float32Array => {
  if (part.firstColumn === null) return data;
  const { firstColumn } = part, [rows = 0, columns = 0] = part.shape, [, width = 0] = part.parameter.shape;
  const out = new Float32Array(rows * columns);
  turn({ bits: words(data), first: firstColumn, width }, { bits: words(out), first: 0, width: columns }, columns, rows);
  return out;
};

const checkWeights = (model: Model, weights: readonly NamedTensor[]): void => {
  if (weights.length !== model.parameters.length) throw new InvalidConfig({ what: 'weights of a checkpoint', where: model.name, value: weights.length, limit: model.parameters.length });
  for (const { index, name, size } of model.parameters) {
    const given = weights[index];
    if (given?.name !== name || given.data.length !== size) throw new InvalidConfig({ what: `weight ${index} of a checkpoint`, where: model.name, value: `${given?.name ?? ''} of ${given?.data.length ?? 0}`, limit: `${name} of ${size} values` });
  }
};

/** config.json of the model with the fields that were given beside it. */
const configWith = (model: Model, given: true | JsonObject, dtype: WeightDtype): JsonObject => {
  const more = given === true ? {} : given;
  const refused = Object.keys(more).find((name) => name === 'model_type' || !withoutEffect.includes(name));
  if (refused !== undefined) throw new InvalidConfig({ what: `field ${refused} of a config.json`, where: model.name, value: more[refused], limit: 'fields that have no effect on what is computed; the others follow from the model' });
  return { ...configOfModel(model), torch_dtype: torchNames[dtype], ...more };
};

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

/** One whole file and the index of several side by side could not be told apart by who opens the folder. */
const refuseOtherForm = async (file: string, sharded: boolean): Promise<void> => {
  const other = sharded ? file : file.replace(/\.safetensors$/, '.safetensors.index.json');
  if (await exists(other)) throw new InvalidConfig({ what: `a checkpoint in ${sharded ? 'one file' : 'several files'} is there already`, where: other, hint: 'remove it, or write to another folder' });
};

/**
 * Writes `model.safetensors` (several files with their index above `shardBytesMax`) and config.json into a folder, which is made if it is missing; or one `.safetensors` file.
 *
 * @param weights - In graph order, as `run.finished` gives them. Nothing of them is changed.
 * @throws InvalidConfig for weights that are not the model's, and for a place that cannot be written; NotEmulated for `config` of a graph of no family.
 */
export const writeCheckpoint = async (model: Model, weights: readonly NamedTensor[], path: string, options: CheckpointOptions = {}): Promise<WrittenCheckpoint & { readonly config: string | null }> => {
  checkWeights(model, weights);
  const { dtype = 'F32', shardBytesMax = 5e9 } = options;
  const isFile = path.endsWith('.safetensors'), mapping = mappingOf(model);
  const withConfig = options.config ?? (!isFile && mapping.kind !== 'plain');
  if (withConfig !== false && isFile) throw new InvalidConfig({ what: 'config.json beside a single file', where: path, limit: 'a folder', hint: 'give a folder, or config: false' });
  const config = withConfig === false ? null : configWith(model, withConfig, dtype);
  if (!isFile) {
    await mkdir(path, { recursive: true }).catch((cause: unknown) => {
      throw new InvalidConfig({ what: 'the folder cannot be made', where: path, value: String(cause), hint: 'check the path' }, { cause });
    });
  }
  const file = isFile ? path : join(path, 'model.safetensors');
  const tensors = mapping.parts.map((part): TensorToWrite => ({ name: part.name, shape: part.shape, data: () => partOf(part, (weights[part.parameter.index] as NamedTensor).data) }));
  const bytes = model.parameterCount * (dtype === 'F32' ? 4 : 2);
  await refuseOtherForm(file, bytes > shardBytesMax && tensors.length > 1);
  const written = await writeSafetensors(file, tensors, { dtype, shardBytesMax, metadata: { format: mapping.kind === 'plain' ? ownFormat : 'pt' } });
  if (config === null) return { ...written, config: null };
  const configPath = join(path, configName);
  await writeFile(configPath, `${JSON.stringify(config, null, 2)}\n`).catch((cause: unknown) => {
    throw new InvalidConfig({ what: 'cannot be written', where: configPath, value: String(cause), hint: 'check folder, permission and space' }, { cause });
  });
  return { ...written, config: configPath };
};
