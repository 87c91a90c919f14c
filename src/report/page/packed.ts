/**
 * The data of a page as text: spans as columns of numbers, and JSON that keeps numbers which JSON has none for.
 *
 *   ReportInput ─packSpans, encode─▶ text in the page ─decode, unpackSpans─▶ what the page draws
 *
 * Used on both sides, so it knows neither Node nor a browser. Not here: escaping for HTML (html.ts).
 */
import type { RunRecord } from '../../trace/record.js';
import type { ReportInput, ReportSpan } from '../input.js';

/** Spans column by column; lanes and phases by their numbers in a list of names. */
export interface PackedSpans {
  readonly lanes: readonly ReportSpan['lane'][];
  readonly phases: readonly ReportSpan['phase'][];
  readonly lane: readonly number[];
  readonly phase: readonly number[];
  readonly layer: readonly number[];
  readonly pass: readonly number[];
  readonly microBatch: readonly number[];
  readonly start: readonly number[];
  readonly end: readonly number[];
  /** How many spans each stands for; left out where each stands for itself alone. */
  readonly merged?: readonly number[];
}

/** What the page shows of a run record. */
export const recordKeys = [
  'format', 'numericsVersion', 'model', 'seed', 'steps', 'batchSize', 'optimizer', 'shape', 'losses', 'evaluations', 'redone', 'evaluated', 'faults', 'sparsity', 'masksKept', 'precision', 'skippedSteps', 'lossScale', 'tiers',
  'checkpoints', 'memory', 'weightsDigest',
] as const satisfies readonly (keyof RunRecord)[];
export type PageRecord = Pick<RunRecord, (typeof recordKeys)[number]> & { readonly counts: RunRecord['counts']['total'] };

export type PageData = Omit<ReportInput, 'spans' | 'record'> & { readonly spans: PackedSpans; readonly record?: PageRecord };

/** A list's distinct values in order of appearance, and the number of each element's. */
const numbered = <T>(values: readonly T[]): { readonly names: readonly T[]; readonly numbers: readonly number[] } => {
  const known = new Map<T, number>();
  const numbers = values.map((value) => {
    const number = known.get(value) ?? known.size;
    known.set(value, number);
    return number;
  });
  return { names: [...known.keys()], numbers };
};

export const packSpans = (spans: readonly ReportSpan[]): PackedSpans => {
  const lanes = numbered(spans.map((span) => span.lane)), phases = numbered(spans.map((span) => span.phase));
  const column = (key: 'layer' | 'pass' | 'microBatch' | 'start' | 'end'): number[] => spans.map((span) => span[key]);
  return {
    lanes: lanes.names, phases: phases.names, lane: lanes.numbers, phase: phases.numbers, layer: column('layer'), pass: column('pass'), microBatch: column('microBatch'), start: column('start'), end: column('end'),
    ...(spans.some((span) => span.merged !== undefined) ? { merged: spans.map((span) => span.merged ?? 1) } : {}),
  };
};

export const unpackSpans = (packed: PackedSpans): readonly ReportSpan[] => {
  const at = <T>(list: readonly T[], i: number): T => {
    if (i < 0 || i >= list.length) throw new RangeError(`packed spans have no entry ${i}`);
    return list[i] as T;
  };
  return packed.lane.map((lane, i) => ({
    lane: at(packed.lanes, lane), layer: at(packed.layer, i), pass: at(packed.pass, i), phase: at(packed.phases, at(packed.phase, i)), start: at(packed.start, i), end: at(packed.end, i), microBatch: at(packed.microBatch, i),
    ...(packed.merged === undefined || at(packed.merged, i) === 1 ? {} : { merged: at(packed.merged, i) }),
  }));
};

/** An infinity or NaN stands as an object with this one key. */
const mark = 'nonFinite';

export const encode = (data: unknown): string => JSON.stringify(data, (_key, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? { [mark]: String(value) } : value));

export const decode = (text: string): unknown =>
  JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !(mark in value)) return value;
    return Object.keys(value).length === 1 ? Number(value[mark]) : value;
  });
