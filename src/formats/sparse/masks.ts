/**
 * Masks on their way to files: checked against the model and its weights, packed to bits, named by a digest.
 *
 *   NamedMask (a byte a position) ──checkMasks──▶ ──packMask──▶ bits: bit i of byte b is dense index 8b + i
 *
 * Masks are in the model's own names and orientation: inputs × outputs, dense index = input · outputs + output. Not here: files (mask-file.ts, compact.ts).
 */
import { createHash } from 'node:crypto';
import type { Model, ParameterSpec } from '../../model/graph.js';
import type { NamedMask } from '../../model/sparsity.js';
import { packBits, unpackBits } from '../../sparsity/formats.js';
import type { NamedTensor } from '../../tensor/named.js';
import { CorruptFile, InvalidConfig } from '../../util/errors.js';
import { isObject, parseJson, shown } from '../json.js';
import { quoted } from '../safetensors/header.js';

/** The version of both sparse forms, in their metadata. */
export const sparseVersion = '1';

/** A sparse parameter as a file lists it. */
export interface SparseShape {
  readonly name: string;
  readonly shape: readonly [rows: number, columns: number];
}
/** A mask as files hold it. */
export interface PackedMask extends SparseShape {
  readonly bits: Uint8Array;
}

export const bitmapBytes = ({ shape: [rows, columns] }: SparseShape): number => Math.ceil((rows * columns) / 8);

/** Stored positions. */
export const storedOf = (mask: Uint8Array): number => {
  let sum = 0;
  for (const one of mask) sum += one;
  return sum;
};

export const packMask = ({ name, shape: [rows = 0, columns = 0], mask }: NamedMask): PackedMask => ({ name, shape: [rows, columns], bits: packBits(mask) });

export const unpackMask = ({ name, shape, bits }: PackedMask): NamedMask => ({ name, shape, mask: unpackBits(bits, shape[0] * shape[1]) });

/** Bits that are set. */
export const storedBits = (bits: Uint8Array): number => {
  let sum = 0;
  for (let byte of bits) for (; byte !== 0; byte &= byte - 1) sum++;
  return sum;
};

/** Sixteen hexadecimal digits of the SHA-256 of names, shapes and bits: weights and masks that were saved together both carry it. */
export const digestOfMasks = (masks: readonly PackedMask[]): string => {
  const hash = createHash('sha256');
  for (const { name, shape, bits } of masks.toSorted((a, b) => (a.name < b.name ? -1 : 1))) hash.update(`${JSON.stringify(name)}[${shape.join(',')}]`).update(bits);
  return hash.digest('hex').slice(0, 16);
};

/** Whether a parameter may be sparse: the weight of a linear layer that is not another's table. */
export const mayBeSparse = ({ role, shape }: ParameterSpec): boolean => role === 'weight' && shape.length === 2;

/** The first absent position whose weight is no zero of either sign, or −1. */
export const firstAbsentWeight = (mask: Uint8Array, weights: Float32Array): number => {
  // Bits, not values: no conversion may touch a NaN.
  const words = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
  for (let i = 0; i < mask.length; i++) if (mask[i] === 0 && ((words[i] ?? 0) & 0x7fff_ffff) !== 0) return i;
  return -1;
};

/** Masks in graph order. @throws InvalidConfig for masks that are not the model's, or weights where nothing is stored */
export const checkMasks = (model: Model, weights: readonly NamedTensor[], masks: readonly NamedMask[]): NamedMask[] => {
  const byName = new Map(masks.map((mask) => [mask.name, mask]));
  const refuse = (name: string, what: string, value?: unknown, limit?: unknown): InvalidConfig => new InvalidConfig({ what: `mask of ${quoted(name)}: ${what}`, where: model.name, value, limit });
  if (byName.size < masks.length) throw refuse(masks.find(({ name }, i) => masks.findIndex((other) => other.name === name) < i)?.name ?? '', 'given twice');
  for (const { name, shape, mask } of masks) {
    const parameter = model.parameters.find((candidate) => candidate.name === name);
    if (parameter === undefined || !mayBeSparse(parameter)) throw refuse(name, 'the model has no such weight of a linear layer');
    if (shape.length !== 2 || shape.some((size, i) => size !== parameter.shape[i]) || mask.length !== parameter.size) throw refuse(name, 'another shape than the weight', shape, parameter.shape);
    const odd = mask.findIndex((one) => one > 1);
    if (odd >= 0) throw refuse(name, `neither 0 nor 1 at ${odd}`, mask[odd]);
    const data = weights[parameter.index]?.data ?? new Float32Array(parameter.size), at = firstAbsentWeight(mask, data);
    if (at >= 0) throw refuse(name, `the weight at ${at}, where nothing is stored, is not 0`, data[at]);
  }
  return model.parameters.flatMap(({ name }) => byName.get(name) ?? []);
};

/** Names and shapes as the text of a metadata field. */
export const shapesText = (masks: readonly { readonly name: string; readonly shape: readonly number[] }[]): string => JSON.stringify(Object.fromEntries(masks.map(({ name, shape }) => [name, shape])));

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1;

/** The sparse parameters that a file's metadata names. @throws CorruptFile */
export const shapesOf = (metadata: ReadonlyMap<string, string>, path: string): readonly SparseShape[] => {
  const version = metadata.get('version');
  if (version !== sparseVersion) throw new CorruptFile({ what: 'metadata: another version of the form', where: path, value: shown(version), limit: sparseVersion });
  const shapes = parseJson(metadata.get('shapes') ?? '', `${path}, metadata 'shapes'`);
  if (!isObject(shapes)) throw new CorruptFile({ what: "metadata 'shapes' is no object", where: path, value: shown(shapes) });
  return Object.entries(shapes).map(([name, shape]) => {
    const [rows, columns, ...more]: unknown[] = Array.isArray(shape) ? shape : [];
    if (!isSize(rows) || !isSize(columns) || more.length > 0 || !Number.isSafeInteger(rows * columns)) throw new CorruptFile({ what: `metadata 'shapes' of ${quoted(name)}: no pair of sizes`, where: path, value: shown(shape) });
    return { name, shape: [rows, columns] };
  });
};

/** @throws CorruptFile for a sparse parameter that the model lacks, or has in another shape */
export const checkShapes = (model: Model, shapes: readonly SparseShape[], path: string): void => {
  for (const { name, shape } of shapes) {
    const parameter = model.parameters.find((candidate) => candidate.name === name);
    if (parameter === undefined || !mayBeSparse(parameter)) throw new CorruptFile({ what: `mask of ${quoted(name)}: the model has no such weight of a linear layer`, where: path, value: shape, hint: 'is it a checkpoint of this model?' });
    if (shape.some((size, i) => size !== parameter.shape[i])) throw new CorruptFile({ what: `mask of ${quoted(name)}: another shape than the model's weight`, where: path, value: shape, limit: parameter.shape, hint: 'is it a checkpoint of this model?' });
  }
};
