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
import type { Work } from '../trace/work.js';
import { InvalidConfig, assert } from '../util/errors.js';
import type { PassCost } from './demands.js';
import { stepOf, type Step, type Wait } from './step.js';
import type { Span } from './types.js';

const spansMaxDefault = 20_000;
/** Two parts of each of the seven lanes fit at least. */
const spansMaxMin = 14;

type Lane = Span['lane'];

/** Seconds that a pass keeps each lane busy. */
const lanesOf = ({ seconds, demands, traffic }: PassCost, { swarmX, memoryX }: MachineSpec, numCsx: number): readonly (readonly [Lane, number])[] => {
  const link = swarmX.lanes * swarmX.laneBytesPerSecond, rows = memoryX.rowBytesPerSecondPerCsx * numCsx;
  const all: readonly (readonly [Lane, number])[] = [
    ['wafer', seconds], ['wafer input', demands.waferInput], ['wafer output', demands.waferOutput], ['SwarmX', Math.max(traffic.inBytes, traffic.outBytes) / link],
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

/** One micro-batch from time 0 on; gives its end. */
const addMicroBatch = (lanes: Lanes, order: Work['microBatches'][number]['order'], waits: readonly Wait[], busy: readonly ReturnType<typeof lanesOf>[], work: Work, step: Step): number => {
  let now = 0, next = 0;
  for (let place = 0; place < order.length && !lanes.isFull; place++) {
    while (waits[next]?.place === place) now += (waits[next++] as Wait).seconds;
    const { pass, layer } = order[place] as { readonly pass: number; readonly layer: number };
    const phase = (work.passes[pass] as Work['passes'][number]).phase;
    for (const [lane, seconds] of busy[pass] as (typeof busy)[number]) lanes.add({ lane, layer, pass, phase, start: now, end: now + seconds, microBatch: 0 });
    now += (step.costs[pass] as PassCost).seconds;
  }
  return now;
};

/** All of a step at one level of merging; false where it does not fit. */
const fill = (lanes: Lanes, isAlike: (a: Span, b: Span) => boolean, spansMax: number, work: Work, machine: MachineSpec, step: Step): boolean => {
  const busy = step.costs.map((cost) => lanesOf(cost, machine, work.numCsx));
  let now = 0, microBatch = 0;
  const repeat = (spans: readonly Span[], seconds: number): void => {
    for (const span of spans) lanes.add({ ...span, start: now + span.start, end: now + span.end, microBatch });
    now += seconds;
    microBatch++;
  };
  for (const [m, { order, times }] of work.microBatches.entries()) {
    // Micro-batches of a shape are alike, but for the first of a step, which waits.
    const first = new Lanes(isAlike, spansMax), firstSeconds = addMicroBatch(first, order, m === 0 ? step.waits : [], busy, work, step);
    if (first.isFull) return false;
    if (times > 0) repeat(first.all, firstSeconds);
    if (times < 2) continue;
    const others = m === 0 ? new Lanes(isAlike, spansMax) : first, seconds = m === 0 ? addMicroBatch(others, order, [], busy, work, step) : firstSeconds;
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
