/** The parts of the page that know no browser: numbers in words, rows of the timeline, windows of time, tiles of the wafer, columns of plots. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ReportSpan } from '../../../src/report/input.js';
import { kibibytes, listed, many, percent, plain, seconds, shown, ticks, whole } from '../../../src/report/page/format.js';
import { aligned, drawableOn, logTicks, type PlotSeries } from '../../../src/report/page/plot-data.js';
import { layersOfPasses, spanName } from '../../../src/report/page/names.js';
import { moved, rowsOf, showing, spanAt, stepped, within, zoomed, type Place } from '../../../src/report/page/timeline-rows.js';
import { busySeconds, extentOf, lowOf, macsAt, metricsOf, stretchesOf } from '../../../src/report/page/wafer-map.js';
import { reportInput } from '../../support/report-input.js';

const small = reportInput(), { work, price, spans } = small;
const text = (value: string): string => value.replaceAll('\u00a0', ' ');

test('numbers as people read them', () => {
  const said: readonly (readonly [string, string])[] = [
    [shown(1.83e15, 'flop/s'), '1.830 Pflop/s'], [shown(999.96, 'B'), '1.000 kB'], [shown(0, 'B'), '0 B'], [shown(150, 'B'), '150 B'], [shown(-2.5e-7, 's'), '−250.0 ns'], [shown(Number.POSITIVE_INFINITY, 'flop/B'), '∞ flop/B'], [shown(1e-30, 'J'), '1.000e−30 J'], [shown(61_190, ''), '61.19 k'],
    [seconds(0.0123), '12.30 ms'], [seconds(119.96), '120.0 s'], [seconds(180), '3.000 min'], [seconds(86_400 * 3), '3.000 d'], [seconds(7200), '2.000 h'],
    [percent(0.3214), '32.1 %'], [percent(1), '100 %'], [percent(0), '0 %'], [percent(1e-9), '1.00e−7 %'], [many(175e9), '175 billion'], [many(999_999_999), '1 billion'], [many(1234), '1,234'], [many(1.2e14), '120 trillion'],
    [kibibytes(49_152), '48.0 KiB'], [plain(1818.1818), '1,818.18'], [plain(5e-6), '5e−6'], [plain(2.4e15), '2,400,000,000,000,000'], [plain(2.4e18), '2400000000000000000'], [plain(0.1375), '0.1375'], [plain(null), '–'], [plain('wse2'), 'wse2'], [plain(true), 'true'], [whole(-1234.5), '−1,234.5'], [listed(['a', 'b'], 3), 'a, b'], [listed(['a', 'b', 'c', 'd'], 1), 'a … d (4)'],
  ];
  for (const [was, wanted] of said) assert.equal(text(was), wanted);
});

test('an SI prefix never changes a number by more than its last digit', () => {
  const prefix = 'yzafpnµm kMGTPEZY';
  fc.assert(fc.property(fc.double({ min: 1e-23, max: 9e25, noNaN: true }), (value) => {
    const [, number, unit] = /^([\d.]+)\u00a0(.?)s$/.exec(shown(value, 's')) ?? [];
    const power = prefix.indexOf(unit === '' ? ' ' : String(unit)) - 8;
    assert.ok(Math.abs(Number(number) * 1000 ** power - value) <= value * 5.0001e-4, shown(value, 's'));
  }), { seed: 62 });
});

test('ticks are round, inside and few', () => {
  fc.assert(fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: 1e-6, max: 1e6, noNaN: true }), fc.integer({ min: 1, max: 20 }), (from, width, most) => {
    const list = ticks(from, from + width, most), room = width * 1e-6 + Math.abs(from) * 1e-9;
    assert.ok(list.length <= most + 1, `${list.length} of ${most}`);
    for (const tick of list) assert.ok(tick >= from - room && tick <= from + width + room);
    if (most >= 3) assert.ok(list.length >= 1);
  }), { seed: 63 });
  assert.deepEqual(logTicks(2, 1, 192), [1, 2, 4, 8, 16, 32, 64, 128]);
  assert.deepEqual(logTicks(10, 3, 60), [5, 10, 20, 50]);
  assert.deepEqual(logTicks(10, 1e3, 1e7), [1e3, 1e4, 1e5, 1e6, 1e7]);
});

const aSpan = fc.record({ start: fc.double({ min: 0, max: 10, noNaN: true }), length: fc.double({ min: 1e-3, max: 3, noNaN: true }), lane: fc.constantFrom<ReportSpan['lane']>('wafer', 'SwarmX', 'optimizer'), layer: fc.integer({ min: -1, max: 3 }) })
  .map(({ start, length, lane, layer }): ReportSpan => ({ lane, layer, pass: 0, phase: 'forward', start, end: start + length, microBatch: 0 }));

test('rows hold every span once, and no two spans of a track overlap', () => {
  fc.assert(fc.property(fc.array(aSpan), (list) => {
    const rows = rowsOf(list, 'device', []);
    assert.deepEqual(new Set(rows.flatMap((row) => row.spans)), new Set(list));
    assert.equal(rows.reduce((sum, row) => sum + row.spans.length, 0), list.length);
    for (const row of rows) {
      for (let track = 0; track < row.trackCount; track++) {
        const own = row.spans.filter((_, i) => row.tracks[i] === track);
        assert.ok(own.length > 0);
        for (let i = 1; i < own.length; i++) assert.ok((own[i] as ReportSpan).start >= (own[i - 1] as ReportSpan).end - 1e-6);
      }
      for (const [i, span] of row.spans.entries()) assert.ok((row.latest[i] as number) >= span.end);
    }
    const byLayer = rowsOf(list, 'layer', ['a', 'b', 'c', 'd']);
    assert.equal(byLayer.reduce((sum, row) => sum + row.spans.length, 0), list.filter(({ lane }) => lane !== 'SwarmX').length);
  }), { seed: 64 });
});

test('what lies under the pointer is the span that is drawn there', () => {
  fc.assert(fc.property(fc.array(aSpan, { minLength: 1 }), fc.double({ min: -1, max: 14, noNaN: true }), (list, time) => {
    for (const row of rowsOf(list, 'device', [])) {
      for (let track = 0; track < row.trackCount; track++) {
        const found = spanAt(row, track, time, 0), wanted = row.spans.findIndex((span, i) => row.tracks[i] === track && span.start <= time && span.end >= time);
        if (wanted < 0) assert.equal(found, -1);
        else assert.ok(row.tracks[found] === track && (row.spans[found] as ReportSpan).start <= time && (row.spans[found] as ReportSpan).end >= time);
      }
    }
  }), { seed: 65 });
});

test('the window stays inside the step, keeps its point, and shows the chosen span', () => {
  const aView = fc.tuple(fc.double({ min: 0, max: 0.9, noNaN: true }), fc.double({ min: 1e-3, max: 1, noNaN: true })).map(([from, width]) => within({ from: from * 10, to: from * 10 + width * 10 }, 10));
  fc.assert(fc.property(aView, fc.double({ min: 0.05, max: 20, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: -20, max: 20, noNaN: true }), aSpan, (view, factor, share, by, span) => {
    for (const next of [zoomed(view, factor, view.from + share * (view.to - view.from), 10), moved(view, by, 10)]) assert.ok(next.from >= 0 && next.to <= 10 + 1e-9 && next.to > next.from, JSON.stringify(next));
    const about = view.from + share * (view.to - view.from), closer = zoomed(view, 0.5, about, 10);
    assert.ok(Math.abs((about - closer.from) / (closer.to - closer.from) - share) < 1e-6, 'the point under the pointer stays there');
    const end = Math.min(10, span.end), seen = showing(view, { start: Math.min(span.start, end), end }, 10);
    assert.ok(seen.from <= Math.min(span.start, end) + 1e-9 && seen.to >= end - 1e-9);
  }), { seed: 66 });
});

test('arrow keys reach every span of the step', () => {
  const rows = rowsOf(spans, 'device', work.layers);
  let at: Place = { row: 0, span: 0 }, visited = 0;
  for (let row = 0; row < rows.length; row++) {
    at = stepped(rows, at, 'first');
    assert.equal(at.row, row);
    for (;;) {
      visited++;
      const next = stepped(rows, at, 'right');
      if (next.span === at.span) break;
      at = next;
    }
    at = stepped(rows, at, 'down');
  }
  assert.equal(visited, spans.length);
  assert.deepEqual(stepped(rows, { row: 0, span: 0 }, 'up'), { row: 0, span: 0 });
});

test('tiles: sums over the wafer are the sums of columns times rows', () => {
  const { map } = work, sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);
  const total = sum(map.products) * sum(map.tokens) + sum(map.scores) * sum(map.pairs), extent = extentOf(map, (column, row) => macsAt(map, column, row));
  assert.ok(Math.abs(extent.mean * map.products.length * map.tokens.length - total) < total * 1e-9);
  const metrics = metricsOf(work, price), waiting = metrics.find(({ key }) => key === 'waiting'), sram = metrics.find(({ key }) => key === 'sram'), least = extentOf(map, waiting?.at ?? (() => Number.NaN)).min;
  assert.ok(Math.abs(least - (price.step.seconds - busySeconds(price))) < 1e-12, 'the fullest tile waits for what it is not busy');
  assert.equal(sram?.at(0, 0), work.sram.codeBytes + work.sram.streamBytes + (map.activationBytes[0] as number) * (map.heldTokens[0] as number));
  const values = map.tokens.flatMap((_, row) => map.products.map((__, column) => macsAt(map, column, row))), low = lowOf(map, (column, row) => macsAt(map, column, row));
  assert.equal(values.filter((value) => value < low).length <= values.length * 0.02, true);
  assert.equal(values.filter((value) => value <= low).length >= values.length * 0.02, true);
  assert.equal(lowOf(map, () => 0), 0);
  assert.throws(() => macsAt(map, map.products.length, 0), RangeError);
});

test('stretches of alike neighbours unfold into what they came from', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(1)), { minLength: 1 }), (pairs) => {
    const lists = [pairs.map(([a]) => a), pairs.map(([, b]) => b)], stretches = stretchesOf(lists);
    assert.deepEqual(stretches.flatMap(({ from, to, values }) => Array.from({ length: to - from + 1 }, () => values)), pairs.map(([a, b]) => [a, b]));
    for (let i = 1; i < stretches.length; i++) assert.notDeepEqual(stretches[i]?.values, stretches[i - 1]?.values);
  }), { seed: 67 });
});

test('series become columns with ascending x and every point once', () => {
  const series = fc.array(fc.array(fc.record({ x: fc.integer({ min: 0, max: 5 }), y: fc.double({ noNaN: true }) })).map((points): PlotSeries => ({ name: 'a', kind: 'blue', points })), { minLength: 1, maxLength: 3 });
  fc.assert(fc.property(series, fc.boolean(), (list, log) => {
    const drawable = drawableOn(log, false), { x, y, origin } = aligned(list, drawable);
    for (let i = 1; i < x.length; i++) assert.ok((x[i] as number) >= (x[i - 1] as number));
    for (const [s, { points }] of list.entries()) {
      const placed = (origin[s] as readonly (number | null)[]).flatMap((from, place) => (from === null ? [] : [[from, place] as const]));
      assert.deepEqual(placed.map(([from]) => from).toSorted((a, b) => a - b), points.flatMap((point, i) => (drawable(point) ? [i] : [])));
      for (const [from, place] of placed) assert.deepEqual([x[place], y[s]?.[place]], [points[from]?.x, points[from]?.y]);
    }
  }), { seed: 68 });
});

test('passes know the layers they stand for', () => {
  const layers = layersOfPasses(work);
  assert.deepEqual(layers.get(0), ['embedding']);
  assert.equal([...layers.values()].flat().length, work.microBatches[0]?.order.length);
  assert.equal(spanName(work, { layer: 2, pass: work.passes.findIndex(({ op }) => op === 'linear.forward'), phase: 'forward' }), 'block 0 qkv · linear.forward');
  assert.equal(spanName(work, { layer: -1, pass: -1, phase: 'update' }), 'update');
});
