/**
 * The header of a safetensors file: what it may say, checked before a byte of data is believed.
 *
 *   u64 length, little-endian │ JSON, spaces up to a multiple of 8 │ data: the tensors one after the other, no gap, nothing behind
 *
 * Every promise is checked against the bytes that are there: sizes against offsets, offsets against each other and against the file.
 * Not here: reading from the disk (shard.ts), the layout of a new file (layout.ts).
 */
import { CorruptFile } from '../../util/errors.js';
import { isObject, parseJsonObject, shown } from '../json.js';
import { dtypeBytes, elementsOf, isStoredDtype, type StoredDtype } from './dtypes.js';

/** Bytes before the JSON. */
export const lengthBytes = 8;
/** The reference implementation's limit. */
export const headerBytesMax = 100_000_000;
/** Sizes a shape may have. */
const rankMax = 64;

/** A tensor as one file's header lists it. */
export interface HeaderTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** Of its first byte, from the start of the data. */
  readonly begin: number;
}

export interface Header {
  /** In the order of their data. */
  readonly tensors: readonly HeaderTensor[];
  readonly metadata: ReadonlyMap<string, string>;
}

const metadataKey = '__metadata__';

/** A tensor's name for an error's sentence. */
export const quoted = (name: string): string => `'${String(shown(name))}'`;

/** How many bytes of JSON follow, from the first eight bytes of a file of `fileBytes`. @throws CorruptFile */
export const headerLength = (start: Uint8Array, fileBytes: number, path: string): number => {
  if (start.length < lengthBytes) throw new CorruptFile({ what: 'truncated in the length of the header', where: path, value: start.length, limit: `at least ${lengthBytes} bytes`, hint: 'is it a safetensors file?' });
  const length = new DataView(start.buffer, start.byteOffset, lengthBytes).getBigUint64(0, true);
  if (length > BigInt(headerBytesMax)) throw new CorruptFile({ what: 'the header says that it is longer than a header may be', where: path, value: length, limit: headerBytesMax, hint: 'is it a safetensors file?' });
  if (Number(length) > fileBytes - lengthBytes) throw new CorruptFile({ what: 'truncated in the header, or its length lies', where: path, value: Number(length), limit: fileBytes - lengthBytes, hint: 'fetch the file again' });
  return Number(length);
};

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0 && !Object.is(value, -0);

const metadataOf = (value: unknown, path: string): Map<string, string> => {
  const entries = isObject(value) ? Object.entries(value) : [];
  const bad = isObject(value) ? entries.find(([, text]) => typeof text !== 'string') : [metadataKey, value];
  if (bad !== undefined) throw new CorruptFile({ what: `${metadataKey} must map names to strings`, where: path, value: shown(bad[0]) });
  return new Map(entries.map(([key, text]) => [key, String(text)]));
};

const tensorOf = (name: string, value: unknown, path: string): HeaderTensor => {
  const refuse = (what: string, got: unknown, limit: unknown): CorruptFile =>
    new CorruptFile({ what: `tensor ${quoted(name)}: ${what}`, where: path, value: shown(got), limit, hint: 'the header is damaged, or its writer is wrong' });
  if (!isObject(value)) throw refuse('not described by an object', value, 'dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw refuse('an unknown key', unknown, 'dtype, shape and data_offsets');
  if (!isStoredDtype(dtype)) throw refuse('unknown dtype', dtype, Object.keys(dtypeBytes).join(' '));
  if (!Array.isArray(shape) || !shape.every(isSize) || shape.length > rankMax) throw refuse('shape is no list of sizes', shape, `up to ${rankMax} whole numbers from 0`);
  const elements = elementsOf(shape);
  const bytes = (elements ?? Infinity) * dtypeBytes[dtype];
  if (elements === null || !Number.isSafeInteger(bytes)) throw refuse('shape overflows', shape, Number.MAX_SAFE_INTEGER);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) throw refuse('data_offsets is no pair of positions', offsets, 'two whole numbers from 0');
  const [begin = 0, end = 0] = offsets;
  if (end - begin !== bytes) throw refuse(`data_offsets do not fit ${dtype} of shape [${shape.join(', ')}]`, offsets, `${bytes} bytes`);
  return { name, dtype, shape, elements, bytes, begin };
};

/** Parses the JSON of a header in front of `dataBytes` bytes of data. @throws CorruptFile naming the path and the tensor */
export const parseHeader = (json: Uint8Array, dataBytes: number, path: string): Header => {
  if (json[0] !== 0x7b) throw new CorruptFile({ what: 'the header does not begin with {', where: path, value: json[0] ?? null, limit: 0x7b, hint: 'is it a safetensors file?' });
  const { [metadataKey]: metadata, ...described } = parseJsonObject(json, `${path}, header`);
  const tensors = Object.entries(described).map(([name, value]) => tensorOf(name, value, path));
  // Empty tensors stand before the data at the same place.
  tensors.sort((a, b) => a.begin - b.begin || a.bytes - b.bytes);
  let at = 0;
  for (const { name, begin, bytes } of tensors) {
    if (begin !== at) throw new CorruptFile({ what: `tensor ${quoted(name)}: its data ${begin < at ? 'overlaps' : 'leaves a gap behind'} the tensor before it`, where: path, value: begin, limit: at });
    at += bytes;
    if (at > dataBytes) throw new CorruptFile({ what: `tensor ${quoted(name)}: its data ends outside the file: truncated?`, where: path, value: at, limit: dataBytes, hint: 'fetch the file again' });
  }
  if (at !== dataBytes) throw new CorruptFile({ what: 'bytes are left over behind the last tensor', where: path, value: dataBytes, limit: at });
  return { tensors, metadata: metadata === undefined ? new Map() : metadataOf(metadata, path) };
};
