/**
 * What a checkpoint holds, read from its headers alone: rows for a program, a table for a terminal.
 *
 * Not here: printing (cli/), what the tensors mean to a model.
 */
import { formatBytes } from '../util/units.js';
import type { StoredDtype } from './safetensors/dtypes.js';
import { openSafetensors } from './safetensors/open.js';

/** One tensor of a checkpoint. */
export interface CheckpointRow {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** The name of the file that holds it. */
  readonly shard: string;
}

export interface CheckpointInspection {
  readonly path: string;
  readonly rows: readonly CheckpointRow[];
  readonly totals: {
    readonly tensors: number;
    readonly elements: number;
    /** Of the data of all tensors. */
    readonly bytes: number;
    /** Of the files, headers included. */
    readonly fileBytes: number;
    readonly shards: number;
  };
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads the headers of a checkpoint: a file, an index, or a folder with one of them. @throws CorruptFile, InvalidConfig as `openSafetensors` */
export const inspectCheckpoint = async (path: string): Promise<CheckpointInspection> => {
  await using file = await openSafetensors(path);
  const rows = [...file.tensors.values()].map(({ name, dtype, shape, elements, bytes, shard }) => ({ name, dtype, shape, elements, bytes, shard }));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  return {
    path: file.path,
    rows,
    totals: { tensors: rows.length, elements: sum(rows.map((r) => r.elements)), bytes: sum(rows.map((r) => r.bytes)), fileBytes: sum(file.shards.map((s) => s.bytes)), shards: file.shards.length },
    metadata: Object.fromEntries(file.metadata),
  };
};

/** Text out of a file for a terminal: nothing in it can move the cursor or turn the writing direction. */
const printable = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);

/** 1234567 → 1,234,567, the same in every locale. */
const grouped = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
const count = (n: number, noun: string): string => `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;

/** Columns side by side; those in `right` end on one line. */
const table = (lines: readonly (readonly string[])[], right: readonly number[]): string[] => {
  const widths = (lines[0] ?? []).map((_, column) => lines.reduce((width, line) => Math.max(width, [...(line[column] ?? '')].length), 0));
  const cell = (text: string, column: number): string => {
    const room = ' '.repeat((widths[column] ?? 0) - [...text].length);
    return right.includes(column) ? room + text : text + room;
  };
  return lines.map((line) => line.map(cell).join('  ').trimEnd());
};

/** The inspection as lines for a terminal: a table of the tensors, metadata, totals. No line break at the end. */
export const describeCheckpoint = ({ rows, totals, metadata }: CheckpointInspection): string => {
  const several = totals.shards > 1;
  const head = ['tensor', 'dtype', 'shape', 'elements', 'size', ...(several ? ['file'] : [])];
  const body = rows.map((row) => [printable(row.name), row.dtype, `[${row.shape.join(', ')}]`, grouped(row.elements), formatBytes(row.bytes), ...(several ? [printable(row.shard)] : [])]);
  const about = Object.entries(metadata).map(([key, value]) => `${printable(key)}: ${printable(value)}`);
  return [
    ...table([head, ...body], [3, 4]),
    '',
    ...about,
    `${count(totals.tensors, 'tensor')}, ${count(totals.elements, 'element')}, ${formatBytes(totals.bytes)} in ${count(totals.shards, 'file')}`,
  ].join('\n');
};
