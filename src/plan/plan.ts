/**
 * The plan rung: a model on a cluster, compiled and counted without being run, at any size.
 *
 *   model + options ─choose─▶ program (rectangle, recomputation, micro-batch) ─tally─▶ counts, Work, memory
 *
 * Law: for what is small enough to run, its counts are those of the run, exactly (test/laws/plan.test.ts). Not here: the choices (choose.ts), prices (timing/), curves (curves.ts).
 */
import type { BatchShape } from '../cluster/deal.js';
import { wantsDenseGradient } from '../cluster/masks.js';
import type { Program } from '../compiler/program.js';
import { slabTokens } from '../kernels/types.js';
import type { Model } from '../model/graph.js';
import { adamW, checkOptimizer } from '../model/optimizer.js';
import { checkPrecision, fullPrecision } from '../model/precision.js';
import { sparsity, type NamedMask, type SparseParameter, type Sparsity } from '../model/sparsity.js';
import { resolveSparsity, storedBy } from '../sparsity/plan.js';
import { actions, type Counts } from '../trace/counts.js';
import { workCounts, type Work } from '../trace/work.js';
import { InvalidConfig, assert } from '../util/errors.js';
import { checkPlanOptions } from './check.js';
import { choose, type ChoiceCache } from './choose.js';
import { contextOf, type PlanContext } from './context.js';
import { maskedStream, spreadStream } from './masks.js';
import { groupsOf } from './shares.js';
import type { SparseStream } from './streams.js';
import { WorkTally } from './tally.js';
import type { Plan, PlanOptions } from './types.js';
import { trainingWork } from './work.js';

/** One object, so that plans know it again. */
const defaultOptimizer = adamW({ learningRate: 1e-3 });

const descriptionOf = (wanted: PlanOptions['sparsity']): Sparsity | null =>
  wanted === undefined || wanted === 0 ? null : typeof wanted === 'number' ? sparsity({ algorithm: 'static', sparsity: wanted }) : wanted;

/** What a step makes of each sparse weight, by parameter. */
const streamsAt = (context: PlanContext, resolved: ReturnType<typeof resolveSparsity>, { known }: PlanOptions): ((step: number) => ReadonlyMap<number, SparseStream>) => {
  const { parameters } = context.program.model;
  const given = (step: number): readonly NamedMask[] | undefined => (typeof known?.masks === 'function' ? known.masks(step) : known?.masks);
  const spread = new Map<number, SparseStream>();
  const storedAt = (plan: SparseParameter, startSparsity: number, step: number): number => {
    const last = plan.updates.findLast(({ version }) => version <= step);
    return storedBy(plan, last?.sparsity ?? startSparsity);
  };
  return (step) => {
    const masks = given(step);
    return new Map(resolved.map(({ plan, startSparsity }) => {
      const mask = masks?.find(({ name }) => name === parameters[plan.parameter]?.name);
      if (mask !== undefined) return [plan.parameter, maskedStream(context, plan, mask, step)];
      const stored = storedAt(plan, startSparsity, step), before = spread.get(plan.parameter);
      const stream = before !== undefined && before.stored === stored && before.isGradientDense === wantsDenseGradient(plan, step) ? before : spreadStream(context, plan, stored, step);
      spread.set(plan.parameter, stream);
      return [plan.parameter, stream];
    }));
  };
};

/** Adds all steps, those with equal streams at once; a step that is skipped updates nothing. */
const addSteps = (tally: WorkTally, steps: number, skipped: number, changes: boolean, at: (step: number) => ReadonlyMap<number, SparseStream>, elementsOf: (streams: ReadonlyMap<number, SparseStream>) => number): void => {
  if (!changes) {
    const streams = at(0);
    tally.add(steps, (parameter) => streams.get(parameter) ?? null, elementsOf(streams) * (steps - skipped));
    return;
  }
  if (skipped > 0) throw new InvalidConfig({ what: 'skipped steps beside masks that change', where: 'known.skippedSteps', value: skipped, limit: 0, hint: 'leave them out: which steps they were shows in the masks' });
  for (let step = 0; step < steps; step++) {
    const streams = at(step);
    tally.add(1, (parameter) => streams.get(parameter) ?? null, elementsOf(streams));
  }
};

const allCounts = (some: Partial<Counts>): Counts => Object.fromEntries(actions.map((action) => [action, some[action] ?? 0])) as Counts;

/** Tiles of a wafer that hold features and tokens of the widest buffer. */
const tilesInUse = (context: PlanContext, program: Program, rows: number): number => rows * program.buffers.reduce((most, _, buffer) => Math.max(most, context.columns(buffer)), 0);

/**
 * Plans a training: placement, memory and counted actions of all steps, without running any.
 *
 * @throws InvalidModel, InvalidConfig, NotEmulated as a run would; DoesNotFit naming what does not fit, and what would help
 */
export const plan = (model: Model, options: PlanOptions, cache?: ChoiceCache): Plan => {
  checkPlanOptions(options);
  const { optimizer = defaultOptimizer, precision = fullPrecision, fanIn = 4, numCsx = 1, steps = 1, known } = options;
  checkOptimizer(optimizer);
  checkPrecision(precision);
  const description = descriptionOf(options.sparsity), resolved = description === null ? [] : resolveSparsity(model, description, steps);
  const sparse = new Set(resolved.map(({ plan: { parameter } }) => parameter));
  const chosen = choose(model, options, (parameter) => sparse.has(parameter), cache), { program, slabs } = chosen;
  const batch: BatchShape = { samples: options.batchSize, tokensPerSample: model.tokensPerSample, numCsx, slabsPerWafer: slabs, slabTokens };
  const context = contextOf(program, batch, fanIn), groups = groupsOf(program, batch, fanIn);
  // Without masks, weights of one shape and one schedule stream alike.
  const kinds = new Map(resolved.map(({ plan: { parameter, ...rest }, startSparsity }) => [parameter, known?.masks === undefined ? JSON.stringify([rest, startSparsity]) : String(parameter)]));
  const tally = new WorkTally(context, groups, (parameter) => kinds.get(parameter) ?? null);
  const dense = model.parameters.reduce((sum, { index, size }) => sum + (sparse.has(index) ? 0 : size), 0);
  const changes = typeof known?.masks === 'function' || resolved.some(({ plan: { updates } }) => updates.length > 0);
  addSteps(tally, steps, known?.skippedSteps ?? 0, changes, streamsAt(context, resolved, options), (streams) => [...streams.values()].reduce((sum, { stored }) => sum + stored, dense));
  const work = trainingWork(context, tally, { optimizer, verdict: options.clipNorm !== undefined || precision.lossScale.kind !== 'none' });
  return {
    counts: allCounts(workCounts(work)), work, ...placeOf(context, work, chosen.program), microBatches: groups.reduce((sum, { times }) => sum + times, 0),
    microBatchSize: chosen.microBatchSize, microBatchSizeMax: chosen.microBatchSizeMax, recompute: program.recompute, logits: program.logits, sram: program.sram,
    memoryX: memoryOf(work, options.dramBytes),
  };
};

const placeOf = (context: PlanContext, work: Work, program: Program): Pick<Plan, 'rectangle' | 'tiles'> => {
  const { rows, cols } = program.rectangle, [first] = work.microBatches;
  assert(first !== undefined, 'a step has a micro-batch');
  return { rectangle: { rows, cols, tiles: rows * cols }, tiles: work.numCsx * tilesInUse(context, program, first.rows) };
};

const memoryOf = ({ stateBytes }: Work, dramBytes = Infinity): Plan['memoryX'] => ({ stateBytes, dramBytes: Math.min(stateBytes, dramBytes), flashBytes: Math.max(0, stateBytes - dramBytes) });
