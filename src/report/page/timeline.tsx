/**
 * The timeline of a step: who is at which layer and pass when; by pointer and by keyboard.
 *
 *   spans ─rowsOf─▶ rows ─▶ canvas; arrows walk from span to span, + and − look closer, a drag or Shift with arrows moves the window
 *
 * Not here: pixels (timeline-draw.ts), rows and windows (timeline-rows.ts).
 */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ReportSpan } from '../input.js';
import { seconds, whole } from './format.js';
import { layerName, phaseColours, spanName } from './names.js';
import type { PageData } from './packed.js';
import { Legend, Section, Twin, useWidth } from './parts.js';
import { DataTable, type Column } from './table.js';
import { useScheme } from './theme.js';
import { drawTimeline, geometryOf, timeAt, trackAt } from './timeline-draw.js';
import { moved, rowsOf, showing, spanAt, stepped, zoomed, type Place, type RowsBy, type View } from './timeline-rows.js';

const keysOfSteps = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down', Home: 'first', End: 'last' } as const;

export const Timeline = ({ work, price, spans }: Pick<PageData, 'work' | 'price'> & { readonly spans: readonly ReportSpan[] }) => {
  const scheme = useScheme(), canvas = useRef<HTMLCanvasElement>(null), drag = useRef<{ x: number; view: View; moved: boolean } | null>(null);
  const [box, width] = useWidth<HTMLDivElement>();
  const [by, setBy] = useState<RowsBy>('device'), [chosen, setChosen] = useState<Place | null>(null), [under, setUnder] = useState<Place | null>(null);
  const lastEnd = useMemo(() => spans.reduce((latest, { end }) => Math.max(latest, end), 0), [spans]);
  const full = Math.max(price.step.seconds, lastEnd), merged = useMemo(() => spans.filter((span) => span.merged !== undefined).length, [spans]);
  const [view, setView] = useState<View>({ from: 0, to: full });
  const rows = useMemo(() => rowsOf(spans, by, work.layers), [spans, by, work]);
  const geometry = useMemo(() => geometryOf(rows, width), [rows, width]);

  useLayoutEffect(() => {
    if (canvas.current === null || width === 0) return;
    drawTimeline(canvas.current, geometry, { rows, view, scheme, chosen, stepSeconds: price.step.seconds, label: (span) => spanName(work, by === 'device' ? span : { ...span, layer: -1 }) });
  }, [rows, geometry, view, scheme, chosen, width]);

  const look = (factor: number, about = (view.from + view.to) / 2): void => setView((now) => zoomed(now, factor, about, full));
  const move = (share: number): void => setView((now) => moved(now, share * (now.to - now.from), full));
  const choose = (place: Place): void => {
    const span = rows[place.row]?.spans[place.span];
    if (span === undefined) return;
    setChosen(place);
    setView((now) => showing(now, span, full));
  };

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    // The wheel scrolls the page until the timeline has the focus, or Ctrl is held.
    const wheel = (event: WheelEvent): void => {
      if (document.activeElement !== element && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) move((event.deltaX || event.deltaY) / 800);
      else look(Math.exp(event.deltaY / 400), timeAt(geometry, view, event.offsetX));
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  }, [geometry, view]);

  const key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = keysOfSteps[event.key as keyof typeof keysOfSteps] as (typeof keysOfSteps)[keyof typeof keysOfSteps] | undefined;
    const at = chosen === null ? undefined : rows[chosen.row]?.spans[chosen.span], about = at === undefined ? undefined : (at.start + at.end) / 2;
    if (event.shiftKey && (step === 'left' || step === 'right')) move(step === 'left' ? -0.2 : 0.2);
    else if (step !== undefined) choose(chosen === null ? { row: 0, span: 0 } : stepped(rows, chosen, step));
    else if (event.key === '+' || event.key === '=') look(0.5, about);
    else if (event.key === '-' || event.key === '_') look(2, about);
    else if (event.key === '0') setView({ from: 0, to: full });
    else return;
    event.preventDefault();
  };

  const placeAt = (x: number, y: number): Place | null => {
    const track = trackAt(geometry, rows, y), row = track === null ? undefined : rows[track.row];
    if (track === null || row === undefined || x < geometry.gutter) return null;
    const span = spanAt(row, track.track, timeAt(geometry, view, x), ((view.to - view.from) / Math.max(1, width - geometry.gutter)) * 3);
    return span < 0 ? null : { row: track.row, span };
  };
  const pointer = (event: PointerEvent): void => {
    const from = drag.current;
    if (from !== null) {
      from.moved ||= Math.abs(event.offsetX - from.x) > 3;
      setView(moved(from.view, ((from.x - event.offsetX) / Math.max(1, width - geometry.gutter)) * (from.view.to - from.view.from), full));
    } else setUnder(placeAt(event.offsetX, event.offsetY));
  };
  const press = (event: PointerEvent): void => {
    canvas.current?.setPointerCapture(event.pointerId);
    drag.current = { x: event.offsetX, view, moved: false };
  };
  const release = (event: PointerEvent): void => {
    if (drag.current !== null && !drag.current.moved) setChosen(placeAt(event.offsetX, event.offsetY));
    drag.current = null;
  };

  const place = under ?? chosen, span = place === null ? undefined : rows[place.row]?.spans[place.span];
  const bound = span === undefined ? undefined : price.passes.find(({ pass }) => pass === span.pass)?.bound;
  const phases = useMemo(() => (Object.keys(phaseColours) as ReportSpan['phase'][]).filter((phase) => spans.some((one) => one.phase === phase)), [spans]);
  const columns: readonly Column<ReportSpan>[] = [
    { key: 'start', head: 'Begin', number: true, value: (s) => s.start, show: (s) => seconds(s.start, 6) },
    { key: 'length', head: 'Length', number: true, value: (s) => s.end - s.start, show: (s) => seconds(s.end - s.start) },
    { key: 'lane', head: 'Device', value: (s) => s.lane }, { key: 'layer', head: 'Layer', value: (s) => s.layer, show: (s) => layerName(work, s.layer) },
    { key: 'pass', head: 'Pass', value: (s) => work.passes[s.pass]?.op ?? null }, { key: 'phase', head: 'Phase', value: (s) => s.phase },
    { key: 'micro', head: 'Micro-batch', number: true, value: (s) => s.microBatch, show: (s) => (s.microBatch < 0 ? '–' : whole(s.microBatch + 1)) },
    ...(merged === 0 ? [] : [{ key: 'merged', head: 'Stands for', number: true, value: (s: ReportSpan) => s.merged ?? 1, show: (s: ReportSpan) => whole(s.merged ?? 1) }]),
  ];
  return (
    <Section id="timeline" title="Timeline of a step" lead={`${whole(spans.length)} spans of one step of ${seconds(price.step.seconds)}, in virtual time${merged === 0 ? '' : `; ${whole(merged)} of them stand for several neighbours each`}. The dashed line is the step’s end.`}>
      <div class="tools">
        <fieldset class="choice">
          <legend>Rows</legend>
          {(['device', 'layer'] as const).map((name) => (
            <label key={name}><input type="radio" name="rows" value={name} checked={by === name} onChange={() => { setBy(name); setChosen(null); setUnder(null); }} /><span>{name === 'device' ? 'by device' : 'by layer'}</span></label>
          ))}
        </fieldset>
        <div class="buttons">
          <button type="button" onClick={() => move(-0.4)} aria-label="earlier">←</button>
          <button type="button" onClick={() => move(0.4)} aria-label="later">→</button>
          <button type="button" onClick={() => look(0.5)} aria-label="look closer">+</button>
          <button type="button" onClick={() => look(2)} aria-label="look from further away">−</button>
          <button type="button" onClick={() => setView({ from: 0, to: full })}>whole step</button>
        </div>
        <Legend items={phases.map((phase) => ({ name: phase, kind: phaseColours[phase], shape: 'square' as const }))} />
      </div>
      <div ref={box} class="canvas">
        <canvas ref={canvas} tabIndex={0} role="application" aria-roledescription="timeline" aria-label={`Timeline of a step by ${by}`} aria-describedby="timeline-help timeline-readout" data-view={`${view.from} ${view.to}`}
          onKeyDown={key} onPointerMove={pointer} onPointerDown={press} onPointerUp={release} onPointerCancel={() => { drag.current = null; }} onPointerLeave={() => setUnder(null)} onDblClick={() => setView({ from: 0, to: full })} />
        <div class="window" aria-hidden="true" style={{ marginInlineStart: `${geometry.gutter}px` }}><span style={{ insetInlineStart: `${(view.from / full) * 100}%`, inlineSize: `${((view.to - view.from) / full) * 100}%` }} /></div>
      </div>
      <output id="timeline-readout" class="readout" aria-live="polite">
        {span === undefined || place === null
          ? 'Point at a span, or focus the timeline and press an arrow key.'
          : `${span.lane}: ${spanName(work, span)}, ${span.phase}${span.microBatch < 0 ? '' : `, micro-batch ${span.microBatch + 1}`}; ${seconds(span.start, 6)} to ${seconds(span.end, 6)}, ${seconds(span.end - span.start)}${span.merged === undefined ? '' : `; ${whole(span.merged)} neighbours, busy in parts`}${bound === undefined ? '' : `; the pass is bound by ${bound}`}`}
      </output>
      <p id="timeline-help" class="help"><kbd>←</kbd> <kbd>→</kbd> walk along a row, <kbd>↑</kbd> <kbd>↓</kbd> change the row, <kbd>Home</kbd> <kbd>End</kbd> its ends, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>Shift</kbd> with <kbd>←</kbd> <kbd>→</kbd> moves the window, <kbd>0</kbd> shows all. Drag to move; the wheel zooms when the timeline has the focus or <kbd>Ctrl</kbd> is held.{by === 'layer' ? ' Rows by layer show what wafers and the optimizer do.' : ''}</p>
      <Twin summary={`All ${whole(spans.length)} spans as a table`}>{() => <DataTable caption="Spans of one step" columns={columns} rows={spans} order={{ key: 'start', down: false }} />}</Twin>
    </Section>
  );
};
