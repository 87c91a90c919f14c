/**
 * One safetensors file of a checkpoint, by synchronous calls: its header, and where each tensor lies.
 *
 *   tensors, any order ──createTensorFile──▶ header and room for all ──openTensorFile──▶ name → offset, bytes
 *
 * Not here: the format (safetensors/), when tensors are written or believed (write.ts, read.ts).
 */
import { crc32 } from '../../storage/crc.js';
import type { FileSystem, OpenFile } from '../../storage/file-system.js';
import { headerLength, lengthBytes, parseHeader, type HeaderTensor } from '../safetensors/header.js';
import { bytesOfTensor, checkPlanned, headerBytes, inFileOrder, type PlannedTensor } from '../safetensors/layout.js';
import { fileNameOf, tensorFiles, type TensorFileName } from './folders.js';

/** A tensor of a checkpoint: weights and moments are f32, masks a byte a position. */
export interface CheckpointTensor {
  readonly file: TensorFileName;
  readonly name: string;
  readonly shape: readonly number[];
}

/** A file that is to be made. */
export interface PlannedFile {
  readonly file: TensorFileName;
  readonly header: Uint8Array;
  /** Header included. */
  readonly bytes: number;
}

/** By these the project's own readers know whose names they are (hugging-face/checkpoint.ts). */
const metadataOf = (file: TensorFileName): Readonly<Record<string, string>> => (file === 'model' ? { format: 'waferstream' } : { format: `waferstream-${file}` });

/** The files that tensors go into; `where` names them in errors. Masks have none where there are no masks. @throws InvalidConfig for names and shapes that a file cannot hold */
export const planFiles = (tensors: readonly CheckpointTensor[], where: string): readonly PlannedFile[] =>
  (['model', 'optimizer', 'masks'] as const).flatMap((file): PlannedFile[] => {
    const planned = tensors.filter((tensor) => tensor.file === file).map(({ name, shape }): PlannedTensor => ({ name, shape, dtype: tensorFiles[file] }));
    if (file === 'masks' && planned.length === 0) return [];
    const path = `${where}/${fileNameOf(file)}`;
    checkPlanned(planned, path);
    const header = headerBytes(inFileOrder(planned), metadataOf(file), path);
    return [{ file, header, bytes: planned.reduce((sum, tensor) => sum + bytesOfTensor(tensor), header.length) }];
  });

/** An open file of tensors. */
export interface TensorFile {
  readonly name: TensorFileName;
  readonly file: OpenFile;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, HeaderTensor>;
  /** Of the first byte of data, from the start of the file. */
  readonly dataStart: number;
  readonly bytes: number;
  readonly headerCrc: number;
}

/** Bytes of an element. */
export const elementBytes = (file: TensorFileName): number => (tensorFiles[file] === 'F32' ? 4 : 1);

/** The bytes of values, in whatever memory they lie. */
export const bytesOf = (values: Float32Array | Uint8Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** @throws CorruptFile for a header that is damaged, or that does not fit the size of the file */
export const openTensorFile = (fs: FileSystem, path: string, name: TensorFileName, mode: 'read' | 'write'): TensorFile => {
  const file = fs.open(path, mode);
  try {
    const bytes = file.size(), start = new Uint8Array(Math.min(lengthBytes, bytes));
    file.read(start, 0);
    const json = new Uint8Array(headerLength(start, bytes, path));
    file.read(json, lengthBytes);
    const dataStart = lengthBytes + json.length, { tensors } = parseHeader(json, bytes - dataStart, path);
    return { name, file, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), dataStart, bytes, headerCrc: crc32(json, crc32(start)) };
  } catch (error) {
    file.close();
    throw error;
  }
};

/** Makes the file at its full size, with its header; tensors read as zeros. */
export const createTensorFile = (fs: FileSystem, path: string, { header, bytes }: PlannedFile): void => {
  const file = fs.open(path, 'create');
  try {
    file.truncate(bytes);
    file.write(header, 0);
  } finally {
    file.close();
  }
};
