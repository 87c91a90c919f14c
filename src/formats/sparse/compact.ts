/**
 * The compact layout: a sparse weight as its stored values and their places, row by row.
 *
 *   <name>.values      [stored]   stored values, ascending by dense index (dtype as asked)
 *   <name>.row_starts  [rows + 1] U32: the first value of each row; the last one is the count
 *   <name>.columns     [stored]   U16, or U32 above 65,536 columns: the column of each value, ascending in a row
 *
 * Names and orientation are the model's own: rows are inputs, columns are outputs. Dense parameters stand beside them as in any checkpoint. Not here: which parameters are
 * sparse (masks.ts), whole checkpoints (hugging-face/checkpoint.ts).
 */
import type { NamedMask } from '../../model/sparsity.js';
import { CorruptFile } from '../../util/errors.js';
import { isWeightDtype } from '../safetensors/dtypes.js';
import { quoted } from '../safetensors/header.js';
import type { SafetensorsFile, StoredTensor } from '../safetensors/open.js';
import type { IntegersToWrite, TensorToWrite } from '../safetensors/write.js';
import { shapesOf, shapesText, sparseVersion, storedOf, type SparseShape } from './masks.js';

const format = 'waferstream-compact';
const partNames = ['values', 'row_starts', 'columns'] as const;
type Part = (typeof partNames)[number];

const widthMax16 = 65_536;
/** Values of a piece on its way. */
const pieceLength = 1 << 20;

/** `names`: whose names the dense parameters have. */
export const compactMetadata = (masks: readonly NamedMask[], names: string): Record<string, string> => ({ format, version: sparseVersion, names, shapes: shapesText(masks) });
export const isCompact = (file: SafetensorsFile): boolean => file.metadata.get('format') === format;

/** Calls `visit` for every stored position, ascending. */
const eachStored = ({ mask }: NamedMask, visit: (index: number, place: number) => void): void => {
  let place = 0;
  for (let index = 0; index < mask.length; index++) if (mask[index] === 1) visit(index, place++);
};

/** The three tensors of a sparse weight, each made when its turn comes. */
export const compactTensors = (sparse: NamedMask, data: Float32Array): (TensorToWrite | IntegersToWrite)[] => {
  const { name, shape: [rows = 0, columns = 0], mask } = sparse, stored = storedOf(mask);
  const values = (): Float32Array => {
    const out = new Float32Array(stored), from = new Uint32Array(data.buffer, data.byteOffset, data.length), to = new Uint32Array(out.buffer);
    eachStored(sparse, (index, place) => {
      to[place] = from[index] ?? 0;
    });
    return out;
  };
  const rowStarts = (): Uint32Array => {
    const starts = new Uint32Array(rows + 1);
    for (let row = 0; row < rows; row++) starts[row + 1] = (starts[row] ?? 0) + storedOf(mask.subarray(row * columns, (row + 1) * columns));
    return starts;
  };
  const columnsOf = (): Uint16Array | Uint32Array => {
    const out = columns > widthMax16 ? new Uint32Array(stored) : new Uint16Array(stored);
    eachStored(sparse, (index, place) => {
      out[place] = index % columns;
    });
    return out;
  };
  return [
    { name: `${name}.values`, shape: [stored], data: values },
    { name: `${name}.row_starts`, shape: [rows + 1], dtype: 'U32', data: rowStarts },
    { name: `${name}.columns`, shape: [stored], dtype: columns > widthMax16 ? 'U32' : 'U16', data: columnsOf },
  ];
};

/** A sparse weight of an open file whose tensors have the types and shapes that they must have. */
export interface CompactEntry extends SparseShape {
  readonly stored: number;
  readonly tensors: Readonly<Record<Part, StoredTensor>>;
}

/** @throws CorruptFile naming file, tensor and what is wrong */
const entryOf = (file: SafetensorsFile, { name, shape }: SparseShape): CompactEntry => {
  const [rows, columns] = shape;
  const find = (part: Part): StoredTensor => {
    const tensor = file.tensors.get(`${name}.${part}`);
    if (tensor === undefined) throw new CorruptFile({ what: `tensor ${quoted(`${name}.${part}`)} is missing`, where: file.path, hint: 'fetch the checkpoint again' });
    return tensor;
  };
  const tensors = { values: find('values'), row_starts: find('row_starts'), columns: find('columns') };
  const [stored = 0] = tensors.values.shape;
  const must = (part: Part, fits: boolean, limit: string): void => {
    const { dtype, shape: found } = tensors[part];
    if (!fits) throw new CorruptFile({ what: `tensor ${quoted(`${name}.${part}`)} has another type or shape`, where: file.path, value: `${dtype} [${found.join(', ')}]`, limit });
  };
  must('values', isWeightDtype(tensors.values.dtype) && tensors.values.shape.length === 1 && stored <= rows * columns, `F32, F16 or BF16 [up to ${rows * columns}]`);
  must('row_starts', tensors.row_starts.dtype === 'U32' && tensors.row_starts.shape.length === 1 && tensors.row_starts.elements === rows + 1, `U32 [${rows + 1}]`);
  const wide = columns > widthMax16 ? 'U32' : 'U16';
  must('columns', tensors.columns.dtype === wide && tensors.columns.shape.length === 1 && tensors.columns.elements === stored, `${wide} [${stored}], as many as values`);
  return { name, shape, stored, tensors };
};

/** The sparse weights of a compact file, from its headers alone. @throws CorruptFile */
export const compactEntries = (file: SafetensorsFile): readonly CompactEntry[] => shapesOf(file.metadata, file.path).map((sparse) => entryOf(file, sparse));

/** Names of the tensors of sparse weights. */
export const tensorNamesOf = (entries: readonly CompactEntry[]): string[] => entries.flatMap(({ name }) => partNames.map((part) => `${name}.${part}`));

/** data (zeros before) ← the stored values in their places; gives the mask. @throws CorruptFile for places that do not ascend or lie outside */
export const readCompact = async (file: SafetensorsFile, entry: CompactEntry, data: Float32Array): Promise<NamedMask> => {
  const { name, shape, stored, tensors } = entry, [rows, columns] = shape;
  const refuse = (part: Part, what: string, value: unknown, limit: unknown): CorruptFile => new CorruptFile({ what: `tensor ${quoted(`${name}.${part}`)}: ${what}`, where: file.path, value, limit, hint: 'fetch the checkpoint again' });
  const starts = new Uint32Array(rows + 1), places = tensors.columns.dtype === 'U16' ? new Uint16Array(stored) : new Uint32Array(stored);
  await file.readBytes(tensors.row_starts.name, new Uint8Array(starts.buffer));
  await file.readBytes(tensors.columns.name, new Uint8Array(places.buffer));
  if (starts[0] !== 0) throw refuse('row_starts', 'does not begin with 0', starts[0], 0);
  if (starts[rows] !== stored) throw refuse('row_starts', 'ends with another count than that of the values', starts[rows], stored);
  const mask = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const first = starts[row] ?? 0, end = starts[row + 1] ?? 0;
    if (end < first || end > stored) throw refuse('row_starts', `row ${row} ends outside, or before it begins`, end, `${first} to ${stored}`);
    for (let place = first, before = -1; place < end; place++) {
      const column = places[place] ?? 0;
      if (column >= columns) throw refuse('columns', `value ${place} of row ${row} lies outside the row`, column, columns - 1);
      if (column <= before) throw refuse('columns', `row ${row} does not ascend at value ${place}`, column, `above ${before}`);
      before = column;
      mask[row * columns + column] = 1;
    }
  }
  const piece = new Float32Array(Math.min(pieceLength, stored)), from = new Uint32Array(piece.buffer), to = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (let at = 0, index = 0; at < stored; at += pieceLength) {
    const count = Math.min(pieceLength, stored - at);
    await file.readPart(tensors.values.name, at, piece.subarray(0, count));
    for (let i = 0; i < count; index++) if (mask[index] === 1) to[index] = from[i++] ?? 0;
  }
  return { name, shape, mask };
};
