/**
 * The table of a sweep: a row a point, in the points' order; what varied, then what was found, then why a point cannot be.
 *
 *   points + results ─▶ SweepTable ─▶ text for a terminal · CSV (RFC 4180) · whatever takes plain data
 *
 * Not here: the file of results (results.ts), pages (report/).
 */
import type { Figures, PointResult } from './results.js';
import type { SweepPoint } from './points.js';

export type Cell = Figures[string];

export interface SweepTable {
  readonly columns: readonly { readonly name: string; readonly of: 'parameter' | 'figure' | 'refusal' }[];
  /** Null where a point has no such value. */
  readonly rows: readonly (readonly Cell[])[];
}

/** `varied`: paths of the columns in front. Points without a result have no row. The column of refusals is there where a point was refused. */
export const sweepTable = (varied: readonly string[], points: readonly SweepPoint[], results: readonly (PointResult | null)[]): SweepTable => {
  const found = points.flatMap((point, i) => {
    const result = results[i] ?? null;
    return result === null ? [] : [{ point, result }];
  });
  const figures = [...new Set(found.flatMap(({ result }) => ('figures' in result ? Object.keys(result.figures) : [])))];
  const hasRefusals = found.some(({ result }) => 'refusal' in result);
  return {
    columns: [
      ...varied.map((name) => ({ name, of: 'parameter' as const })), ...figures.map((name) => ({ name, of: 'figure' as const })), ...(hasRefusals ? [{ name: 'refusal', of: 'refusal' as const }] : []),
    ],
    rows: found.map(({ point, result }) => [
      ...varied.map((path) => point.parameters[path] ?? null),
      ...figures.map((name) => ('figures' in result ? (result.figures[name] ?? null) : null)),
      ...(hasRefusals ? ['refusal' in result ? `${result.refusal.kind}: ${result.refusal.message}` : null] : []),
    ]),
  };
};

const csvCell = (cell: Cell): string => {
  const text = cell === null ? '' : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Lines end as RFC 4180 says; numbers in full. */
export const csvOfTable = ({ columns, rows }: SweepTable): string =>
  [columns.map(({ name }) => name), ...rows].map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('');

/** Four digits of a number; whole ones in full, with commas. */
export const showNumber = (value: number): string => {
  const size = Math.abs(value), withCommas = (whole: number): string => whole.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',');
  if (Number.isInteger(value) && size < 1e7) return withCommas(value);
  if (size >= 1e3 && size < 1e7) return withCommas(Math.round(Number(value.toPrecision(4))));
  return size >= 1e-3 && size < 1e7 ? String(Number(value.toPrecision(4))) : value.toExponential(3).replace(/\.?0+e/, 'e').replace('e+', 'e');
};

const show = (cell: Cell): string => (cell === null ? '–' : typeof cell === 'number' ? showNumber(cell) : String(cell));

/** A table with the figures that are wanted, by their `place` (equal ones stay as they are; null: not wanted), between parameters and refusals. */
export const chosenColumns = ({ columns, rows }: SweepTable, place: (name: string) => number | null): SweepTable => {
  const kept = columns.flatMap((column, i) => {
    const at = column.of === 'figure' ? place(column.name) : column.of === 'parameter' ? -Number.MAX_VALUE : Number.MAX_VALUE;
    return at === null ? [] : [{ column, i, at }];
  }).toSorted((a, b) => Math.sign(a.at - b.at));
  return { columns: kept.map(({ column }) => column), rows: rows.map((cells) => kept.map(({ i }) => cells[i] ?? null)) };
};

/** Aligned columns; a refusal stands behind its row. No line break at the end. */
export const textOfTable = ({ columns, rows }: SweepTable): string => {
  const texts = [columns.map(({ name }) => name), ...rows.map((cells) => cells.map((cell, i) => (columns[i]?.of === 'refusal' && cell === null ? '' : show(cell))))];
  const isText = columns.map((_, i) => rows.some((cells) => typeof cells[i] === 'string'));
  const widths = columns.map(({ of }, i) => (of === 'refusal' ? 0 : Math.max(...texts.map((cells) => cells[i]?.length ?? 0))));
  return texts.map((cells) => cells.map((text, i) => (isText[i] === true ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  ').trimEnd()).join('\n');
};
