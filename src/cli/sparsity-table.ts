/** Sparsity for people: a table of the sparse weights, and the arithmetic that was done and saved. Not here: what is sparse (setup/sparsity.ts), JSON lines. */
import { showCount } from './progress.js';

/** A sparse weight. */
export interface SparseLine {
  readonly name: string;
  readonly size: number;
  readonly stored: number;
  /** Largest ÷ mean number of stored positions over the columns of tiles; where a wafer held it. */
  readonly imbalance?: number;
}

export const sparsityShare = ({ size, stored }: { readonly size: number; readonly stored: number }): number => (size === 0 ? 0 : 1 - stored / size);
export const showShare = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Sizes and stored positions of all. */
export const inAll = (lines: readonly SparseLine[]): { readonly size: number; readonly stored: number } =>
  lines.reduce((sum, { size, stored }) => ({ size: sum.size + size, stored: sum.stored + stored }), { size: 0, stored: 0 });

/** One line a weight, and one for all. No line break at the end. */
export const sparsityTable = (sparse: readonly SparseLine[]): string => {
  const all = inAll(sparse), withImbalance = sparse.some(({ imbalance }) => imbalance !== undefined);
  const row = (name: string, of: { readonly size: number; readonly stored: number }, imbalance = ''): string[] => [name, `${showCount(of.stored)} / ${showCount(of.size)}`, showShare(sparsityShare(of)), ...(withImbalance ? [imbalance] : [])];
  const rows = [
    ['sparse weight', 'stored', 'sparsity', ...(withImbalance ? ['column imbalance'] : [])],
    ...sparse.map((line) => row(line.name, line, line.imbalance?.toFixed(2))),
    row('all', all),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows.map((cells) => cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd()).join('\n');
};

const unitsOfFlops: readonly (readonly [number, string])[] = [[1e15, 'PFLOP'], [1e12, 'TFLOP'], [1e9, 'GFLOP'], [1e6, 'MFLOP'], [1e3, 'kFLOP'], [1, 'FLOP']];
/** 1234567 → 1.23 MFLOP */
export const showFlops = (flops: number): string => {
  const [unit, name] = unitsOfFlops.find(([least]) => flops >= least) ?? [1, 'FLOP'];
  return `${(flops / unit).toFixed(unit === 1 ? 0 : 2)} ${name}`;
};

/** A multiply and an addition each. */
export const flopsOf = ({ macs, macsSkipped }: { readonly macs: number; readonly macsSkipped: number }): { readonly flopsDone: number; readonly flopsSaved: number } => ({ flopsDone: 2 * macs, flopsSaved: 2 * macsSkipped });

export const flopsLine = (counts: { readonly macs: number; readonly macsSkipped: number }): string => {
  const { flopsDone, flopsSaved } = flopsOf(counts), all = flopsDone + flopsSaved;
  return `matrix products: ${showFlops(flopsDone)} done, ${showFlops(flopsSaved)} saved by absent weights (${showShare(all === 0 ? 0 : flopsSaved / all)} of the ${showFlops(all)} of dense weights)`;
};
