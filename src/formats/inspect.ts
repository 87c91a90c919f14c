/**
 * What a checkpoint holds: rows for a program, a table for a terminal. Names, types and shapes come from the headers; zeros are counted in the weights themselves.
 *
 * A zero says nothing about sparsity: which positions are stored, masks alone tell, and where there are none the table says so. Not here: printing (cli/), what the tensors mean to a model.
 */
import { formatBytes } from '../util/units.js';
import { count, grouped, percent, printable, table } from './lines.js';
import { isWeightDtype, type StoredDtype } from './safetensors/dtypes.js';
import { openSafetensors, type SafetensorsFile, type StoredTensor } from './safetensors/open.js';
import { compactEntries, isCompact } from './sparse/compact.js';
import { masksKey, readMasksOf } from './sparse/mask-file.js';
import { storedBits } from './sparse/masks.js';

/** One tensor of a checkpoint. */
export interface CheckpointRow {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** The name of the file that holds it. */
  readonly shard: string;
  /** Values that are 0 of either sign; null for types that no weights are read from. */
  readonly zeros: number | null;
}

/** A sparse weight, under the project's own name and orientation. */
export interface SparseRow {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
  readonly stored: number;
}

export interface CheckpointInspection {
  readonly path: string;
  readonly rows: readonly CheckpointRow[];
  /** Weights that have a mask; empty where nothing is sparse. */
  readonly sparse: readonly SparseRow[];
  /** Where the masks stand: beside the weights, inside them, or nowhere. */
  readonly masks: 'beside' | 'inside' | null;
  readonly totals: {
    readonly tensors: number;
    readonly elements: number;
    /** Of the data of all tensors. */
    readonly bytes: number;
    /** Of the files, headers included. */
    readonly fileBytes: number;
    readonly shards: number;
    /** Positions of the sparse weights, and those of them that are stored. */
    readonly sparseSize: number;
    readonly sparseStored: number;
    /** Values of matrices (weights of rank 2 and more), and those of them that are 0. */
    readonly matrixElements: number;
    readonly matrixZeros: number;
  };
  readonly metadata: Readonly<Record<string, string>>;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
/** Values of a piece on its way. */
const pieceLength = 1 << 20;

const zerosOf = async (file: SafetensorsFile, { name, dtype, elements }: StoredTensor): Promise<number | null> => {
  if (!isWeightDtype(dtype)) return null;
  const piece = new Float32Array(Math.min(pieceLength, elements));
  let zeros = 0;
  for (let at = 0; at < elements; at += pieceLength) {
    const part = piece.subarray(0, Math.min(pieceLength, elements - at));
    await file.readPart(name, at, part);
    for (const value of part) if (value === 0) zeros++;
  }
  return zeros;
};

/** Reads a checkpoint: a file, an index, or a folder with one of them, and the masks that belong to it. @throws CorruptFile, InvalidConfig as `openSafetensors` and `readCheckpoint` */
export const inspectCheckpoint = async (path: string): Promise<CheckpointInspection> => {
  await using file = await openSafetensors(path);
  const entries = isCompact(file) ? compactEntries(file) : null;
  const masks = entries ?? (await readMasksOf(file.path, file.metadata.get(masksKey))).map(({ name, shape, bits }) => ({ name, shape, stored: storedBits(bits) }));
  const sparse = masks.map(({ name, shape: [rows, columns], stored }): SparseRow => ({ name, shape: [rows, columns], size: rows * columns, stored }));
  const rows: CheckpointRow[] = [];
  for (const tensor of file.tensors.values()) {
    const { name, dtype, shape, elements, bytes, shard } = tensor;
    rows.push({ name, dtype, shape, elements, bytes, shard, zeros: await zerosOf(file, tensor) });
  }
  const matrices = rows.filter(({ shape, zeros }) => shape.length > 1 && zeros !== null);
  return {
    path: file.path,
    rows,
    sparse,
    masks: masks.length === 0 ? null : entries === null ? 'beside' : 'inside',
    totals: {
      tensors: rows.length, elements: sum(rows.map((r) => r.elements)), bytes: sum(rows.map((r) => r.bytes)), fileBytes: sum(file.shards.map((s) => s.bytes)), shards: file.shards.length,
      sparseSize: sum(sparse.map((s) => s.size)), sparseStored: sum(sparse.map((s) => s.stored)),
      matrixElements: sum(matrices.map((r) => r.elements)), matrixZeros: sum(matrices.map((r) => r.zeros ?? 0)),
    },
    metadata: Object.fromEntries(file.metadata),
  };
};

/** Sparse weights as lines of a table. */
const sparseTable = ({ sparse }: CheckpointInspection): string[] => [
  '',
  ...table([
    ['sparse weight', 'shape', 'size', 'stored', 'sparsity'],
    ...sparse.map(({ name, shape, size, stored }) => [printable(name), `[${shape.join(', ')}]`, grouped(size), grouped(stored), percent(size - stored, size)]),
  ], [2, 3, 4]),
];

/** One line on sparsity as a whole; none where there is neither mask nor zero. */
const sparsityLine = ({ sparse, totals, masks }: CheckpointInspection): string[] => {
  const { sparseSize, sparseStored, matrixElements, matrixZeros } = totals;
  if (masks !== null) return [`${count(sparse.length, 'sparse weight')}: ${grouped(sparseStored)} of ${grouped(sparseSize)} stored, ${percent(sparseSize - sparseStored, sparseSize)} sparse; masks ${masks === 'beside' ? 'in a file beside the weights' : 'in the compact layout'}`];
  return matrixZeros === 0 ? [] : [`zeros, no mask: ${grouped(matrixZeros)} of the ${grouped(matrixElements)} values of matrices, ${percent(matrixZeros, matrixElements)}`];
};

/** The inspection as lines for a terminal: a table of the tensors, one of the sparse weights, metadata, totals. No line break at the end. */
export const describeCheckpoint = (inspection: CheckpointInspection): string => {
  const { rows, totals, metadata, sparse } = inspection;
  const several = totals.shards > 1, hasZeros = totals.matrixZeros > 0;
  const head = ['tensor', 'dtype', 'shape', 'elements', 'size', ...(hasZeros ? ['zeros'] : []), ...(several ? ['file'] : [])];
  const zerosIn = ({ shape, zeros, elements }: CheckpointRow): string => (shape.length > 1 && zeros !== null && zeros > 0 ? percent(zeros, elements) : '');
  const body = rows.map((row) => [
    printable(row.name), row.dtype, `[${row.shape.join(', ')}]`, grouped(row.elements), formatBytes(row.bytes), ...(hasZeros ? [zerosIn(row)] : []), ...(several ? [printable(row.shard)] : []),
  ]);
  // The shapes of sparse weights stand in their own table.
  const about = Object.entries(metadata).filter(([key]) => key !== 'shapes' || sparse.length === 0).map(([key, value]) => `${printable(key)}: ${printable(value)}`);
  return [
    ...table([head, ...body], hasZeros ? [3, 4, 5] : [3, 4]),
    ...(sparse.length === 0 ? [] : sparseTable(inspection)),
    '',
    ...about,
    ...sparsityLine(inspection),
    `${count(totals.tensors, 'tensor')}, ${count(totals.elements, 'element')}, ${formatBytes(totals.bytes)} in ${count(totals.shards, 'file')}`,
  ].join('\n');
};
