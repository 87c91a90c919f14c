/**
 * One plot of lines and points: uPlot draws it; a read-out follows the pointer and the arrow keys; its figures stand beneath it as a table.
 *
 *   PlotSeries[] ─aligned─▶ uPlot on a canvas · Legend · read-out · table
 *
 * Not here: what is plotted (roofline.tsx, curves.tsx, run.tsx, sweep.tsx).
 */
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { whole } from './format.js';
import type { Shape } from './names.js';
import { colourOf, type Scheme } from './palette.js';
import { canvasFont, Legend, Twin, useWidth } from './parts.js';
import { aligned, drawableOn, logTicks, type PlotSeries } from './plot-data.js';
import { DataTable } from './table.js';
import { useScheme } from './theme.js';

export interface PlotAxis {
  readonly label: string;
  readonly show: (value: number) => string;
  /** Of its marks, where the label says the unit already. */
  readonly tick?: (value: number) => string;
  /** Logarithmic, with marks at powers of this. */
  readonly log?: 2 | 10;
  /** Starts at nought whatever the points say. */
  readonly fromZero?: boolean;
}

interface PlotProps {
  readonly title: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
  readonly height?: number;
}

/** A mark around a point of the canvas, in its own pixels. */
const mark = (context: CanvasRenderingContext2D, shape: Shape, x: number, y: number, r: number): void => {
  const corners: Readonly<Record<Exclude<Shape, 'circle'>, readonly (readonly [number, number])[]>> = {
    square: [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]], triangle: [[0, -1.1], [1.1, 0.9], [-1.1, 0.9]], diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
    cross: [[-0.55, -1.1], [0, -0.55], [0.55, -1.1], [1.1, -0.55], [0.55, 0], [1.1, 0.55], [0.55, 1.1], [0, 0.55], [-0.55, 1.1], [-1.1, 0.55], [-0.55, 0], [-1.1, -0.55]],
  };
  context.beginPath();
  if (shape === 'circle') context.arc(x, y, r, 0, 2 * Math.PI);
  else for (const [i, [dx, dy]] of corners[shape].entries()) context[i === 0 ? 'moveTo' : 'lineTo'](x + dx * r, y + dy * r);
  context.closePath();
  context.fill();
  context.stroke();
};

/** Ends of an axis around what it shows, with a little room; a single value gets room on both sides. */
const ranged = ({ log, fromZero = false }: PlotAxis) => (_: uPlot, min: number | null, max: number | null): [number, number] => {
  if (min === null || max === null) return log === undefined ? [0, 1] : [1, 10];
  if (log !== undefined) return min === max ? [min / 2, max * 2] : [min / (max / min) ** 0.06, max * (max / min) ** 0.08];
  const low = fromZero ? Math.min(0, min) : min, room = (max - low) * 0.06 || Math.abs(max) * 0.1 || 1;
  return [low === 0 ? 0 : low - room, max + room];
};

const axisOf = (axis: PlotAxis, scheme: Scheme, side: 'x' | 'y', narrow: boolean): uPlot.Axis => ({
  label: axis.label, stroke: scheme.muted, font: canvasFont(11), labelFont: canvasFont(12), labelSize: 22, size: side === 'x' ? 30 : narrow ? 58 : 74, space: side === 'x' ? 70 : 36,
  grid: { stroke: scheme.line, width: 1 }, ticks: { stroke: scheme.line, width: 1, size: 5 },
  values: (_, values) => values.map((value) => (value === null ? '' : (axis.tick ?? axis.show)(value).replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, ''))),
  ...(axis.log !== undefined ? { splits: (_: uPlot, __: number, min: number, max: number) => [...logTicks(axis.log ?? 10, min, max)], filter: (self: uPlot, values: number[]) => thinned(self, values, side) } : {}),
});

/** Every n-th tick of a logarithmic axis, so that its labels have room. */
const thinned = (self: uPlot, values: readonly number[], side: 'x' | 'y'): (number | null)[] => {
  const room = side === 'x' ? self.bbox.width / 62 : self.bbox.height / 28, every = Math.max(1, Math.ceil((values.length * devicePixelRatio) / Math.max(1, room)));
  return values.map((value, i) => (i % every === 0 ? value : null));
};

interface At {
  readonly series: number;
  readonly index: number;
}

export const Plot = ({ title, x, y, series, height = 300 }: PlotProps) => {
  const scheme = useScheme(), [box, width] = useWidth<HTMLDivElement>(), holder = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<At | null>(null);
  const data = useMemo(() => aligned(series, drawableOn(x.log !== undefined, y.log !== undefined)), [series, x.log, y.log]);
  const drawn = data.origin.map((list) => list.flatMap((origin, index) => (origin === null ? [] : [index])));
  const left = series.reduce((sum, { points }) => sum + points.length, 0) - drawn.reduce((sum, list) => sum + list.length, 0);

  useLayoutEffect(() => {
    if (holder.current === null || width === 0) return undefined;
    const ratio = devicePixelRatio;
    const points = (one: PlotSeries): uPlot.Series.Points => ({
      show: (self, s, from, to) => {
        if (one.shape === undefined || (one.line !== undefined && one.points.length > self.bbox.width / ratio / 6)) return false;
        const { ctx } = self, own = data.y[s - 1] ?? [];
        ctx.save();
        ctx.fillStyle = colourOf(scheme, one.kind);
        ctx.strokeStyle = scheme.surface;
        ctx.lineWidth = ratio;
        for (let i = from; i <= to; i++) {
          const value = own[i];
          if (typeof value === 'number') mark(ctx, one.shape, self.valToPos(data.x[i] as number, 'x', true), self.valToPos(value, 'y', true), 5 * ratio);
        }
        ctx.restore();
        return false;
      },
    });
    const near = (self: uPlot): void => {
      const { left: px = -1, top: py = -1 } = self.cursor;
      if (px < 0 || py < 0) return setAt(null);
      const middle = self.posToIdx(px);
      let best: At | null = null, distance = 48;
      for (const [s, own] of data.y.entries()) {
        for (let i = Math.max(0, middle - 200); i < Math.min(own.length, middle + 200); i++) {
          const value = own[i];
          if (typeof value !== 'number') continue;
          const away = Math.hypot(self.valToPos(data.x[i] as number, 'x') - px, self.valToPos(value, 'y') - py);
          if (away < distance) [best, distance] = [{ series: s, index: i }, away];
        }
      }
      return setAt(best);
    };
    const made = new uPlot({
      width, height, legend: { show: false }, padding: [8, 24, 0, 0],
      cursor: { points: { show: false }, drag: { x: false, y: false, setScale: false }, x: false, y: false },
      scales: { x: { time: false, distr: x.log === undefined ? 1 : 3, range: ranged(x) }, y: { distr: y.log === undefined ? 1 : 3, range: ranged(y) } },
      axes: [axisOf(x, scheme, 'x', width < 480), axisOf(y, scheme, 'y', width < 480)],
      series: [{}, ...series.map((one): uPlot.Series => ({ label: one.name, stroke: colourOf(scheme, one.kind), width: one.line === undefined ? 0 : 2, spanGaps: true, ...(one.line === 'dashed' ? { dash: [6, 5] } : {}), points: points(one), ...(one.line === undefined ? { paths: () => null } : {}) }))],
      hooks: { setCursor: [near] },
    }, [[...data.x], ...data.y.map((list) => [...list])], holder.current);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [data, scheme, width, height]);

  const key = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const some = drawn.flatMap((list, s) => (list.length > 0 ? [s] : []));
    const now = at ?? { series: some[0] ?? -1, index: -1 };
    const chosen = some[Math.max(0, Math.min(some.length - 1, some.indexOf(now.series) + (at === null ? 0 : (by[0] as number))))];
    if (chosen === undefined) return;
    const own = drawn[chosen] as readonly number[], place = own.findIndex((index) => index >= now.index), from = place < 0 ? own.length - 1 : place;
    setAt({ series: chosen, index: own[Math.max(0, Math.min(own.length - 1, at === null ? 0 : from + (by[1] as number)))] as number });
  };

  const one = at === null ? undefined : series[at.series], point = at === null ? undefined : one?.points[data.origin[at.series]?.[at.index] ?? -1];
  const ring = plot.current === null || point === undefined ? null : { left: plot.current.valToPos(point.x, 'x') + plot.current.over.offsetLeft, top: plot.current.valToPos(point.y, 'y') + plot.current.over.offsetTop };
  const rows = series.flatMap(({ name, points }) => points.map((p) => ({ name, p })));
  return (
    <figure class="plot">
      <figcaption>{title}</figcaption>
      <Legend items={series.filter(({ points }) => points.length > 0)} />
      <div ref={box} class="canvas" tabIndex={0} role="application" aria-roledescription="plot" aria-label={`${title}: ${y.label} over ${x.label}. Arrow keys read its points.`} onKeyDown={key} onBlur={() => setAt(null)} style={{ height: `${height}px` }}>
        <div ref={holder} />
        {ring === null ? null : <span class="ring" aria-hidden="true" style={{ left: `${ring.left}px`, top: `${ring.top}px` }} />}
      </div>
      <output class="readout" aria-live="polite">{point === undefined || one === undefined ? '\u00a0' : `${one.name}${point.note === undefined ? '' : `, ${point.note}`}: ${x.show(point.x)}, ${y.show(point.y)}`}</output>
      {left === 0 ? null : <p class="help">{whole(left)} of {whole(rows.length)} points cannot stand on these axes (infinite, or nought on a logarithmic one); the table has them.</p>}
      <Twin summary={`Figures of this plot (${whole(rows.length)})`}>{() => (
        <DataTable caption={title} rows={rows} columns={[
          { key: 'name', head: 'Series', value: (row) => row.name },
          ...(rows.some(({ p }) => p.note !== undefined) ? [{ key: 'note', head: 'Point', value: ({ p }: (typeof rows)[number]) => p.note ?? null }] : []),
          { key: 'x', head: x.label, number: true, value: ({ p }) => p.x, show: ({ p }) => x.show(p.x) }, { key: 'y', head: y.label, number: true, value: ({ p }) => p.y, show: ({ p }) => y.show(p.y) },
        ]} />
      )}</Twin>
    </figure>
  );
};
