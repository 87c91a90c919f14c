/**
 * Draws the timeline on a canvas: an axis of seconds, rows of spans, the chosen span, and the step's end.
 *
 *   rows, View, Scheme ─▶ pixels; the same geometry tells what lies under the pointer
 *
 * Thousands of spans a frame: only those in the window are visited, and those narrower than a pixel are drawn once a pixel. Not here: keys and pointers (timeline.tsx).
 */
import type { ReportSpan } from '../input.js';
import { ticks } from './format.js';
import { phaseColours } from './names.js';
import { colourOf, inkOn, type Scheme } from './palette.js';
import { brush, canvasFont } from './parts.js';
import { firstFrom, type Place, type Row, type View } from './timeline-rows.js';

export interface Geometry {
  readonly width: number;
  readonly height: number;
  /** Room for the rows' names. */
  readonly gutter: number;
  readonly tops: readonly number[];
  readonly trackHeight: number;
  readonly rowGap: number;
}

const axisHeight = 26;

export const geometryOf = (rows: readonly Row[], width: number): Geometry => {
  const tracks = rows.reduce((sum, row) => sum + row.trackCount, 0);
  // Hundreds of layers share some five hundred pixels; thousands get one each.
  const each = Math.max(1, Math.min(22, 540 / Math.max(1, tracks))), rowGap = each >= 22 ? 8 : each >= 10 ? 3 : each >= 6 ? 1 : 0, trackHeight = each >= 22 ? each : each - rowGap;
  let top = axisHeight;
  const tops = rows.map((row) => {
    const own = top;
    top += row.trackCount * trackHeight + rowGap;
    return own;
  });
  return { width, height: top + 2, gutter: width < 560 ? 84 : 148, tops, trackHeight, rowGap };
};

export const timeAt = (geometry: Geometry, view: View, x: number): number => view.from + ((x - geometry.gutter) / Math.max(1, geometry.width - geometry.gutter)) * (view.to - view.from);

/** Row and track at a height; null between and beside them. */
export const trackAt = (geometry: Geometry, rows: readonly Row[], y: number): { readonly row: number; readonly track: number } | null => {
  const row = geometry.tops.findLastIndex((top) => y >= top);
  const track = Math.floor((y - (geometry.tops[row] ?? 0)) / geometry.trackHeight);
  return row < 0 || track >= (rows[row]?.trackCount ?? 0) ? null : { row, track };
};

const shortened = (context: CanvasRenderingContext2D, text: string, width: number): string => {
  if (context.measureText(text).width <= width) return text;
  const kept = firstFrom(text.length, (i) => context.measureText(`${text.slice(0, i + 1)}…`).width <= width);
  return kept === 0 ? '' : `${text.slice(0, kept)}…`;
};

export interface Drawn {
  readonly rows: readonly Row[];
  readonly view: View;
  readonly scheme: Scheme;
  readonly chosen: Place | null;
  readonly stepSeconds: number;
  readonly label: (span: ReportSpan) => string;
}

const drawAxis = (context: CanvasRenderingContext2D, geometry: Geometry, { view, scheme }: Drawn, x: (time: number) => number): void => {
  context.font = canvasFont(11);
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const room = geometry.width - geometry.gutter, times = ticks(view.from, view.to, Math.max(2, room / 90));
  const apart = (times[1] ?? view.to) - (times[0] ?? view.from), largest = Math.max(Math.abs(view.from), Math.abs(view.to));
  const digits = Math.min(12, Math.max(3, Math.ceil(Math.log10(largest / apart)) + 2));
  for (const time of times) {
    const at = Math.round(x(time)) + 0.5;
    context.strokeStyle = scheme.line;
    context.beginPath();
    context.moveTo(at, axisHeight - 6);
    context.lineTo(at, geometry.height);
    context.stroke();
    const text = tickOf(time, largest, digits), half = context.measureText(text).width / 2;
    context.fillStyle = scheme.muted;
    context.fillText(text, Math.min(geometry.width - half - 1, Math.max(geometry.gutter + half, at)), 9);
  }
};

/** All ticks in the unit of the largest, without zeros behind: "1.2 ms", "150 s". */
const tickOf = (time: number, largest: number, digits: number): string => {
  const power = largest >= 1 ? 0 : Math.max(-4, Math.floor(Math.log10(largest) / 3));
  return `${Number((time / 1000 ** power).toPrecision(digits))}\u00a0${['s', 'ms', 'µs', 'ns', 'ps'][-power] as string}`;
};

const snapped = (x: number): number => Math.round(x * devicePixelRatio) / devicePixelRatio;

const drawRow = (context: CanvasRenderingContext2D, geometry: Geometry, drawn: Drawn, number: number, x: (time: number) => number): void => {
  const { view, scheme, label } = drawn, row = drawn.rows[number] as Row, top = geometry.tops[number] as number, high = geometry.trackHeight;
  const first = firstFrom(row.spans.length, (i) => (row.latest[i] as number) < view.from), end = firstFrom(row.spans.length, (i) => (row.spans[i] as ReportSpan).start <= view.to);
  const inset = high >= 8 ? 1 : 0, filled = new Map<string, number>();
  for (let i = first; i < end; i++) {
    const span = row.spans[i] as ReportSpan, track = row.tracks[i] as number;
    if (span.end < view.from) continue;
    // On whole pixels of the screen, so that the thinnest have their colour.
    const left = Math.max(geometry.gutter, snapped(x(span.start))), right = Math.min(geometry.width, snapped(x(span.end))), wide = Math.max(1, right - left);
    const key = `${track} ${span.phase}`;
    if (wide <= 1 && filled.get(key) === Math.floor(left)) continue;
    filled.set(key, Math.floor(left));
    const colour = colourOf(scheme, phaseColours[span.phase]), y = top + track * high;
    context.fillStyle = colour;
    context.fillRect(left, y + inset, wide > 4 ? wide - 1 : wide, Math.max(1.5, high - 2 * inset));
    if (wide < 34 || high < 12) continue;
    context.font = canvasFont(11);
    context.textAlign = 'left';
    context.fillStyle = inkOn(colour);
    context.fillText(shortened(context, label(span), wide - 10), left + 5, y + high / 2 + 0.5);
  }
};

const drawNames = (context: CanvasRenderingContext2D, geometry: Geometry, { rows, scheme }: Drawn): void => {
  context.clearRect(0, 0, geometry.gutter - 1, geometry.height);
  context.font = canvasFont(geometry.width < 560 ? 11 : 12);
  context.textAlign = 'left';
  context.fillStyle = scheme.text;
  let free = 0;
  for (const [i, row] of rows.entries()) {
    const top = geometry.tops[i] as number, middle = top + (row.trackCount * geometry.trackHeight) / 2;
    // Where rows are low, as many names as have room.
    if (middle - 7 < free) continue;
    free = middle + 8;
    context.fillText(shortened(context, row.label, geometry.gutter - 10), 0, middle);
  }
};

export const drawTimeline = (canvas: HTMLCanvasElement, geometry: Geometry, drawn: Drawn): void => {
  const context = brush(canvas, geometry.width, geometry.height);
  if (context === null) return;
  const { view, scheme, chosen, stepSeconds } = drawn;
  const scale = (geometry.width - geometry.gutter) / (view.to - view.from), x = (time: number): number => geometry.gutter + (time - view.from) * scale;
  context.fillStyle = scheme.sunken;
  for (const [i, row] of drawn.rows.entries()) context.fillRect(geometry.gutter, geometry.tops[i] as number, geometry.width - geometry.gutter, row.trackCount * geometry.trackHeight);
  drawAxis(context, geometry, drawn, x);
  context.textBaseline = 'middle';
  for (const i of drawn.rows.keys()) drawRow(context, geometry, drawn, i, x);
  if (stepSeconds >= view.from && stepSeconds <= view.to) {
    const end = Math.min(geometry.width - 0.5, x(stepSeconds));
    context.strokeStyle = scheme.text;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(end, axisHeight - 8);
    context.lineTo(end, geometry.height);
    context.stroke();
    context.setLineDash([]);
  }
  drawNames(context, geometry, drawn);
  const span = chosen === null ? undefined : drawn.rows[chosen.row]?.spans[chosen.span];
  if (chosen === null || span === undefined || span.end < view.from || span.start > view.to) return;
  const track = drawn.rows[chosen.row]?.tracks[chosen.span] ?? 0, left = Math.max(geometry.gutter, x(span.start)), y = (geometry.tops[chosen.row] as number) + track * geometry.trackHeight;
  const wide = Math.max(3, Math.min(geometry.width, x(span.end)) - left);
  context.lineWidth = 2;
  for (const [grow, colour] of [[2, scheme.surface], [0, scheme.text]] as const) {
    context.strokeStyle = colour;
    context.strokeRect(left - 1 - grow / 2, y - grow / 2, wide + 1 + grow, geometry.trackHeight + grow);
  }
};
