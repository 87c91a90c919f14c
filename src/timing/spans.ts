/**
 * Spans: one steady step in virtual time, lane by lane, for timelines and traces.
 *
 *   wafer         ▮▮▮▮▮▮▮▮▮▮ a span a pass; gaps are waits        input, output, SwarmX, MemoryX     busy from the pass's begin on
 *   optimizer     an update that lies across the step's end is shown in two parts: its end, which the last step left, and its begin
 *
 * Where there are too many, neighbours of a lane are merged, by layer, then by phase, micro-batch and lane; `merged` says how many a span stands for, so nothing is cut off.
 * Not here: the times themselves (step.ts), drawing.
 */
import type { MachineSpec } from '../spec/machine.js';
import type { PassWork, PlacedPass, Work } from '../trace/work.js';
import { InvalidConfig, assert } from '../util/errors.js';
import { isBeside, type PassCost } from './demands.js';
import { stepOf, type Step, type Wait } from './step.js';
import type { Span } from './types.js';

const spansMaxDefault = 20_000;
/** Two parts of each of the seven lanes fit at least. */
const spansMaxMin = 14;

type Lane = Span['lane'];

/** Seconds that a pass keeps each lane busy but the wafer's. */
const lanesOf = ({ demands, traffic }: PassCost, { swarmX, memoryX }: MachineSpec, numCsx: number): readonly (readonly [Lane, number])[] => {
  const link = swarmX.lanes * swarmX.laneBytesPerSecond, rows = memoryX.rowBytesPerSecondPerCsx * numCsx;
  const all: readonly (readonly [Lane, number])[] = [
    ['wafer input', demands.waferInput], ['wafer output', demands.waferOutput], ['SwarmX', Math.max(traffic.inBytes, traffic.outBytes) / link],
    ['MemoryX out', Math.max(traffic.memoryXOutBytes / memoryX.outBytesPerSecond, traffic.rowOutBytes / rows, traffic.memoryXOutBytes === 0 ? 0 : traffic.flashBytes / memoryX.flashBytesPerSecond)],
    ['MemoryX in', Math.max(traffic.memoryXInBytes / memoryX.inBytesPerSecond, traffic.rowInBytes / rows)],
  ];
  return all.filter(([, busy]) => busy > 0);
};

/** What neighbours must share to be merged, from the finest level to the coarsest; none at level 0. */
const levels: readonly ((a: Span, b: Span) => boolean)[] = [
  () => false,
  (a, b) => a.microBatch === b.microBatch && a.layer === b.layer && a.phase === b.phase,
  (a, b) => a.microBatch === b.microBatch && a.phase === b.phase,
  (a, b) => a.microBatch === b.microBatch,
  () => true,
];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Collects spans lane by lane and merges neighbours. */
class Lanes {
  readonly #isAlike: (a: Span, b: Span) => boolean;
  readonly #spans = new Map<Lane, Mutable<Span>[]>();
  readonly #limit: number;
  #count = 0;
  constructor(isAlike: (a: Span, b: Span) => boolean, limit: number) {
    this.#isAlike = isAlike;
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.#count > this.#limit;
  }

  add(span: Span): void {
    if (span.end <= span.start) return;
    let spans = this.#spans.get(span.lane);
    if (spans === undefined) this.#spans.set(span.lane, (spans = []));
    const last = spans.at(-1);
    if (last === undefined || !this.#isAlike(last, span)) {
      spans.push(span);
      this.#count++;
      return;
    }
    if (span.end > last.end) last.end = span.end;
    if (last.layer !== span.layer) last.layer = -1;
    if (last.pass !== span.pass) last.pass = -1;
    if (last.microBatch !== span.microBatch) last.microBatch = -1;
    if (last.phase !== span.phase) last.phase = 'mixed';
    last.merged = (last.merged ?? 1) + (span.merged ?? 1);
  }

  get all(): Span[] {
    return [...this.#spans.values()].flat();
  }
}

/** Busy seconds of a pass's lanes: alone, and from the begin of the pass that it runs beside until the end of both. */
interface Busy {
  readonly alone: readonly (readonly [Lane, number])[];
  readonly withFirst: ReadonlyMap<Lane, number>;
}

const busyOf = (work: Work, machine: MachineSpec, { costs, stretches }: Step): readonly ((first: number | null) => Busy)[] => {
  const alone = costs.map((cost) => lanesOf(cost, machine, work.numCsx)), both = new Map(stretches.flatMap(({ passes: [a, b], cost }) => (b === undefined ? [] : [[`${a}/${b}`, new Map(lanesOf(cost, machine, work.numCsx))] as const])));
  return alone.map((lanes, pass) => (first) => ({ alone: lanes, withFirst: (first === null ? undefined : both.get(`${first}/${pass}`)) ?? new Map() }));
};

/** One micro-batch from time 0 on; gives its end. Of two passes side by side the second has a lane when the first is done with it; both directions of a link are one lane. */
const addMicroBatch = (lanes: Lanes, m: number, waits: readonly Wait[], busy: ReturnType<typeof busyOf>, work: Work, step: Step): number => {
  const order = work.microBatches[m]?.order ?? [], ends = step.ends[m] as Float64Array;
  let late = 0, next = 0;
  for (let place = 0; place < order.length && !lanes.isFull; place++) {
    while (waits[next]?.place === place) late += (waits[next++] as Wait).seconds;
    const { pass, layer } = order[place] as PlacedPass, begin = (place === 0 ? 0 : (ends[place - 1] as number)) + late, end = (ends[place] as number) + late;
    const { phase, op } = work.passes[pass] as PassWork, before = order[place - 1], common = { layer, pass, phase, microBatch: 0 } as const;
    const first = before?.layer === layer && isBeside((work.passes[before.pass] as PassWork).op, op) ? before.pass : null, { alone, withFirst } = (busy[pass] as (typeof busy)[number])(first);
    lanes.add({ ...common, lane: 'wafer', start: begin, end });
    if (first === null) for (const [lane, seconds] of alone) lanes.add({ ...common, lane, start: begin, end: begin + seconds });
    else {
      const both = (place === 1 ? 0 : (ends[place - 2] as number)) + late, taken = new Map((busy[first] as (typeof busy)[number])(null).alone);
      for (const [lane] of alone) lanes.add({ ...common, lane, start: both + (taken.get(lane) ?? 0), end: both + (withFirst.get(lane) ?? 0) });
    }
  }
  return (ends.at(-1) ?? 0) + late;
};

/** All of a step at one level of merging; false where it does not fit. */
const fill = (lanes: Lanes, isAlike: (a: Span, b: Span) => boolean, spansMax: number, work: Work, machine: MachineSpec, step: Step): boolean => {
  const busy = busyOf(work, machine, step);
  let now = 0, microBatch = 0;
  const repeat = (spans: readonly Span[], seconds: number): void => {
    for (const span of spans) lanes.add({ ...span, start: now + span.start, end: now + span.end, microBatch });
    now += seconds;
    microBatch++;
  };
  for (const [m, { times }] of work.microBatches.entries()) {
    // Micro-batches of a shape are alike, but for the first of a step, which waits.
    const first = new Lanes(isAlike, spansMax), firstSeconds = addMicroBatch(first, m, m === 0 ? step.waits : [], busy, work, step);
    if (first.isFull) return false;
    if (times > 0) repeat(first.all, firstSeconds);
    if (times < 2) continue;
    const others = m === 0 ? new Lanes(isAlike, spansMax) : first, seconds = m === 0 ? addMicroBatch(others, m, [], busy, work, step) : firstSeconds;
    for (let t = 1; t < times && !lanes.isFull; t++) repeat(others.all, seconds);
  }
  const last = microBatch - 1, update = { lane: 'optimizer', pass: -1, phase: 'update' } as const;
  // What the last step left to do comes first in this one.
  for (const { layer, start, end } of step.updates) if (end > 0) lanes.add({ ...update, layer, start: Math.max(0, start), end, microBatch: -1 });
  for (const { layer, start, end } of step.updates) if (start < 0) lanes.add({ ...update, layer, start: Math.max(0, step.seconds + start), end: step.seconds + Math.min(0, end), microBatch: last });
  return !lanes.isFull;
};

/** The spans of one steady step, lanes one after the other, each in ascending time; at most `spansMax` (20,000 unless given). @throws InvalidConfig below 14, and for work that the machine has no room for */
export const spansOf = (work: Work, machine: MachineSpec, { spansMax = spansMaxDefault }: { readonly spansMax?: number } = {}): Span[] => {
  if (!Number.isInteger(spansMax) || spansMax < spansMaxMin) throw new InvalidConfig({ what: 'spansMax', value: spansMax, limit: `a whole number ≥ ${spansMaxMin}` });
  const step = stepOf(work, machine);
  for (const [level, isAlike] of levels.entries()) {
    const lanes = new Lanes(isAlike, spansMax);
    if (fill(lanes, isAlike, spansMax, work, machine, step)) return lanes.all;
    assert(level < levels.length - 1, 'one span a lane is below any limit');
  }
  return [];
};
