/**
 * Series of points as the columns that the plotting library draws: one ascending list of x, and a list of y for each series with gaps where it has no point.
 *
 * Not here: drawing (plot.tsx).
 */
import type { Colour } from './palette.js';
import type { Shape } from './names.js';

export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** What it is, where the axes do not say. */
  readonly note?: string;
}

export interface PlotSeries {
  readonly name: string;
  readonly kind: Colour;
  readonly points: readonly PlotPoint[];
  readonly line?: 'solid' | 'dashed';
  readonly shape?: Shape;
}

export interface Aligned {
  readonly x: readonly number[];
  /** By series; null: no point of it here. */
  readonly y: readonly (readonly (number | null)[])[];
  /** By series and place: the number of the point in its series. */
  readonly origin: readonly (readonly (number | null)[])[];
}

/** Points of different series at one x share a place; two of one series have a place each. Points that an axis cannot show are left to the table. */
export const aligned = (series: readonly PlotSeries[], drawable: (point: PlotPoint) => boolean): Aligned => {
  const all = series.flatMap(({ points }, s) => points.map((point, i) => ({ s, i, point }))).filter(({ point }) => drawable(point)).toSorted((a, b) => a.point.x - b.point.x);
  const x: number[] = [], y: (number | null)[][] = series.map(() => []), origin: (number | null)[][] = series.map(() => []);
  let first = 0;
  for (const { s, i, point } of all) {
    if (x.at(-1) !== point.x) first = x.length;
    const own = y[s] as (number | null)[], from = origin[s] as (number | null)[];
    let place = first;
    while (place < x.length && own[place] !== null) place++;
    if (place === x.length) {
      x.push(point.x);
      for (const list of [...y, ...origin]) list.push(null);
    }
    own[place] = point.y;
    from[place] = i;
  }
  return { x, y, origin };
};

/** Whether axes of these kinds can show a point. */
export const drawableOn = (xLog: boolean, yLog: boolean) => ({ x, y }: PlotPoint): boolean => Number.isFinite(x) && Number.isFinite(y) && (!xLog || x > 0) && (!yLog || y > 0);

/** Powers of two or of ten between two ends; of few tens, 2 and 5 times each besides. */
export const logTicks = (base: 2 | 10, from: number, to: number): readonly number[] => {
  const log = base === 2 ? Math.log2 : Math.log10, first = Math.floor(log(from) + 1e-9), last = Math.floor(log(to) + 1e-9);
  const between = base === 10 && to / from < 500 ? [1, 2, 5] : [1];
  return Array.from({ length: last - first + 1 }, (_, i) => between.map((factor) => factor * base ** (first + i))).flat().filter((tick) => tick >= from * (1 - 1e-9) && tick <= to * (1 + 1e-9));
};
