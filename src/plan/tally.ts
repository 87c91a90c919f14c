/**
 * The tally of a run's work: every distinct pass counted once, and added up over steps as masks change.
 *
 *   program, deal ─▶ distinct passes × groups of micro-batches ─add(steps)─▶ … ─work()─▶ Work
 *
 * Used by the plan with what it is told, and by a run with what it knows: the same formulas, so their counts can be held against those of the devices. Not here:
 * the formulas (passes.ts, tile-work.ts, updates.ts, map.ts).
 */
import type { PassStep, Program } from '../compiler/program.js';
import { actions, at, type Counts } from '../trace/counts.js';
import type { MicroBatchWork, PassOp, PassWork, PlacedPass, TileWork, WaferMap } from '../trace/work.js';
import type { PlanContext } from './context.js';
import { keyOf, layerOf } from './pass-keys.js';
import { mapOf } from './map.js';
import { countPass, opOf, phaseOf, streamedOf, streamedPlan } from './passes.js';
import type { MicroBatchGroup } from './shares.js';
import type { SparseStream } from './streams.js';
import { tileWork } from './tile-work.js';

/** What each sparse weight, by parameter, makes of a step; null: it is dense. */
export type SparseOf = (parameter: number) => SparseStream | null;

interface Distinct {
  readonly pass: PassStep;
  readonly op: PassOp;
  /** A sparse weight's parameter, or −1. */
  readonly sparse: number;
  /** In one micro-batch. */
  readonly times: number;
}

interface Skeleton {
  readonly distinct: readonly Distinct[];
  readonly order: readonly PlacedPass[];
  /** By sparse parameter: the first one of its kind, which stands for all. */
  readonly like: ReadonlyMap<number, number>;
}

interface Sums {
  readonly counts: Float64Array;
  readonly tile: Record<keyof TileWork, number>;
  /** Bytes down and up of one micro-batch, times steps. */
  down: number;
  up: number;
  steps: number;
}

const tileKeys = ['vectors', 'macs', 'rowVectors', 'rowValues', 'columnValues', 'elements', 'elementVectors', 'tasks', 'waveletsSouth', 'waveletsEast', 'waveletsNorth'] as const satisfies readonly (keyof TileWork)[];
const emptyTile = (): Record<keyof TileWork, number> => Object.fromEntries(tileKeys.map((key) => [key, 0])) as Record<keyof TileWork, number>;

/** Passes of a program by what they ask; how many systems there are does not show. */
const skeletons = new WeakMap<Program, Map<string, Skeleton>>();

const skeletonOf = (context: PlanContext, kindOf: (parameter: number) => string | null): Skeleton => {
  const { program } = context, kinds = program.streamed.map(({ weight }) => kindOf(weight)), sparseNames = kinds.every((kind) => kind === null) ? '' : kinds.join(',');
  const found = skeletons.get(program)?.get(sparseNames);
  if (found !== undefined) return found;
  const known = new Map<string, number>(), distinct: { pass: PassStep; op: PassOp; sparse: number; times: number }[] = [];
  const order = program.passes.map((pass): PlacedPass => {
    const plan = streamedPlan(context, pass), kind = plan === null ? null : kindOf(plan.weight), sparse = plan !== null && kind !== null ? plan.weight : -1;
    const key = `${keyOf(context, pass)}${kind === null ? '' : ` of ${kind}`}`;
    let number = known.get(key);
    if (number === undefined) {
      number = distinct.push({ pass, op: opOf(context, pass), sparse, times: 0 }) - 1;
      known.set(key, number);
    }
    (distinct[number] as { times: number }).times++;
    return { pass: number, layer: layerOf(context, pass) };
  });
  const likeOf = new Map<string, number>(), like = new Map<number, number>();
  program.streamed.forEach(({ weight }, i) => {
    const kind = kinds[i] ?? null;
    if (kind === null) return;
    if (!likeOf.has(kind)) likeOf.set(kind, weight);
    like.set(weight, likeOf.get(kind) as number);
  });
  const skeleton = { distinct, order, like };
  skeletons.set(program, (skeletons.get(program) ?? new Map<string, Skeleton>()).set(sparseNames, skeleton));
  return skeleton;
};

export class WorkTally {
  readonly #context: PlanContext;
  readonly #groups: readonly MicroBatchGroup[];
  readonly #skeleton: Skeleton;
  /** distinct × groups */
  readonly #sums: Sums[];
  /** Σ over steps of a sparse weight's stored positions; `until`: the steps that it covers. */
  readonly #stored = new Map<number, { sum: number; until: number }>();
  #dense = 0;
  #elements = 0;
  #steps = 0;

  /** `kindOf`: null for a dense parameter; parameters of one kind have equal streams in every step. */
  constructor(context: PlanContext, groups: readonly MicroBatchGroup[], kindOf: (parameter: number) => string | null) {
    this.#context = context;
    this.#groups = groups;
    this.#skeleton = skeletonOf(context, kindOf);
    const { distinct } = this.#skeleton;
    this.#sums = distinct.flatMap(() => groups.map(() => ({ counts: new Float64Array(actions.length), tile: emptyTile(), down: 0, up: 0, steps: 0 })));
  }

  #addTo(distinct: Distinct, d: number, steps: number, stream: SparseStream | null): void {
    const { op, pass, times } = distinct, streamed = streamedOf(this.#context, op, pass, stream);
    this.#groups.forEach((group, g) => {
      const sums = this.#sums[d * this.#groups.length + g] as Sums, counts = countPass(this.#context, op, pass, streamed, group), tile = tileWork(this.#context, op, pass, streamed, stream, group.fullest);
      for (let a = 0; a < counts.length; a++) sums.counts[a] = (sums.counts[a] as number) + (counts[a] as number) * steps * times * group.times;
      for (const key of tileKeys) sums.tile[key] += tile[key] * steps;
      sums.down += (streamed?.down ?? 0) * steps;
      sums.up += (streamed?.up ?? 0) * steps;
      sums.steps += steps;
    });
  }

  /** Adds steps in which masks stayed as they are; `elements`: those that the optimizer updated, over all of these steps. */
  add(steps: number, sparseOf: SparseOf, elements: number): void {
    this.#steps += steps;
    this.#elements += elements;
    this.#skeleton.distinct.forEach((distinct, d) => {
      const stream = distinct.sparse >= 0 ? sparseOf(distinct.sparse) : null;
      if (stream === null) return;
      this.#addTo(distinct, d, steps, stream);
      const known = this.#stored.get(distinct.sparse);
      if (known === undefined || known.until < this.#steps) this.#stored.set(distinct.sparse, { sum: (known?.sum ?? 0) + stream.stored * steps, until: this.#steps });
    });
  }

  /** Dense passes are the same in every step: they are counted when all steps are known. */
  #addDense(): void {
    this.#skeleton.distinct.forEach((distinct, d) => {
      if (distinct.sparse >= 0 || this.#dense === this.#steps) return;
      this.#addTo(distinct, d, this.#steps - this.#dense, null);
    });
    this.#dense = this.#steps;
  }

  /** Whether no weight is stored under a mask. */
  get isDense(): boolean {
    return this.#skeleton.like.size === 0;
  }

  get steps(): number {
    return this.#steps;
  }

  passes(): { readonly passes: readonly PassWork[]; readonly microBatches: readonly MicroBatchWork[] } {
    this.#addDense();
    const groups = this.#groups.length;
    const passes = this.#skeleton.distinct.flatMap((distinct, d) => this.#groups.map((group, g) => this.#passWork(distinct, this.#sums[d * groups + g] as Sums, group)));
    const microBatches = this.#groups.map((group, g): MicroBatchWork => ({
      times: group.times, tokens: group.fullest.share.tokens, tokensOfRow: group.fullest.rowTokens, rows: group.fullest.share.rows, busyCsx: group.ways.senders,
      order: this.#skeleton.order.map(({ pass, layer }) => ({ pass: pass * groups + g, layer })),
    }));
    return { passes, microBatches };
  }

  #passWork({ pass, op, times }: Distinct, sums: Sums, group: MicroBatchGroup): PassWork {
    const { program, activationBytes } = this.#context, executions = sums.steps * times * group.times, mean = (sum: number): number => (sums.steps === 0 ? 0 : sum / sums.steps);
    const plan = streamedPlan(this.#context, pass), { tokens } = group.fullest.share, all = group.shares.reduce((sum, { share, wafers }) => sum + share.tokens * wafers, 0);
    const offload = (buffer: number | undefined): number => (buffer === undefined ? 0 : (program.buffers[buffer]?.features ?? 0) * tokens * activationBytes);
    const counted = (action: 'gatheredRows' | 'weightBytesOut'): number => (executions === 0 ? 0 : (sums.counts[at[action]] as number) / executions);
    const rows = pass.op === 'gather' || pass.op === 'scatter', table = rows ? program.model.layers[pass.layer] : undefined;
    const rowBytes = table?.kind === 'embedding' ? table.features * (table.positions === null ? 1 : 2) : 0;
    const samples = pass.op === 'input' || pass.op === 'gather' ? tokens * 4 + (pass.op === 'input' ? tokens * (program.model.layers[0]?.features ?? 0) * activationBytes : 0) : 0;
    const counts: Partial<Counts> = {};
    for (const action of actions) if (sums.counts[at[action]] !== 0) counts[action] = sums.counts[at[action]] as number;
    const buffer = plan === null ? -1 : pass.op === 'delta' ? plan.y : plan.x;
    const macs = plan === null || plan.kind === 'norm' ? (sums.counts[at.macs] as number) / Math.max(1, executions) : ((sums.counts[at.macs] as number) + (sums.counts[at.macsSkipped] as number)) / Math.max(1, executions);
    return {
      op, phase: phaseOf(op, pass), times: executions, counts, tile: Object.fromEntries(tileKeys.map((key) => [key, mean(sums.tile[key])])) as unknown as TileWork,
      columns: buffer >= 0 ? this.#context.columns(buffer) : program.rectangle.cols, rows: group.fullest.share.rows,
      blocks: plan === null ? 0 : (pass.op === 'delta' ? plan.deltaBlocks : plan.forwardBlocks).length,
      inBytes: mean(sums.down) + samples + offload(pass.returns) + (pass.op === 'gather' ? rowBytes * tokens * this.#context.weightBytes : 0),
      outBytes: mean(sums.up) * 4 + offload(pass.leaves) + (pass.op === 'scatter' ? rowBytes * tokens * 4 : 0),
      memoryXOutBytes: counted('weightBytesOut'), memoryXInBytes: mean(sums.up) * 4 + (pass.op === 'scatter' ? rowBytes * all * 4 : 0),
      denseMacs: macs,
    };
  }

  /** Mean stored positions of a parameter; all of a dense one's. */
  storedOf(parameter: number): number {
    const known = this.#stored.get(this.#skeleton.like.get(parameter) ?? parameter), size = this.#context.program.model.parameters[parameter]?.size ?? 0;
    return known === undefined || this.#steps === 0 ? size : known.sum / this.#steps;
  }

  map(): WaferMap {
    const { program } = this.#context;
    return mapOf(this.#context, this.#skeleton.distinct, this.#groups, (streamed) => {
      const plan = program.streamed[streamed];
      return plan === undefined ? 1 : this.storedOf(plan.weight) / (plan.inputs * plan.outputs);
    });
  }

  /** The counts of updates over all steps. */
  get updateCounts(): Partial<Counts> {
    return this.#elements === 0 ? {} : { optimizerElements: this.#elements };
  }
}
