/**
 * What a report is made of, as plain data: a price, the work that was priced, and whatever else there is to show.
 *
 *   Work, Price, Span[], roofline, run record, curves, sweep, constants ─▶ ReportInput ─▶ html.ts ─▶ one page
 *
 * Not here: the page (page/), where the data come from (timing/, plan/).
 */
import type { Trust } from '../spec/quantity.js';
import type { CurvePoint, Price, Span } from '../timing/types.js';
import type { RunRecord } from '../trace/record.js';
import type { Phase, Work } from '../trace/work.js';

/** A span, or neighbours of a lane that were merged because there were too many; what those do not share is `mixed` or −1. */
export type ReportSpan = Omit<Span, 'phase'> & {
  readonly phase: Span['phase'] | 'mixed';
  /** How many spans it stands for. */
  readonly merged?: number | undefined;
};

/** A pass, or all passes of a kind, against the roof; of one system. */
export interface ReportRooflinePoint {
  readonly name: string;
  readonly phase: Phase;
  /** Flop for each byte that streams; infinite where none do. */
  readonly intensity: number;
  /** Flop a second, and what the roof allows at this intensity. */
  readonly achieved: number;
  readonly attainable: number;
}

export interface ReportRoofline {
  readonly points: readonly ReportRooflinePoint[];
  /** Flop a second of one system. */
  readonly peakFlops: number;
  /** Bytes a second of the slope. */
  readonly bytesPerSecond: number;
}

export interface ReportCurve {
  /** `weak`: the same work for each system; `strong`: the same work for all of them together. */
  readonly mode: 'weak' | 'strong';
  readonly points: readonly CurvePoint[];
}

export type SweepValue = string | number | boolean | null;

/** The table of a sweep: rows as long as `columns`. */
export interface SweepTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SweepValue[])[];
}

/** A constant of the machine that the price rests on. */
export interface MachineConstant {
  /** Its place in the spec: `swarmX.nodeLatencySeconds`. */
  readonly path: string;
  readonly value: number | string | boolean;
  readonly unit: string;
  readonly trust: Trust | 'chosen';
  /** One line: what says so. */
  readonly source: string;
  /** Where the truth lies, for a guess. */
  readonly range?: readonly [number, number] | undefined;
}

export interface ReportInput {
  readonly title: string;
  readonly work: Work;
  readonly price: Price;
  /** The timeline of one step. */
  readonly spans: readonly ReportSpan[];
  readonly roofline: ReportRoofline;
  readonly record?: RunRecord | undefined;
  readonly scaling?: readonly ReportCurve[] | undefined;
  readonly sparsity?: readonly CurvePoint[] | undefined;
  readonly sweep?: SweepTable | undefined;
  readonly machine?: readonly MachineConstant[] | undefined;
}
