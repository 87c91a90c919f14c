/**
 * Masks of the oracle: the algorithms of docs/numerics.md §14, written the plain way, with lists that are sorted.
 *
 *   cells (a position, or four outputs that share their inputs) with scores ─sort by score, then by index─▶ the first k of each group
 *
 * Judges the masks of the cluster bit for bit, given the same weights, gradients and seed; values of schedules come with the plan. Not here: arithmetic of sparse layers.
 */
import type { MaskUpdate, SparseParameter, SparsityGroup } from '../model/sparsity.js';
import { purposes, randomWord } from '../util/prng.js';

const f = Math.fround;

/** What competes with what: the dense index of a cell's first position, its score, and the group in which it competes. */
interface Cell {
  readonly index: number;
  readonly group: string;
  readonly score: number;
}
type Score = (positions: readonly number[]) => number;

/** Positions that are kept or dropped at once, by the first of them. */
const positionsOf = (plan: SparseParameter, index: number): number[] => (plan.pattern === 'blocks' ? [index, index + 1, index + 2, index + 3] : [index]);

/** The part of a weight that holds a number of stored cells of its own. */
const partOf = ({ inputs, outputs, pattern, balance }: SparseParameter, index: number): string => {
  const input = Math.floor(index / outputs), output = index % outputs;
  if (typeof pattern === 'object') return `output ${output}, inputs ${Math.floor(input / pattern.m)}`;
  if (balance === null) return 'all';
  return balance.axis === 'inputs' ? `inputs ${Math.floor(input / (inputs / balance.groups))}` : `outputs ${Math.floor(output / (outputs / balance.groups))}`;
};

const cellsOf = (plan: SparseParameter, score: Score): Cell[] => {
  const step = plan.pattern === 'blocks' ? 4 : 1, cells: Cell[] = [];
  for (let index = 0; index < plan.inputs * plan.outputs; index += step) cells.push({ index, group: partOf(plan, index), score: score(positionsOf(plan, index)) });
  return cells;
};

/** |x| as a number that orders all floats: NaN above infinity, all NaN alike. Of several the sum, in f32 from +0. */
const magnitude = (values: Float32Array): Score => (positions) => {
  const sum = positions.reduce((total, p) => f(total + Math.abs(values[p] as number)), 0);
  return Number.isNaN(sum) ? Infinity : sum === Infinity ? Number.MAX_VALUE : sum;
};
const random = (seed: number, purpose: 7 | 8, parameter: number, version: number): Score => ([first = 0]) => randomWord(seed, purpose, first, version, parameter);

/** int((1 − part) · count), each operation in f32. */
const part = (fraction: number, count: number): number => Math.floor(f(f(1 - f(fraction)) * f(count)));

const grouped = (cells: readonly Cell[]): Map<string, Cell[]> => {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const group = groups.get(cell.group);
    if (group === undefined) groups.set(cell.group, [cell]);
    else group.push(cell);
  }
  return groups;
};
/** The k best cells. */
const best = (cells: readonly Cell[], k: number): Cell[] => cells.toSorted((a, b) => b.score - a.score || a.index - b.index).slice(0, Math.max(0, k));

/** How many cells of a group of so many are stored. */
const wanted = ({ pattern }: SparseParameter, sparsity: number, cells: number): number => (typeof pattern === 'object' ? pattern.n : part(sparsity, cells));

const maskOf = (plan: SparseParameter, cells: readonly Cell[]): Uint8Array => {
  const mask = new Uint8Array(plan.inputs * plan.outputs);
  for (const { index } of cells) for (const p of positionsOf(plan, index)) mask[p] = 1;
  return mask;
};

/** The highest scores of each group. */
const topOf = (plan: SparseParameter, score: Score, sparsity: number): Uint8Array =>
  maskOf(plan, [...grouped(cellsOf(plan, score)).values()].flatMap((cells) => best(cells, wanted(plan, sparsity, cells.length))));

/** The mask that an update leaves, from what was before it. */
export const referenceNextMask = (
  plan: SparseParameter, { version, sparsity, dropFraction }: MaskUpdate,
  { mask, weights, gradient }: { readonly mask: Uint8Array; readonly weights: Float32Array; readonly gradient: Float32Array | null }, seed: number,
): Uint8Array => {
  if (plan.algorithm === 'static') return Uint8Array.from(mask);
  if (plan.algorithm === 'gmp') return topOf(plan, magnitude(weights), sparsity);
  const grow = plan.algorithm === 'set' ? random(seed, purposes.maskGrow, plan.parameter, version) : magnitude(gradient ?? new Float32Array());
  const groups = [...grouped(cellsOf(plan, magnitude(weights))).values()];
  const isStored = ({ index }: Cell): boolean => mask[index] === 1;
  const keep = part(dropFraction, groups.flat().filter(isStored).length / groups.length);
  return maskOf(plan, groups.flatMap((cells) => {
    const kept = best(cells.filter(isStored), keep), still = new Set(kept);
    const absent = cells.filter((cell) => !still.has(cell)).map((cell) => ({ ...cell, score: grow(positionsOf(plan, cell.index)) }));
    return [...kept, ...best(absent, part(sparsity, cells.length) - kept.length)];
  }));
};

/** Even spread: place r of a group's cells is stored where ⌊(r + 1) · k / cells⌋ is above ⌊r · k / cells⌋; rows are turned, each by one more. */
const checkerboard = (plan: SparseParameter, sparsity: number): Uint8Array => {
  const { inputs, outputs, pattern, balance } = plan, step = pattern === 'blocks' ? 4 : 1, columns = outputs / step;
  const rowsOf = balance?.axis === 'inputs' ? inputs / balance.groups : inputs, columnsOf = balance?.axis === 'outputs' ? columns / balance.groups : columns;
  return maskOf(plan, cellsOf(plan, () => 0).filter(({ index }) => {
    const row = Math.floor(index / outputs), column = (index % outputs) / step;
    if (typeof pattern === 'object') {
      const r = ((row % pattern.m) + column) % pattern.m;
      return Math.floor(((r + 1) * pattern.n) / pattern.m) > Math.floor((r * pattern.n) / pattern.m);
    }
    const i = row % rowsOf, o = column % columnsOf, size = rowsOf * columnsOf, k = BigInt(part(sparsity, size));
    const r = BigInt(i * columnsOf + ((o + i) % columnsOf));
    return ((r + 1n) * k) / BigInt(size) > (r * k) / BigInt(size);
  }));
};

/** The first mask of a group that has one by a rule; a user's own function is its own oracle. */
export const referenceFirstMask = (init: Exclude<SparsityGroup['init'], (...given: never[]) => unknown>, plan: SparseParameter, weights: Float32Array, startSparsity: number, seed: number): Uint8Array => {
  switch (init) {
    case 'random':
      return topOf(plan, random(seed, purposes.maskInit, plan.parameter, 0), startSparsity);
    case 'topk':
      return topOf(plan, magnitude(weights), startSparsity);
    case 'from_zeros':
      // N of M: zeros fill up, the lower inputs first, as ties do.
      return typeof plan.pattern === 'object' ? topOf(plan, magnitude(weights), startSparsity) : maskOf(plan, cellsOf(plan, magnitude(weights)).filter(({ score }) => score !== 0));
    case 'checkerboard':
      return checkerboard(plan, startSparsity);
  }
};
