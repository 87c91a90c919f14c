/**
 * Where spans stand in the timeline: rows by device or by layer, tracks inside a row where spans overlap, and the window of time that is seen.
 *
 *   Span[] ─rowsOf─▶ rows of spans with tracks ─▶ timeline-draw.ts, timeline.tsx
 *
 * Not here: pixels.
 */
import type { ReportSpan } from '../input.js';
import { laneOrder } from './names.js';

export type RowsBy = 'device' | 'layer';

export interface Row {
  readonly label: string;
  /** In order of their begin; `tracks[i]` is the track of `spans[i]`. */
  readonly spans: readonly ReportSpan[];
  readonly tracks: readonly number[];
  readonly trackCount: number;
  /** `latest[i]`: the latest end of the spans up to i, so that what can be seen is found by halving. */
  readonly latest: readonly number[];
}

/** Each span on the first track that is free; touching spans share one. */
const rowOf = (label: string, unsorted: readonly ReportSpan[]): Row => {
  const spans = unsorted.toSorted((a, b) => a.start - b.start || a.end - b.end);
  const free: number[] = [];
  const latest: number[] = [];
  const tracks = spans.map((span, i) => {
    const gap = (span.end - span.start) * 1e-9;
    const open = free.findIndex((end) => end <= span.start + gap);
    const track = open < 0 ? free.length : open;
    free[track] = span.end;
    latest.push(Math.max(latest[i - 1] ?? 0, span.end));
    return track;
  });
  return { label, spans, tracks, trackCount: Math.max(1, free.length), latest };
};

/** By device: a row a lane. By layer: a row a layer, of what wafers and optimizer do for it. */
export const rowsOf = (spans: readonly ReportSpan[], by: RowsBy, layers: readonly string[]): readonly Row[] => {
  const groups = new Map<string | number, ReportSpan[]>((by === 'device' ? laneOrder : layers.map((_, i) => i)).map((key) => [key, []]));
  if (by === 'layer') groups.set(-1, []);
  for (const span of spans) if (by === 'device' || span.lane === 'wafer' || span.lane === 'optimizer') groups.get(by === 'device' ? span.lane : span.layer)?.push(span);
  return [...groups].filter(([, list]) => list.length > 0).map(([key, list]) => rowOf(typeof key === 'string' ? key : (layers[key] ?? 'no layer'), list));
};

/** Number of the first entry of an ascending list that is not below `value`. */
export const firstFrom = (count: number, isBelow: (i: number) => boolean): number => {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBelow(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
};

export interface View {
  readonly from: number;
  readonly to: number;
}

/** The window inside [0, full], as wide as it was where it can be; never narrower than a ten-millionth of all. */
export const within = ({ from, to }: View, full: number): View => {
  const width = Math.min(full, Math.max(to - from, full * 1e-7));
  const start = Math.min(full - width, Math.max(0, from));
  return { from: start, to: start + width };
};

/** `factor` below 1 looks closer; `about` stays where it is. */
export const zoomed = ({ from, to }: View, factor: number, about: number, full: number): View => {
  const width = Math.min(full, Math.max((to - from) * factor, full * 1e-7)), real = width / (to - from);
  return within({ from: about - (about - from) * real, to: about + (to - about) * real }, full);
};

export const moved = ({ from, to }: View, by: number, full: number): View => within({ from: from + by, to: to + by }, full);

/** The view with a span in it: as it is if the span can be seen, else moved, and widened where the span is wider. */
export const showing = (view: View, span: Pick<ReportSpan, 'start' | 'end'>, full: number): View => {
  if (span.start >= view.from && span.end <= view.to) return view;
  const width = Math.max(view.to - view.from, (span.end - span.start) * 1.2), middle = (span.start + span.end) / 2;
  return within({ from: middle - width / 2, to: middle + width / 2 }, full);
};

export interface Place {
  readonly row: number;
  readonly span: number;
}

/** The span beside one: the next or last of its row, or the one of another row that begins nearest. */
export const stepped = (rows: readonly Row[], at: Place, direction: 'left' | 'right' | 'up' | 'down' | 'first' | 'last'): Place => {
  const row = rows[at.row];
  if (row === undefined) return at;
  const last = row.spans.length - 1;
  switch (direction) {
    case 'left':
      return { row: at.row, span: Math.max(0, at.span - 1) };
    case 'right':
      return { row: at.row, span: Math.min(last, at.span + 1) };
    case 'first':
      return { row: at.row, span: 0 };
    case 'last':
      return { row: at.row, span: last };
    case 'up':
    case 'down': {
      const number = at.row + (direction === 'up' ? -1 : 1), next = rows[number], start = row.spans[at.span]?.start ?? 0;
      if (next === undefined) return at;
      const behind = firstFrom(next.spans.length, (i) => (next.spans[i] as ReportSpan).start < start);
      const distance = (i: number): number => Math.abs((next.spans[i]?.start ?? Number.POSITIVE_INFINITY) - start);
      return { row: number, span: distance(behind - 1) < distance(behind) ? behind - 1 : Math.min(behind, next.spans.length - 1) };
    }
    default:
      return direction satisfies never;
  }
};

/** The span of a row and track at a moment, or the nearest within `slack` seconds. */
export const spanAt = (row: Row, track: number, time: number, slack: number): number => {
  const end = firstFrom(row.spans.length, (i) => (row.spans[i] as ReportSpan).start <= time + slack);
  let best = -1, distance = Number.POSITIVE_INFINITY;
  for (let i = end - 1; i >= 0 && (row.latest[i] as number) >= time - slack; i--) {
    const span = row.spans[i] as ReportSpan, away = Math.max(0, span.start - time, time - span.end);
    if (row.tracks[i] === track && away <= slack && away < distance) [best, distance] = [i, away];
    if (distance === 0) break;
  }
  return best;
};
