/**
 * Points of a sweep: what is varied over what stays, in an order that never changes, each with a key of its own.
 *
 *   base ─┐
 *   list ─┼─▶ for each entry of the list, for each combination of the grid (its last parameter fastest) ─▶ point {key, parameters}
 *   grid ─┘
 *
 * A key is the hash of all parameters of a point and of whatever else its result depends on (`context`), so results are found again whatever sweep they come from.
 * Not here: values and ranges (values.ts), what parameters mean, results (results.ts).
 */
import { createHash } from 'node:crypto';
import { InvalidConfig } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { Parameters, Value } from './values.js';

export interface Axis {
  readonly path: string;
  readonly values: readonly Value[];
}

export interface SweepSpec {
  /** What stays. A parameter that varies too takes its varying value. */
  readonly base: Parameters;
  /** Every combination of these. */
  readonly grid: readonly Axis[];
  /** Parameters that vary together, one entry after the other. Empty: none do. */
  readonly list: readonly Parameters[];
}

export interface SweepPoint {
  /** 32 hexadecimal digits. */
  readonly key: string;
  /** All parameters. */
  readonly parameters: Parameters;
}

/** What the result of a point depends on besides its parameters: the version of the program, contents of files. */
export type Context = (parameters: Parameters) => string;

/** Most points of a sweep. */
export const pointsMax = 100_000;
const keyDigits = 32;

/** Names of what varies, in the order of columns. */
export const variedPaths = ({ grid, list }: SweepSpec): readonly string[] => [...new Set([...list.flatMap((entry) => Object.keys(entry)), ...grid.map(({ path }) => path)])];

/** Refuses parameters that nobody knows. @throws InvalidConfig naming the nearest that there is */
export const checkPaths = (spec: SweepSpec, known: readonly string[]): void => {
  const unknown = [...Object.keys(spec.base), ...variedPaths(spec)].find((path) => !known.includes(path));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  throw new InvalidConfig({ what: 'unknown parameter', value: unknown, hint: near === null ? 'there is none' : `did you mean ${near}?` });
};

/** Parameters that vary together, each with as many values as the others, entry by entry. @throws InvalidConfig */
export const zipped = (axes: readonly Axis[]): readonly Parameters[] => {
  const [first] = axes, other = axes.find(({ values }) => values.length !== first?.values.length);
  if (first === undefined) return [];
  if (other !== undefined) throw new InvalidConfig({ what: `values of ${other.path} in a list`, value: other.values.length, limit: `${first.values.length}, as ${first.path} has`, hint: 'give all the same number of values' });
  return first.values.map((_, i) => Object.fromEntries(axes.map(({ path, values }) => [path, values[i] as Value])));
};

const keyOf = (parameters: Parameters, context: Context): string =>
  createHash('sha256').update(JSON.stringify([context(parameters), Object.entries(parameters).toSorted(([a], [b]) => (a < b ? -1 : 1))])).digest('hex').slice(0, keyDigits);

const show = (parameters: Parameters): string => Object.entries(parameters).map(([path, value]) => `${path} ${value}`).join(', ');

/**
 * All points in their order.
 *
 * @throws InvalidConfig for a parameter in both list and grid, for a grid with one twice, for points that are the same, and for more than `pointsMax`
 */
export const sweepPoints = ({ base, grid, list }: SweepSpec, context: Context): readonly SweepPoint[] => {
  const inList = new Set(list.flatMap((entry) => Object.keys(entry)));
  for (const [i, { path }] of grid.entries()) {
    if (inList.has(path) || grid.findIndex((axis) => axis.path === path) !== i) throw new InvalidConfig({ what: `${path} varies twice`, hint: 'name it once, in the grid or in the list' });
  }
  const size = grid.reduce((count, { values }) => count * values.length, Math.max(1, list.length));
  if (size > pointsMax) throw new InvalidConfig({ what: 'points of the sweep', value: size, limit: pointsMax, hint: 'vary less at once' });
  const combinations = grid.reduce<readonly Parameters[]>((before, { path, values }) => before.flatMap((one) => values.map((value) => ({ ...one, [path]: value }))), [{}]);
  const seen = new Map<string, Parameters>();
  for (const entry of list.length === 0 ? [{}] : list) {
    for (const combination of combinations) {
      const parameters = { ...base, ...entry, ...combination }, key = keyOf(parameters, context);
      if (seen.has(key)) throw new InvalidConfig({ what: `two points are the same: ${show({ ...entry, ...combination })}`, hint: 'leave one of them out' });
      seen.set(key, parameters);
    }
  }
  return [...seen].map(([key, parameters]) => ({ key, parameters }));
};
