/**
 * IDX files (the format of MNIST and its kin): a magic number, sizes, and big-endian values.
 *
 *   00 00 type rank │ size 0 … size rank−1, 32 bits each │ values, last index fastest
 *
 * Sizes are checked against the bytes that are there before anything is allocated; a file with too few bytes, or too many, is refused.
 * Not here: how a batch is drawn (model/data.ts).
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { TrainingData } from '../model/data.js';
import { CorruptFile, InvalidConfig } from '../util/errors.js';
import { inputBytesMax, kindOf, readWhole } from './files.js';

/** Types by the third byte of the magic number. */
const elementTypes = {
  0x08: { name: 'u8', bytes: 1, make: (n: number) => new Uint8Array(n), get: (v: DataView, at: number) => v.getUint8(at) },
  0x09: { name: 'i8', bytes: 1, make: (n: number) => new Int8Array(n), get: (v: DataView, at: number) => v.getInt8(at) },
  0x0b: { name: 'i16', bytes: 2, make: (n: number) => new Int16Array(n), get: (v: DataView, at: number) => v.getInt16(at) },
  0x0c: { name: 'i32', bytes: 4, make: (n: number) => new Int32Array(n), get: (v: DataView, at: number) => v.getInt32(at) },
  0x0d: { name: 'f32', bytes: 4, make: (n: number) => new Float32Array(n), get: (v: DataView, at: number) => v.getFloat32(at) },
  0x0e: { name: 'f64', bytes: 8, make: (n: number) => new Float64Array(n), get: (v: DataView, at: number) => v.getFloat64(at) },
} as const;

export interface IdxFile {
  readonly dtype: (typeof elementTypes)[keyof typeof elementTypes]['name'];
  readonly shape: readonly number[];
  /** Row-major, in the host's byte order. */
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ');

/** Reads the bytes of an IDX file. `where` names them in errors. @throws CorruptFile */
export const parseIdx = (bytes: Uint8Array, where = 'IDX data'): IdxFile => {
  const [zero0, zero1, type, rank] = bytes;
  if (rank === undefined) throw new CorruptFile({ what: 'no room for the magic number of an IDX file', where, value: bytes.length, limit: 'at least 4 bytes' });
  const element = Object.entries(elementTypes).find(([code]) => Number(code) === type)?.[1];
  if (zero0 !== 0 || zero1 !== 0 || element === undefined) {
    throw new CorruptFile({ what: 'not an IDX file: its magic number is wrong', where, value: hex(bytes.subarray(0, 4)), limit: '00 00, a type of 08 09 0b 0c 0d 0e, and a rank' });
  }
  const header = 4 + 4 * rank;
  if (rank === 0) throw new CorruptFile({ what: 'an IDX file without dimensions', where, value: 0, limit: 'a rank from 1' });
  if (bytes.length < header) throw new CorruptFile({ what: `truncated in the sizes of ${rank} dimensions`, where, value: bytes.length, limit: `${header} bytes` });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  // A product of up to 255 sizes may leave the exact integers; it then exceeds any file all the same.
  const count = shape.includes(0) ? 0 : shape.reduce((a, b) => a * b, 1);
  const promised = header + count * element.bytes;
  if (promised !== bytes.length) {
    const what = promised > bytes.length ? 'truncated, or its sizes lie' : 'bytes are left over, or its sizes lie';
    throw new CorruptFile({ what: `${what}: ${shape.slice(0, 8).join(' × ')}${rank > 8 ? ' × …' : ''} values of type ${element.name} and the header need ${promised} bytes`, where, value: bytes.length, limit: promised });
  }
  const data = element.make(count);
  if (data instanceof Uint8Array) data.set(bytes.subarray(header));
  else for (let i = 0; i < count; i++) data[i] = element.get(view, header + i * element.bytes);
  return { dtype: element.name, shape, data };
};

const unpack = async (packed: Uint8Array, where: string): Promise<Uint8Array> => {
  try {
    return await promisify(gunzip)(packed, { maxOutputLength: inputBytesMax });
  } catch (error) {
    const tooLarge = error instanceof RangeError;
    throw new CorruptFile({ what: tooLarge ? 'unpacks to more than an input may have' : 'damaged gzip data', where, value: packed.length, limit: tooLarge ? inputBytesMax : 'a whole gzip stream' }, { cause: error });
  }
};

/** Reads an IDX file from its bytes or its path; a path that ends in .gz is unpacked. @throws CorruptFile, InvalidConfig */
export const readIdx = async (source: Uint8Array | string): Promise<IdxFile> => {
  if (typeof source !== 'string') return parseIdx(source);
  const bytes = await readWhole(source);
  return parseIdx(source.endsWith('.gz') ? await unpack(bytes, source) : bytes, source);
};

/**
 * Images and labels as samples for a classifier: pixel values 0 … 255 become f32(value / 255), an image's pixels are the features of its sample.
 *
 * @throws CorruptFile if a file is damaged or the two do not belong together, InvalidConfig if they are no images and labels.
 */
export const readIdxPair = async (imagesPath: string, labelsPath: string): Promise<Extract<TrainingData, { kind: 'features' }>> => {
  const images = await readIdx(imagesPath);
  const labels = await readIdx(labelsPath);
  const [samples = 0] = images.shape;
  if (images.dtype !== 'u8' || images.shape.length < 2) {
    throw new InvalidConfig({ what: 'images must be u8 values of rank 2 or more', where: imagesPath, value: `${images.dtype} of rank ${images.shape.length}`, hint: 'are images and labels exchanged?' });
  }
  if (labels.shape.length !== 1 || labels.dtype === 'f32' || labels.dtype === 'f64') {
    throw new InvalidConfig({ what: 'labels must be whole numbers of rank 1', where: labelsPath, value: `${labels.dtype} of rank ${labels.shape.length}`, hint: 'are images and labels exchanged?' });
  }
  if (labels.shape[0] !== samples) throw new CorruptFile({ what: `${samples} images and a different number of labels`, where: labelsPath, value: labels.shape[0], limit: samples });
  if (images.data.length === 0) throw new InvalidConfig({ what: 'no images', where: imagesPath, value: images.shape.join(' × '), limit: 'at least one pixel' });
  const inputs = new Float32Array(images.data.length);
  for (let i = 0; i < inputs.length; i++) inputs[i] = (images.data[i] ?? 0) / 255;
  return { kind: 'features', inputs, labels: Int32Array.from(labels.data) };
};

/** The ways in which the two files of a training set are named. */
const pairNames = ['-', '.'].flatMap((dot) => ['', '.gz'].map((end) => ({ images: `train-images${dot}idx3-ubyte${end}`, labels: `train-labels${dot}idx1-ubyte${end}` })));

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

/** The paths of a folder's training images and labels, packed or not. @throws CorruptFile if the folder has no such pair. */
export const findIdxPair = async (folder: string): Promise<{ readonly images: string; readonly labels: string }> => {
  if ((await kindOf(folder)) !== 'folder') throw new CorruptFile({ what: 'a file where a folder was expected', where: folder, hint: 'name the folder, or the files of images and labels' });
  const found = async (names: readonly string[]): Promise<string> => {
    for (const name of names) if (await exists(join(folder, name))) return join(folder, name);
    throw new CorruptFile({ what: `no ${names.join(' or ')}`, where: folder, hint: 'name the files of images and labels themselves' });
  };
  return { images: await found(pairNames.map((p) => p.images)), labels: await found(pairNames.map((p) => p.labels)) };
};
