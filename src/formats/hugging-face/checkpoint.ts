/**
 * Weights of a model, from and to safetensors files with Hugging Face's names and layouts.
 *
 *   readCheckpoint   file, index or folder ──▶ names and shapes checked against the model ──▶ parameters in graph order, f32, and masks of the sparse ones
 *   writeCheckpoint  parameters ──▶ tensors one by one, turned where the file has them turned ──▶ files, and config.json beside them
 *
 * Beside the parameters and masks themselves at most one tensor and a few MiB are in memory. Not here: which tensor is which parameter (mapping.ts), bytes (safetensors/), forms of
 * sparse weights (sparse/).
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model } from '../../model/graph.js';
import type { NamedMask } from '../../model/sparsity.js';
import type { NamedTensor } from '../../tensor/named.js';
import { CorruptFile, InvalidConfig } from '../../util/errors.js';
import type { JsonObject } from '../json.js';
import type { WeightDtype } from '../safetensors/dtypes.js';
import { bytesOfTensor } from '../safetensors/layout.js';
import { openSafetensors, type SafetensorsFile } from '../safetensors/open.js';
import { stageSafetensors, type IntegersToWrite, type StagedCheckpoint, type TensorToWrite, type WrittenCheckpoint } from '../safetensors/write.js';
import { compactEntries, compactMetadata, compactTensors, isCompact, readCompact, tensorNamesOf } from '../sparse/compact.js';
import { isMaskFileName, maskFileOf, masksKey, readMasksOf, removeMasks, stageMasks } from '../sparse/mask-file.js';
import { checkMasks, checkShapes, firstAbsentWeight, unpackMask } from '../sparse/masks.js';
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

/** Every tensor of the file is a part, one of `others`, a repeated table, or known to be none; every part is there with its shape. */
const checkTensors = (file: SafetensorsFile, mapping: Mapping, nameOf: (name: string) => string, others: readonly string[]): void => {
  const wanted = new Set([...mapping.parts.map(({ name }) => nameOf(name)), ...others]);
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

/** Masks of the dense layout, and weights held to them: a zero of either sign where nothing is stored becomes +0. @throws CorruptFile */
const maskDense = async (model: Model, file: SafetensorsFile, weights: readonly NamedTensor[]): Promise<NamedMask[]> => {
  const packed = await readMasksOf(file.path, file.metadata.get(masksKey));
  checkShapes(model, packed, maskFileOf(file.path));
  const masks = packed.map(unpackMask);
  for (const { name, mask } of masks) {
    const data = weights.find((tensor) => tensor.name === name)?.data ?? new Float32Array(mask.length), at = firstAbsentWeight(mask, data);
    if (at >= 0) throw new CorruptFile({ what: `tensor ${quoted(name)}: not 0 at ${at}, where the mask of ${maskFileOf(file.path)} stores nothing`, where: file.path, value: data[at], limit: 0, hint: 'save or fetch both again' });
    const bits = words(data);
    for (let i = 0; i < mask.length; i++) if (mask[i] === 0) bits[i] = 0;
  }
  return masks;
};

/** The mapping of the dense parameters of a file, and the sparse ones of a compact one. */
const contentsOf = (model: Model, file: SafetensorsFile): { readonly mapping: Mapping; readonly entries: ReturnType<typeof compactEntries> } => {
  const format = file.metadata.get(isCompact(file) ? 'names' : 'format');
  const mapping = format === ownFormat ? plainMapping(model) : mappingOf(model);
  if (!isCompact(file)) return { mapping, entries: [] };
  const entries = compactEntries(file), sparse = new Set(entries.map(({ name }) => name));
  checkShapes(model, entries, file.path);
  return { mapping: { ...mapping, parts: mapping.parts.filter(({ parameter }) => !sparse.has(parameter.name)) }, entries };
};

const inGraphOrder = (model: Model, masks: readonly NamedMask[]): NamedMask[] => {
  const byName = new Map(masks.map((mask) => [mask.name, mask]));
  return model.parameters.flatMap(({ name }) => byName.get(name) ?? []);
};

export interface Checkpoint {
  /** In graph order. */
  readonly weights: readonly NamedTensor[];
  /** Of the sparse weights, in graph order; empty where nothing is sparse. Where nothing is stored the weight is +0. */
  readonly masks: readonly NamedMask[];
}

/**
 * The parameters of a model from a checkpoint, in graph order under the project's names: a `.safetensors` file, the index of several, or their folder.
 *
 * Models of gpt() and llama() are read with Hugging Face's names, with or without `transformer.` or `model.` before them; buffers of attention are passed over; a tied
 * output layer may be left out, and must be the embedding's table to the bit where it is not. A table of positions longer than the model's context gives its first rows.
 * Other models, and files that writeCheckpoint wrote for them, have the project's names. Masks come from the file beside the weights, or from a file in the compact layout.
 *
 * @throws CorruptFile naming the tensor that is missing, left over, of another shape, or at odds with its mask, with what was expected; whatever openSafetensors throws.
 */
export const readCheckpoint = async (model: Model, path: string): Promise<Checkpoint> => {
  await using file = await openSafetensors(path);
  const { mapping, entries } = contentsOf(model, file);
  const nameOf = isCompact(file) ? (name: string): string => name : namesIn(file, mapping);
  checkTensors(file, mapping, nameOf, tensorNamesOf(entries));
  const weights = model.parameters.map(({ name, shape, size }): NamedTensor => ({ name, shape, data: new Float32Array(size) }));
  for (const part of mapping.parts) await readPartInto(file, nameOf(part.name), part, (weights[part.parameter.index] as NamedTensor).data);
  const table = mapping.tied === null ? undefined : weights[mapping.tied.table.index];
  if (mapping.tied !== null && table !== undefined && file.tensors.has(mapping.tied.name)) await checkTied(file, mapping.tied.name, table);
  if (!isCompact(file)) return { weights, masks: inGraphOrder(model, await maskDense(model, file, weights)) };
  const masks: NamedMask[] = [];
  for (const entry of entries) masks.push(await readCompact(file, entry, weights.find(({ name }) => name === entry.name)?.data ?? new Float32Array()));
  return { weights, masks: inGraphOrder(model, masks) };
};

export interface CheckpointOptions {
  /** F32 unless given; F16 and BF16 round to nearest even. */
  readonly dtype?: WeightDtype;
  /** Whether config.json is written beside the weights: true for a folder and a model of a family unless given. An object adds fields to it, such as `eos_token_id`. */
  readonly config?: boolean | JsonObject;
  /** Most bytes of data a file; 5 GB unless given. */
  readonly shardBytesMax?: number;
  /** Of the sparse weights, as `run.finished` gives them; none unless given. */
  readonly masks?: readonly NamedMask[];
  /**
   * 'dense' (default): zeros where nothing is stored, which any program can read, and the masks in `sparsity.safetensors` (`x.sparsity.safetensors` for a file `x.safetensors`).
   * 'compact': stored values and their places alone, for this program.
   */
  readonly layout?: 'dense' | 'compact';
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

/** The tensors of a file: sparse weights by their stored values in the compact layout, everything else as its parts. */
const tensorsOf = (model: Model, mapping: Mapping, weights: readonly NamedTensor[], compact: readonly NamedMask[]): (TensorToWrite | IntegersToWrite)[] => {
  const sparse = new Map(compact.map((mask) => [mask.name, mask]));
  return model.parameters.flatMap((parameter) => {
    const { data } = weights[parameter.index] as NamedTensor, mask = sparse.get(parameter.name);
    if (mask !== undefined) return compactTensors(mask, data);
    return mapping.parts.filter((part) => part.parameter === parameter).map((part): TensorToWrite => ({ name: part.name, shape: part.shape, data: () => partOf(part, data) }));
  });
};

/** Puts weights and masks into their places so that a reader never takes those of two savings for one: between the two renames, the weights say that their masks are missing. */
const placeTogether = async (weights: StagedCheckpoint, masks: StagedCheckpoint | null, maskFile: string): Promise<void> => {
  try {
    if (masks === null) await removeMasks(maskFile);
    await weights.place();
    await masks?.place();
  } finally {
    await weights.discard();
    await masks?.discard();
  }
};

/**
 * Writes `model.safetensors` (several files with their index above `shardBytesMax`) and config.json into a folder, which is made if it is missing; or one `.safetensors` file.
 * Masks stand beside the weights, or inside them in the compact layout; those of an older checkpoint in the same place go.
 *
 * @param weights - In graph order, as `run.finished` gives them. Nothing of them is changed.
 * @throws InvalidConfig for weights and masks that are not the model's, and for a place that cannot be written; NotEmulated for `config` of a graph of no family.
 */
export const writeCheckpoint = async (model: Model, weights: readonly NamedTensor[], path: string, options: CheckpointOptions = {}): Promise<WrittenCheckpoint & { readonly config: string | null }> => {
  checkWeights(model, weights);
  const { dtype = 'F32', shardBytesMax = 5e9, layout = 'dense' } = options;
  const masks = checkMasks(model, weights, options.masks ?? []), isSparseForm = layout === 'compact' && masks.length > 0;
  const isFile = path.endsWith('.safetensors'), mapping = mappingOf(model);
  if (isFile && isMaskFileName(path)) throw new InvalidConfig({ what: 'a name that masks of a checkpoint have', where: path, hint: 'give the file another name' });
  const withConfig = options.config ?? (!isFile && mapping.kind !== 'plain');
  if (withConfig !== false && isFile) throw new InvalidConfig({ what: 'config.json beside a single file', where: path, limit: 'a folder', hint: 'give a folder, or config: false' });
  const config = withConfig === false ? null : configWith(model, withConfig, dtype);
  if (!isFile) {
    await mkdir(path, { recursive: true }).catch((cause: unknown) => {
      throw new InvalidConfig({ what: 'the folder cannot be made', where: path, value: String(cause), hint: 'check the path' }, { cause });
    });
  }
  const file = isFile ? path : join(path, 'model.safetensors'), names = mapping.kind === 'plain' ? ownFormat : 'pt';
  const tensors = tensorsOf(model, mapping, weights, isSparseForm ? masks : []);
  const bytes = tensors.reduce((sum, tensor) => sum + bytesOfTensor({ dtype, ...tensor }), 0);
  await refuseOtherForm(file, bytes > shardBytesMax && tensors.length > 1);
  const maskFile = maskFileOf(file);
  const beside = masks.length > 0 && !isSparseForm ? await stageMasks(maskFile, masks) : null;
  const metadata = isSparseForm ? compactMetadata(masks, names) : { format: names, ...(beside === null ? {} : { [masksKey]: beside.digest }) };
  const staged = await stageSafetensors(file, tensors, { dtype, shardBytesMax, metadata }).catch(async (error: unknown) => {
    await beside?.discard();
    throw error;
  });
  await placeTogether(staged, beside, maskFile);
  const written = { ...staged.written, files: [...staged.written.files, ...(beside?.written.files ?? [])] };
  if (config === null) return { ...written, config: null };
  const configPath = join(path, configName);
  await writeFile(configPath, `${JSON.stringify(config, null, 2)}\n`).catch((cause: unknown) => {
    throw new InvalidConfig({ what: 'cannot be written', where: configPath, value: String(cause), hint: 'check folder, permission and space' }, { cause });
  });
  return { ...written, config: configPath };
};
