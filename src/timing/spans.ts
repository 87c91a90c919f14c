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
import { InvalidConfig } from '../util/errors.js';
import type { PassCost } from './demands.js';
import { stepOf, type Step } from './step.js';
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

/** What neighbours must share to be merged, from the finest level to the coarsest. */
const levels: readonly ((span: Span) => string)[] = [
  ({ microBatch, layer, phase }) => `${microBatch}/${layer}/${phase}`,
  ({ microBatch, phase }) => `${microBatch}/${phase}`,
  ({ microBatch }) => String(microBatch),
  () => '',
];

/** Collects spans lane by lane and merges neighbours when told to. */
class Lanes {
  readonly #level: number;
  readonly #spans = new Map<Lane, Span[]>();
  readonly #limit: number;
  count = 0;
  constructor(level: number, limit: number) {
    this.#level = level;
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.count > this.#limit;
  }

  add(span: Span): void {
    if (span.end <= span.start) return;
    const spans = this.#spans.get(span.lane) ?? [], last = spans.at(-1), key = levels[this.#level - 1];
    this.#spans.set(span.lane, spans);
    if (last === undefined || key === undefined || key(last) !== key(span)) {
      spans.push(span);
      this.count++;
      return;
    }
    const same = <T>(a: T, b: T, otherwise: T): T => (a === b ? a : otherwise);
    spans[spans.length - 1] = {
      ...last, end: Math.max(last.end, span.end), layer: same(last.layer, span.layer, -1), pass: same(last.pass, span.pass, -1), phase: same<Span['phase']>(last.phase, span.phase, 'mixed'), microBatch: same(last.microBatch, span.microBatch, -1),
      merged: (last.merged ?? 1) + (span.merged ?? 1),
    };
  }

  get all(): Span[] {
    return [...this.#spans.values()].flat();
  }
}

const fill = (lanes: Lanes, work: Work, machine: MachineSpec, step: Step): void => {
  const busy = step.costs.map((cost) => lanesOf(cost, machine, work.numCsx));
  let now = 0, microBatch = 0, nextWait = 0;
  for (const { order, times } of work.microBatches) {
    for (let t = 0; t < times && !lanes.isFull; t++, microBatch++) {
      for (let place = 0; place < order.length; place++) {
        if (microBatch === 0) while (step.waits[nextWait]?.place === place) now += (step.waits[nextWait++] as { readonly seconds: number }).seconds;
        const { pass, layer } = order[place] as { readonly pass: number; readonly layer: number };
        const phase = (work.passes[pass] as Work['passes'][number]).phase;
        for (const [lane, seconds] of busy[pass] as (typeof busy)[number]) lanes.add({ lane, layer, pass, phase, start: now, end: now + seconds, microBatch });
        now += (step.costs[pass] as PassCost).seconds;
      }
    }
  }
  const last = microBatch - 1, update = { lane: 'optimizer', pass: -1, phase: 'update' } as const;
  // What the last step left to do comes first in this one.
  for (const { layer, start, end } of step.updates) if (end > 0) lanes.add({ ...update, layer, start: Math.max(0, start), end, microBatch: -1 });
  for (const { layer, start, end } of step.updates) if (start < 0) lanes.add({ ...update, layer, start: Math.max(0, step.seconds + start), end: step.seconds + Math.min(0, end), microBatch: last });
};

/** The spans of one steady step, lanes one after the other, each in ascending time; at most `spansMax` (20,000 unless given). @throws InvalidConfig below 14, and for work that the machine has no room for */
export const spansOf = (work: Work, machine: MachineSpec, { spansMax = spansMaxDefault }: { readonly spansMax?: number } = {}): Span[] => {
  if (!Number.isInteger(spansMax) || spansMax < spansMaxMin) throw new InvalidConfig({ what: 'spansMax', value: spansMax, limit: `a whole number ≥ ${spansMaxMin}` });
  const step = stepOf(work, machine);
  for (let level = 0; ; level++) {
    const lanes = new Lanes(level, level === levels.length ? Number.POSITIVE_INFINITY : spansMax);
    fill(lanes, work, machine, step);
    if (!lanes.isFull) return lanes.all;
  }
};
