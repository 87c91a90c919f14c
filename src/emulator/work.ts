/**
 * The work of a run: what each step's masks and skips made of its passes, added up as versions are acknowledged.
 *
 *   version s whole ─note─▶ masks that step s reads; version s + 1 whole ─▶ step s counts ─▶ … ─▶ record.work, whose counts are those of the devices
 *
 * Not here: the formulas (plan/), the devices' own counts (cluster/).
 */
import type { ClusterLayout } from '../cluster/layout.js';
import { MaskTable, wantsDenseGradient } from '../cluster/masks.js';
import type { FanIn } from '../cluster/swarmx/tree.js';
import { contextOf, type PlanContext } from '../plan/context.js';
import { imbalanceByChance } from '../plan/masks.js';
import { groupsOf } from '../plan/shares.js';
import type { SparseStream } from '../plan/streams.js';
import { WorkTally } from '../plan/tally.js';
import { trainingWork } from '../plan/work.js';
import type { SparsityReport } from '../trace/record.js';
import { workCounts, type Work } from '../trace/work.js';
import type { Counts } from '../trace/counts.js';
import { assert } from '../util/errors.js';

interface Segment {
  readonly streams: ReadonlyMap<number, SparseStream>;
  steps: number;
  /** Steps among them that changed nothing. */
  skipped: number;
}

/** Sums of whole numbers are exact below 2^53; beyond, two orders of adding may round apart. */
const agree = (a: number, b: number): boolean => a === b || (a > Number.MAX_SAFE_INTEGER && Math.abs(a - b) <= 1e-9 * a);

const same = (a: ReadonlyMap<number, SparseStream>, b: ReadonlyMap<number, SparseStream>): boolean => JSON.stringify([...a.values()]) === JSON.stringify([...b.values()]);

export class RunWork {
  readonly #layout: ClusterLayout;
  readonly #context: PlanContext;
  readonly #segments: Segment[] = [];
  /** The version whose step has not been counted yet, and what it reads. */
  #version: number;
  #reads: ReadonlyMap<number, SparseStream>;
  #skipped: number;

  /** `first`: the version that the run begins with; its masks are in place. */
  constructor(layout: ClusterLayout, fanIn: FanIn, first: number, skipped: number) {
    this.#layout = layout;
    this.#context = contextOf(layout.program, layout.batch, fanIn);
    this.#version = first;
    this.#skipped = skipped;
    this.#reads = this.#streamsOf(first);
  }

  #streamsOf(version: number): ReadonlyMap<number, SparseStream> {
    const table = new MaskTable(this.#layout.masks), found = new Map<number, SparseStream>();
    for (const { sparse } of this.#layout.memoryX.parameters) {
      if (sparse === null) continue;
      const { plan } = sparse, { stored } = table.at(sparse, version);
      found.set(plan.parameter, { stored, streams: table.streams(sparse, version), isGradientDense: wantsDenseGradient(plan, version), imbalance: imbalanceByChance(stored, plan.inputs * plan.outputs, this.#layout.program.rectangle.cols) });
    }
    return found;
  }

  /** Version `version` is whole; `skipped`: steps of the run so far that changed nothing. A version may be noted again. */
  note(version: number, skipped: number): void {
    if (version !== this.#version + 1) return;
    const last = this.#segments[this.#segments.length - 1], one = skipped - this.#skipped;
    if (last !== undefined && same(last.streams, this.#reads)) {
      last.steps++;
      last.skipped += one;
    } else this.#segments.push({ streams: this.#reads, steps: 1, skipped: one });
    this.#version = version;
    this.#skipped = skipped;
    this.#reads = this.#streamsOf(version);
  }

  /** `counted`: by the devices; `reports`: how even the last masks are. @throws EmulatorBug where they differ */
  finish(counted: Counts, reports: readonly SparsityReport[]): Work {
    const { program, batch, optimizer, clipNorm, precision } = this.#layout, { fanIn } = this.#context, { parameters } = program.model;
    const sparse = new Map(reports.map(({ name, imbalance }) => [parameters.find((spec) => spec.name === name)?.index ?? -1, imbalance]));
    const tally = new WorkTally(this.#context, groupsOf(program, batch, fanIn), (parameter) => (sparse.has(parameter) ? String(parameter) : null));
    const dense = parameters.reduce((sum, { index, size }) => sum + (sparse.has(index) ? 0 : size), 0);
    for (const { streams, steps, skipped } of this.#segments) {
      const elements = [...streams.values()].reduce((sum, { stored }) => sum + stored, dense);
      tally.add(steps, (parameter) => {
        const stream = streams.get(parameter);
        return stream === undefined ? null : { ...stream, imbalance: sparse.get(parameter) ?? stream.imbalance };
      }, elements * (steps - skipped));
    }
    const work = trainingWork(this.#context, tally, { optimizer, verdict: clipNorm !== null || precision.lossScale.kind !== 'none' });
    for (const [action, amount] of Object.entries(workCounts(work)) as [keyof Counts, number][]) assert(agree(amount, counted[action]), `the passes of a run have the ${action} that its devices counted: ${amount}, ${counted[action]}`);
    return work;
  }
}
