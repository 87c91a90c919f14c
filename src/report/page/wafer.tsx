/**
 * The heat map of the fullest wafer: work, waiting, SRAM or traffic of every tile, read out under the pointer and by arrow keys.
 *
 * Not here: what the numbers are (wafer-map.ts), pixels (wafer-draw.ts).
 */
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { plain, whole } from './format.js';
import type { PageData } from './packed.js';
import { Section, Twin, Value, useWidth } from './parts.js';
import { DataTable, type Column } from './table.js';
import { useScheme } from './theme.js';
import { boxOf, canvasHeight, drawWafer, tileAt, tilesImage, type Tile } from './wafer-draw.js';
import { extentOf, lowOf, metricsOf, stretchesOf, type Metric, type Stretch } from './wafer-map.js';

const stretchColumns = (what: string, heads: readonly string[]): readonly Column<Stretch>[] => [
  { key: 'from', head: what, value: ({ from }) => from, show: ({ from, to }) => (from === to ? whole(from) : `${whole(from)} to ${whole(to)}`) },
  ...heads.map((head, i): Column<Stretch> => ({ key: head, head, number: true, value: ({ values }) => values[i] ?? null, show: ({ values }) => plain(values[i]) })),
];

const Figures = ({ work, metrics }: Pick<PageData, 'work'> & { readonly metrics: readonly Metric[] }) => {
  const { map } = work;
  return (
    <>
      <DataTable caption="Least, mean and most of all tiles" rows={metrics.map((metric) => ({ metric, extent: extentOf(map, metric.at) }))} columns={[
        { key: 'name', head: 'Figure', value: ({ metric }) => `${metric.name}, ${metric.unit}` },
        ...(['min', 'mean', 'max'] as const).map((key) => ({ key, head: { min: 'Least', mean: 'Mean', max: 'Most' }[key], number: true, value: ({ extent }: { readonly extent: ReturnType<typeof extentOf> }) => extent[key], show: ({ metric, extent }: { readonly metric: Metric; readonly extent: ReturnType<typeof extentOf> }) => metric.show(extent[key]) })),
      ]} />
      <p class="help">A tile’s work is its column’s products × its row’s tokens + scores × pairs; its traffic wavelets south + wavelets east × tokens; its activations bytes a token × tokens held.</p>
      <DataTable caption="By column" rows={stretchesOf([map.products, map.scores, map.south, map.east, map.activationBytes])} columns={stretchColumns('Columns', ['Products a token', 'Scores a pair', 'Wavelets south', 'Wavelets east a token', 'Activation bytes a token'])} />
      <DataTable caption="By row" rows={stretchesOf([map.tokens, map.pairs, map.heldTokens])} columns={stretchColumns('Rows', ['Tokens', 'Pairs', 'Tokens held'])} />
    </>
  );
};

export const Wafer = ({ work, price }: Pick<PageData, 'work' | 'price'>) => {
  const scheme = useScheme(), canvas = useRef<HTMLCanvasElement>(null), [box, width] = useWidth<HTMLDivElement>();
  const metrics = useMemo(() => metricsOf(work, price), [work, price]);
  const [key, setKey] = useState<Metric['key']>('work'), [chosen, setChosen] = useState<Tile>({ column: 0, row: 0 }), [under, setUnder] = useState<Tile | null>(null), [spread, setSpread] = useState(false);
  const metric = metrics.find((m) => m.key === key) as Metric;
  const columns = work.map.products.length, rows = work.map.tokens.length, beside = width > 760 ? 340 : 0, room = boxOf(columns, rows, width - beside), wide = room.left + room.width + 6;
  const extent = useMemo(() => extentOf(work.map, metric.at), [work, metric]), low = useMemo(() => (spread ? lowOf(work.map, metric.at) : 0), [work, metric, spread]), ends = spread ? { min: low, max: extent.max } : { min: Math.min(0, extent.min), max: metric.limit ?? extent.max };
  const image = useMemo(() => (columns * rows === 0 ? null : tilesImage(columns, rows, metric.at, ends, scheme)), [metric, scheme, extent, spread]);

  useLayoutEffect(() => {
    if (canvas.current === null || width === 0 || image === null) return;
    drawWafer(canvas.current, wide, room, columns, rows, image, scheme, chosen);
  }, [image, width, chosen, scheme]);
  if (image === null) return null;

  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 10 : 1;
    const by = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far], Home: [-columns, 0], End: [columns, 0], PageUp: [0, -rows], PageDown: [0, rows] }[event.key];
    const wanted = metrics[Number(event.key) - 1];
    if (wanted !== undefined) setKey(wanted.key);
    else if (by === undefined) return;
    else setChosen(({ column, row }) => ({ column: Math.max(0, Math.min(columns - 1, column + (by[0] as number))), row: Math.max(0, Math.min(rows - 1, row + (by[1] as number))) }));
    setUnder(null);
    event.preventDefault();
  };
  const point = (event: PointerEvent): Tile | null => tileAt(room, columns, rows, event.offsetX, event.offsetY);
  const tile = under ?? chosen;
  return (
    <Section id="wafer" title="The wafer, tile by tile" lead={`${whole(columns)} × ${whole(rows)} tiles of the fullest wafer, over one step.`}>
      <div class="tools">
        <fieldset class="choice">
          <legend>Shown</legend>
          {metrics.map((m) => <label key={m.key}><input type="radio" name="metric" value={m.key} checked={m.key === key} onChange={() => setKey(m.key)} /><span>{m.name}</span></label>)}
        </fieldset>
        <label class="check"><input type="checkbox" checked={spread} onChange={(event) => setSpread(event.currentTarget.checked)} /> spread the colours over small differences</label>
      </div>
      <div class="wafer" ref={box}>
        <div class="canvas">
          <canvas ref={canvas} tabIndex={0} role="application" aria-roledescription="heat map" aria-label={`${metric.name} of ${columns} × ${rows} tiles`} aria-describedby="wafer-help tile-readout" style={{ width: `${wide}px`, height: `${canvasHeight(room)}px` }}
            onKeyDown={press} onPointerMove={(event) => setUnder(point(event))} onPointerLeave={() => setUnder(null)} onPointerDown={(event) => setChosen((now) => point(event) ?? now)} />
        </div>
        <div class="beside">
          <div class="key">
            <div class="ramp" aria-hidden="true" />
            <div class="ends"><span>{spread ? 'at most ' : ''}{metric.show(ends.min)}</span><span>{metric.show(ends.max)}{metric.limit === undefined || spread ? '' : ' limit'}</span></div>
          </div>
          <p class="help">{metric.help}</p>
          <div id="tile-readout" aria-live="polite" aria-atomic="true">
            <h3>Tile in column <Value name="tile.column" value={tile.column} text={whole(tile.column)} />, row <Value name="tile.row" value={tile.row} text={whole(tile.row)} /></h3>
            <dl class="tile">
              {metrics.map((m) => <div key={m.key} class={m.key === key ? 'now' : undefined}><dt>{m.name}, {m.unit}</dt><dd><Value name={`tile.${m.key}`} value={m.at(tile.column, tile.row)} text={m.show(m.at(tile.column, tile.row))} /></dd></div>)}
            </dl>
          </div>
          <p id="wafer-help" class="help">Arrow keys choose a tile, with <kbd>Shift</kbd> ten further; <kbd>Home</kbd> <kbd>End</kbd> <kbd>PgUp</kbd> <kbd>PgDn</kbd> go to the edges, <kbd>1</kbd> to <kbd>{metrics.length}</kbd> change what is shown.</p>
        </div>
      </div>
      <Twin summary="Figures of the wafer as tables">{() => <Figures work={work} metrics={metrics} />}</Twin>
    </Section>
  );
};
