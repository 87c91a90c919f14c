/**
 * Cells: what an algorithm keeps or drops at once. A position, or the four outputs of a block; and the groups of cells that each hold a number of their own.
 *
 *   weight [inputs][outputs] ─▶ cells [inputs][columns], columns = outputs / lanes ─▶ groups: rectangles of cells (all of them, runs of inputs, or runs of outputs)
 *
 * A cell's index ascends as the dense index of its first position does. Not here: scores (scores.ts), choosing (select.ts).
 */
import type { MaskBalance, SparseParameter } from '../model/sparsity.js';

/** Cells of rows firstRow … endRow−1 and columns firstColumn … endColumn−1. */
export interface CellGroup {
  readonly firstRow: number;
  readonly endRow: number;
  readonly firstColumn: number;
  readonly endColumn: number;
}

export interface Cells {
  readonly rows: number;
  readonly columns: number;
  /** Positions of a cell: consecutive outputs. */
  readonly lanes: number;
  readonly groups: readonly CellGroup[];
}

const groupsOf = (rows: number, columns: number, balance: MaskBalance | null): CellGroup[] => {
  const whole = { firstRow: 0, endRow: rows, firstColumn: 0, endColumn: columns };
  if (balance === null) return [whole];
  const { axis, groups } = balance, length = (axis === 'inputs' ? rows : columns) / groups;
  return Array.from({ length: groups }, (_, g) =>
    axis === 'inputs' ? { ...whole, firstRow: g * length, endRow: (g + 1) * length } : { ...whole, firstColumn: g * length, endColumn: (g + 1) * length });
};

/** The cells of a parameter, whose sizes were checked by plan.ts. */
export const cellsOf = ({ inputs, outputs, pattern, balance }: Pick<SparseParameter, 'inputs' | 'outputs' | 'pattern' | 'balance'>): Cells => {
  const lanes = pattern === 'blocks' ? 4 : 1, columns = outputs / lanes;
  return { rows: inputs, columns, lanes, groups: groupsOf(inputs, columns, balance) };
};

export const groupSize = (group: CellGroup): number => (group.endRow - group.firstRow) * (group.endColumn - group.firstColumn);

/** int((1 − sparsity) · numel) in f32, as PyTorch counts; never more than there are. */
export const storedCount = (sparsity: number, numel: number): number => Math.min(numel, share(sparsity, numel));
/** int((1 − part) · of) in f32. */
export const share = (part: number, of: number): number => Math.trunc(Math.fround(Math.fround(1 - Math.fround(part)) * Math.fround(of)));

/** One byte a cell of a mask that keeps to the pattern. */
export const cellMask = (mask: Uint8Array, { lanes }: Cells): Uint8Array => {
  if (lanes === 1) return mask.slice();
  const cells = new Uint8Array(mask.length / lanes);
  for (let c = 0; c < cells.length; c++) cells[c] = mask[c * lanes] as number;
  return cells;
};

/** The mask of such bytes. */
export const maskOfCells = (cells: Uint8Array, { lanes }: Cells): Uint8Array => {
  if (lanes === 1) return cells;
  const mask = new Uint8Array(cells.length * lanes);
  for (let c = 0; c < cells.length; c++) if (cells[c] === 1) mask.fill(1, c * lanes, (c + 1) * lanes);
  return mask;
};

/** Stored cells of a group. */
export const storedIn = (cells: Uint8Array, columns: number, { firstRow, endRow, firstColumn, endColumn }: CellGroup): number => {
  let stored = 0;
  for (let row = firstRow; row < endRow; row++) for (let c = row * columns + firstColumn, end = row * columns + endColumn; c < end; c++) stored += cells[c] as number;
  return stored;
};
