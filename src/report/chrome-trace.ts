/**
 * Trace export: Chrome's trace event JSON, which ui.perfetto.dev and chrome://tracing open.
 *
 *   Work, Price, spans of one step ─▶ process "virtual time": a lane for each resource, counters of occupancy ─┐
 *   HostTrace                      ─▶ process "host time": a lane for each thread                             ─┴─▶ chunks of JSON
 *
 * Two clocks in one file, each from 0: virtual time is the machine's, host time the emulator's, and neither tells anything of the other. Timestamps are microseconds with three
 * decimals, since viewers keep nanoseconds. Complete events of a lane are apart or inside each other, as the format wants it: spans that overlap otherwise get a lane more.
 * Not here: where spans come from (timing/), and turns (actor/turns.ts).
 */
import type { Price, Span } from '../timing/types.js';
import type { HostTrace } from '../trace/host-trace.js';
import type { Work } from '../trace/work.js';

/** Virtual time: one step of a work on a machine. */
export interface VirtualTime {
  readonly work: Work;
  readonly price: Price;
  readonly spans: readonly Span[];
}

export interface ChromeTraceInput {
  readonly virtual?: VirtualTime;
  readonly host?: HostTrace;
}

const lanes = ['wafer', 'wafer input', 'wafer output', 'SwarmX', 'MemoryX out', 'MemoryX in', 'optimizer'] as const satisfies readonly Span['lane'][];
/** Points of a counter over a step. */
export const counterPoints = 256;

const virtualPid = 1, hostPid = 2;

const event = (fields: object): string => JSON.stringify(fields);
const metadata = (pid: number, tid: number, name: string, args: object): string => event({ ph: 'M', pid, tid, ts: 0, name, args });

const nameProcess = (pid: number, name: string): string[] => [metadata(pid, 0, 'process_name', { name }), metadata(pid, 0, 'process_sort_index', { sort_index: pid })];
const nameThread = (pid: number, tid: number, name: string): string[] => [metadata(pid, tid, 'thread_name', { name }), metadata(pid, tid, 'thread_sort_index', { sort_index: tid })];

/** Nanoseconds to microseconds, without the digits that a division adds. */
const micros = (nanoseconds: number): number => Number((nanoseconds / 1000).toFixed(3));

interface Stretch {
  readonly startNs: number;
  readonly endNs: number;
}

const complete = (pid: number, tid: number, { startNs, endNs }: Stretch, name: string, cat: string, args: object): string =>
  event({ ph: 'X', pid, tid, ts: micros(startNs), dur: micros(endNs - startNs), name, cat, args });

/** Deals stretches, ordered by their start, to as few lanes as keep them apart; the number of each one's lane. */
const dealt = (stretches: readonly Stretch[]): readonly number[] => {
  const ends: number[] = [];
  return stretches.map(({ startNs, endNs }) => {
    const free = ends.findIndex((end) => end <= startNs), lane = free < 0 ? ends.length : free;
    ends[lane] = endNs;
    return lane;
  });
};

const spanName = ({ layers, passes }: Work, { layer, pass, phase, merged }: Span): string => {
  const op = passes[pass]?.op, what = op === undefined ? (phase === 'mixed' ? 'several passes' : phase) : phase === 'recompute' ? `${op} again` : op;
  return `${layers[layer] === undefined ? '' : `${layers[layer]} · `}${what}${merged === undefined ? '' : ` × ${merged}`}`;
};

/** Share of each of `counterPoints` equal parts of the step in which the stretches keep their lane busy; what overlaps counts once. */
const busyShares = (stretches: readonly Stretch[], stepNs: number): Float64Array => {
  const busy = new Float64Array(counterPoints), width = stepNs / counterPoints;
  let doneNs = 0;
  for (const { startNs, endNs } of stretches) {
    const from = Math.max(startNs, doneNs);
    doneNs = Math.max(doneNs, endNs);
    for (let point = Math.floor(from / width); point < counterPoints && point * width < endNs; point++) {
      const part = Math.min(endNs, (point + 1) * width) - Math.max(from, point * width);
      if (part > 0) busy[point] = (busy[point] ?? 0) + part / width;
    }
  }
  return busy;
};

/** A counter that changes only where its value does. */
const counter = function* (name: string, values: Float64Array, stepNs: number): Generator<string> {
  let before = Number.NaN;
  for (let point = 0; point <= values.length; point++) {
    const percent = Number((100 * Math.min(1, values[point] ?? 0)).toFixed(2));
    if (percent === before) continue;
    before = percent;
    yield event({ ph: 'C', pid: virtualPid, tid: 0, ts: micros(Math.round((point * stepNs) / counterPoints)), name, args: { percent } });
  }
};

const virtualEvents = function* ({ work, price, spans }: VirtualTime): Generator<string> {
  const stepNs = Math.round(1e9 * spans.reduce((latest, { end }) => Math.max(latest, end), price.step.seconds));
  yield* nameProcess(virtualPid, `virtual time: one step of ${work.model.name} on ${work.numCsx} × ${price.machine}`);
  const boundOf = new Map(price.passes.map(({ pass, bound }) => [pass, bound]));
  let firstTid = 1;
  for (const lane of lanes) {
    const here = spans.filter((span) => span.lane === lane).map((span) => ({ span, startNs: Math.round(span.start * 1e9), endNs: Math.round(span.end * 1e9) })).toSorted((a, b) => a.startNs - b.startNs || b.endNs - a.endNs);
    const numbers = dealt(here), count = numbers.reduce((most, number) => Math.max(most, number + 1), 1);
    for (let number = 0; number < count; number++) yield* nameThread(virtualPid, firstTid + number, number === 0 ? lane : `${lane} (${number + 1})`);
    for (const [i, { span, ...stretch }] of here.entries()) {
      const { phase, microBatch, pass, merged } = span, bound = boundOf.get(pass);
      yield complete(virtualPid, firstTid + (numbers[i] ?? 0), stretch, spanName(work, span), phase, { layer: work.layers[span.layer] ?? null, phase, microBatch: microBatch < 0 ? null : microBatch, ...(merged === undefined ? {} : { merged }), ...(bound === undefined ? {} : { bound }) });
    }
    firstTid += count;
    // What stands for several is busy in parts only.
    if (stepNs > 0) yield* counter(`${here.some(({ span }) => span.merged !== undefined) ? 'busy at most' : 'busy'}: ${lane}`, busyShares(here, stepNs), stepNs);
  }
  // The mean over the step, by the prices.
  if (stepNs > 0) for (const { name, occupancy } of [...price.links, ...price.tiers]) yield* counter(`mean occupancy: ${name}`, new Float64Array(counterPoints).fill(occupancy), stepNs);
};

const hostEvents = function* ({ threads, dispatcher, turns, turnsMax, ended, dropped }: HostTrace): Generator<string> {
  yield* nameProcess(hostPid, dispatcher === 'thread' ? 'host time: threads' : 'host time: groups of actors on one thread');
  for (let thread = 0; thread < threads; thread++) {
    const lost = dropped[thread] ?? 0;
    yield* nameThread(hostPid, thread + 1, `thread ${thread}${lost === 0 ? '' : ` (the last ${turnsMax} of ${ended[thread]} turns)`}`);
  }
  for (const { thread, actor, kind, message, startMs, endMs } of turns) {
    yield complete(hostPid, thread + 1, { startNs: Math.round(startMs * 1e6), endNs: Math.round(endMs * 1e6) }, message, kind, { actor });
  }
};

/** What the file says of itself beside its events. */
const aboutOf = ({ virtual, host }: ChromeTraceInput): object => ({
  ...(virtual === undefined ? {} : {
    virtualTime: 'one step, from its begin', model: virtual.work.model.name, machine: virtual.price.machine, numCsx: virtual.work.numCsx,
    stepSeconds: virtual.price.step.seconds, spans: virtual.spans.length, passesAndUpdates: virtual.spans.reduce((sum, { merged = 1 }) => sum + merged, 0), verdict: virtual.price.verdict,
  }),
  ...(host === undefined ? {} : { hostTime: 'from the start of the threads', turns: host.turns.length, turnsDropped: host.dropped.reduce((a, b) => a + b, 0) }),
});

const eventsAChunk = 512;

/** The file in pieces of some ten kilobytes; `[...chromeTrace(input)].join('')` is the whole. Of what is not given, nothing is in it. */
export const chromeTrace = function* (input: ChromeTraceInput): Generator<string> {
  const { virtual, host } = input;
  yield `{"displayTimeUnit":"ns","otherData":${JSON.stringify(aboutOf(input))},"traceEvents":[`;
  let held: string[] = [], before = '\n';
  for (const events of [virtual === undefined ? [] : virtualEvents(virtual), host === undefined ? [] : hostEvents(host)]) {
    for (const one of events) {
      held.push(one);
      if (held.length < eventsAChunk) continue;
      yield before + held.join(',\n');
      before = ',\n';
      held = [];
    }
  }
  yield `${held.length === 0 ? '' : before + held.join(',\n')}\n]}\n`;
};
