/**
 * The trace export against the rules of its format, by a checker that knows them alone: phases and their fields, microseconds, names of lanes, complete events of a lane apart
 * or inside each other, counters of numbers.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chromeTrace, counterPoints, type ChromeTraceInput } from '../../../src/report/chrome-trace.js';
import { machines } from '../../../src/spec/machine.js';
import { price as priceOf } from '../../../src/timing/price.js';
import { spansOf } from '../../../src/timing/spans.js';
import type { HostTrace, HostTurn } from '../../../src/trace/host-trace.js';
import { chainWork } from '../../support/works.js';
import { price, spans, work } from './made-up.js';

interface TraceEvent {
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly name: string;
  readonly cat?: string;
  readonly args: Readonly<Record<string, unknown>>;
}
interface TraceFile {
  readonly displayTimeUnit: string;
  readonly otherData: Readonly<Record<string, unknown>>;
  readonly traceEvents: readonly TraceEvent[];
}

const isIn = (value: unknown, kind: string, rule: string): void => assert.equal(typeof value, kind, rule);
const metadataFields: Readonly<Record<string, readonly [field: string, kind: string]>> = { process_name: ['name', 'string'], process_sort_index: ['sort_index', 'number'], thread_name: ['name', 'string'], thread_sort_index: ['sort_index', 'number'] };

/** Complete events of a lane are apart, or one is inside the other. */
const checkNesting = (events: readonly TraceEvent[]): void => {
  const open: { readonly end: number }[] = [];
  const inOrder = events.toSorted((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
  // Integers: sums of decimals are not what viewers compute.
  const ns = (value: number): number => Math.round(value * 1000);
  for (const { ts, dur = 0, name } of inOrder) {
    while (open.length > 0 && (open.at(-1)?.end ?? 0) <= ns(ts)) open.pop();
    const end = ns(ts) + ns(dur), around = open.at(-1);
    assert.ok(around === undefined || end <= around.end, `${name} at ${ts} ends outside what it began in`);
    open.push({ end });
  }
};

/** The format's rules. Returns the file. */
const check = (text: string): TraceFile => {
  const file = JSON.parse(text) as TraceFile;
  assert.ok(['ms', 'ns'].includes(file.displayTimeUnit));
  assert.ok(Array.isArray(file.traceEvents));
  const names = new Set<string>(), used = new Map<string, TraceEvent[]>();
  for (const event of file.traceEvents) {
    const { ph, pid, tid, ts, dur, name, cat, args } = event, said = JSON.stringify(event);
    assert.ok(['X', 'C', 'M'].includes(ph), said);
    for (const [value, kind] of [[pid, 'number'], [tid, 'number'], [ts, 'number'], [name, 'string'], [args, 'object']] as const) isIn(value, kind, said);
    assert.ok(Number.isInteger(pid) && Number.isInteger(tid) && Number.isFinite(ts) && ts >= 0, said);
    // Nanoseconds are all that viewers keep.
    for (const time of [ts, dur ?? 0]) assert.ok(Math.abs(time * 1000 - Math.round(time * 1000)) < 1e-3 * Math.max(1, time / 1e6), said);
    if (ph === 'X') {
      assert.ok(dur !== undefined && dur >= 0 && typeof cat === 'string' && cat !== '' && name !== '', said);
      used.set(`${pid}/${tid}`, [...(used.get(`${pid}/${tid}`) ?? []), event]);
    } else if (ph === 'C') {
      assert.ok(Object.keys(args).length > 0 && Object.values(args).every((value) => typeof value === 'number' && Number.isFinite(value)), said);
    } else {
      const [field, kind] = metadataFields[name] ?? assert.fail(said);
      isIn(args[field], kind, said);
      if (name === 'thread_name') names.add(`${pid}/${tid}`);
      if (name === 'process_name') names.add(String(pid));
    }
  }
  for (const [lane, events] of used) {
    assert.ok(names.has(lane) && names.has(lane.split('/')[0] ?? ''), `lane ${lane} has no name`);
    checkNesting(events);
  }
  return file;
};

const whole = (input: ChromeTraceInput): TraceFile => check([...chromeTrace(input)].join(''));
const lanesOf = ({ traceEvents }: TraceFile): Readonly<Record<string, string[]>> => {
  const nameOf = (pid: number, tid: number): string => String(traceEvents.find((one) => one.ph === 'M' && one.name === 'thread_name' && one.pid === pid && one.tid === tid)?.args['name']);
  const found: Record<string, string[]> = {};
  for (const { ph, pid, tid, ts, dur, name } of traceEvents) if (ph === 'X') (found[nameOf(pid, tid)] ??= []).push(`${name} ${ts}+${dur}`);
  return found;
};

test('the checker refuses what breaks a rule', () => {
  const good: TraceEvent = { ph: 'X', pid: 1, tid: 1, ts: 1, dur: 2, name: 'a', cat: 'c', args: {} };
  const named = [['process_name', { name: 'p' }], ['thread_name', { name: 't' }]].map(([name, args]) => ({ ph: 'M', pid: 1, tid: 1, ts: 0, name, args }));
  const file = (...events: readonly object[]): string => JSON.stringify({ displayTimeUnit: 'ns', otherData: {}, traceEvents: [...named, ...events] });
  check(file(good, { ...good, ts: 1.5, dur: 1.5 }, { ...good, ts: 3 }));
  for (const bad of [{ ph: 'Q' }, { ts: -1 }, { ts: 0.0001 }, { dur: undefined }, { tid: 2 }, { name: '' }, { args: null, ph: 'C' }, { ph: 'C', args: { a: 'b' } }, { ts: 2 }]) {
    assert.throws(() => check(file(good, { ...good, ...bad })), JSON.stringify(bad));
  }
});

test('virtual time: lanes by resource, overlapping spans on lanes of their own, names of layers as they are', () => {
  const file = whole({ virtual: { work, price, spans } });
  assert.deepEqual(lanesOf(file), {
    wafer: ['layers.0 · linear.forward 1+3', 'layers.1, "last" · linear.forward 4+2', 'layers.1, "last" · linear.delta 6+3.5'],
    'wafer input': ['layers.0 · linear.forward 0+1'],
    SwarmX: ['layers.0 · linear.forward 0+1', 'layers.1, "last" · linear.delta 2.5+0.5'],
    'SwarmX (2)': ['layers.1, "last" · linear.forward 0.5+2'],
    'MemoryX out': ['layers.0 · linear.forward 0+0.25'],
    optimizer: ['layers.1, "last" · update 9.5+0'],
  });
  const lanes = file.traceEvents.filter(({ name }) => name === 'thread_name').map(({ args }) => args['name']);
  assert.deepEqual(lanes, ['wafer', 'wafer input', 'wafer output', 'SwarmX', 'SwarmX (2)', 'MemoryX out', 'MemoryX in', 'optimizer']);
  assert.deepEqual([file.otherData['model'], file.otherData['stepSeconds'], file.otherData['verdict']], ['a "small" model', 10e-6, 'bound by products']);
  assert.deepEqual(file.traceEvents.find(({ cat }) => cat === 'delta')?.args, { layer: 'layers.1, "last"', phase: 'delta', microBatch: 0, bound: 'products' });
});

test('counters: what keeps a lane busy, weighed over the step, is what its spans add up to', () => {
  const { traceEvents } = whole({ virtual: { work, price, spans } });
  const counters = traceEvents.filter(({ ph }) => ph === 'C'), stepMicros = price.step.seconds * 1e6;
  const area = (name: string): number => {
    const points = counters.filter((one) => one.name === name);
    assert.deepEqual([points[0]?.ts, points.at(-1)?.args['percent']], [0, 0], `${name} begins with the step and ends at 0`);
    return points.reduce((sum, { ts, args }, i) => sum + (Number(args['percent']) / 100) * ((points[i + 1]?.ts ?? stepMicros) - ts), 0);
  };
  // Overlapping spans count once: SwarmX is busy from 0 to 3.
  for (const [lane, micros] of [['wafer', 8.5], ['wafer input', 1], ['SwarmX', 3], ['MemoryX out', 0.25]] as const) assert.ok(Math.abs(area(`busy: ${lane}`) - micros) < 1e-3 * stepMicros, `${lane}: ${area(`busy: ${lane}`)}`);
  assert.ok(Math.abs(area('mean occupancy: wafer input') - 2.5) < 1e-9);
  assert.deepEqual(counters.filter(({ name }) => name === 'mean occupancy: DRAM').map(({ args }) => args['percent']), [0]);
  assert.ok(counters.every(({ ts }) => ts <= stepMicros) && counters.filter(({ name }) => name === 'busy: wafer').length < counterPoints / 8);
});

const turn = (thread: number, startMs: number, endMs: number): HostTurn => ({ thread, actor: `tileHost/${thread}`, kind: 'tileHost', message: 'tile.work', startMs, endMs });
const host = (turns: readonly HostTurn[], dropped = [0, 0]): HostTrace => ({ threads: 2, dispatcher: 'thread', turnsMax: 4, ended: dropped.map((n) => n + 4), dropped, turns });

test('host time: a lane a thread; what fell out is said', () => {
  const file = whole({ host: host([turn(0, 0.5, 1.25), turn(0, 1.25, 2), turn(1, 0.1234567, 3)], [0, 7]) });
  assert.deepEqual(lanesOf(file), { 'thread 0': ['tile.work 500+750', 'tile.work 1250+750'], 'thread 1 (the last 4 of 11 turns)': ['tile.work 123.457+2876.543'] });
  assert.deepEqual([file.otherData['turns'], file.otherData['turnsDropped'], file.otherData['model']], [3, 7, undefined]);
  assert.deepEqual([file.traceEvents.at(-1)?.cat, file.traceEvents.at(-1)?.args], ['tileHost', { actor: 'tileHost/1' }]);
});

test('nothing is a file too, and many events come in chunks', () => {
  assert.deepEqual(whole({}).traceEvents, []);
  const turns = Array.from({ length: 5000 }, (_, i) => turn(0, i / 3, (i + 1) / 3)), chunks = [...chromeTrace({ host: host(turns) })];
  assert.ok(chunks.length > 8 && chunks.every(({ length }) => length < 100_000));
  assert.equal(check(chunks.join('')).traceEvents.filter(({ ph }) => ph === 'X').length, 5000);
});

test('a priced work: as many lanes as resources, and what was merged is said', () => {
  const chain = chainWork({ widths: [64, 48, 32, 10], rows: 4, cols: 8, numCsx: 2, tokensOfRow: 32, microBatches: 3 });
  for (const spansMax of [1000, 14]) {
    const made = spansOf(chain, machines.wse2, { spansMax }), priced = priceOf(chain, machines.wse2), { traceEvents, otherData } = whole({ virtual: { work: chain, price: priced, spans: made } });
    const complete = traceEvents.filter(({ ph }) => ph === 'X'), total = made.reduce((sum, { merged = 1 }) => sum + merged, 0);
    assert.deepEqual([complete.length, otherData['spans'], otherData['passesAndUpdates']], [made.length, made.length, total]);
    assert.equal(complete.reduce((sum, { args }) => sum + Number(args['merged'] ?? 1), 0), total);
    assert.equal(complete.some(({ name }) => / × \d+$/.test(name)), spansMax === 14);
    assert.equal(traceEvents.some(({ name }) => name === 'busy at most: wafer'), spansMax === 14);
    assert.ok(complete.every(({ ts, dur = 0 }) => ts + dur <= 1e6 * priced.step.seconds * 1.001 + 1));
  }
});

test('whatever the spans, the file keeps the rules', () => {
  const time = fc.double({ min: 0, max: 1e-3, noNaN: true });
  const aSpan = fc.record({ lane: fc.constantFrom(...spans.map(({ lane }) => lane)), layer: fc.integer({ min: -1, max: 2 }), pass: fc.integer({ min: -1, max: 2 }), phase: fc.constantFrom('forward', 'recompute', 'update', 'mixed'), from: time, length: time, microBatch: fc.integer({ min: -1, max: 3 }) });
  fc.assert(fc.property(fc.array(aSpan, { maxLength: 40 }), (made) => {
    const some = made.map(({ from, length, ...span }) => ({ ...span, start: from, end: from + length }));
    const { traceEvents } = whole({ virtual: { work, price, spans: some }, host: host([turn(1, 0, 1)]) });
    assert.equal(traceEvents.filter(({ ph, pid }) => ph === 'X' && pid === 1).length, some.length);
  }), { seed: 6, numRuns: 100 });
});
