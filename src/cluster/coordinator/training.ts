/**
 * Training: runs the steps, acknowledges each, and after a fault goes on from the last acknowledged weights.
 *
 *   attempt ─ok─▶ done
 *      └─ActorFailed─▶ wait until nobody works ─▶ revive threads ─▶ MemoryX forgets the step ─▶ attempt from the last acknowledged step
 *
 * Redone work is counted apart. Not here: the streams (attempt.ts), threads (actor/).
 */
import { expF32 } from '../../kernels/functions.js';
import { from, lastValueFrom, merge, Observable, Subject } from 'rxjs';
import { Credits } from '../../stream/credit.js';
import type { ScalingState } from '../../model/precision.js';
import { floats } from '../../tensor/shared-memory.js';
import { actions, at, readCounts, stepCounters } from '../../trace/counts.js';
import { ActorFailed, assert, NonFiniteLoss } from '../../util/errors.js';
import { nowMs } from '../../util/clock.js';
import { dealBatch, slabsOfSample } from '../deal.js';
import { sparsityOf } from '../masks.js';
import { attempt, type StreamCredits } from './attempt.js';
import { lookahead } from './down.js';
import { evaluate } from './evaluate.js';
import type { Segments } from './future.js';
import { firstScaling, LossScaler } from './loss-scaler.js';
import { lossOf } from './loss.js';
import { Ledger } from './ports.js';
import type { Archiving } from './archiving.js';
import { Slots } from './slots.js';
import type { EvaluationPlan, EvaluationReport, StepReport, TrainingOptions, TrainingResult } from './training-plan.js';
import type { Tiers } from './tiered.js';
import { visitsOf } from './visits.js';

/** Attempts at one step before its fault is taken for lasting. */
const attemptsMax = 8;
/** Turns of the event loop in which refused work gives its credits back. */
const settleTurnsMax = 10_000;

/** @throws NonFiniteLoss, ActorFailed when a fault will not go away, or the signal's reason */
export const train = async (o: TrainingOptions): Promise<TrainingResult> => {
  const { layout, ports } = o, residence = o.tiers?.residence ?? null;
  const tiersNow = o.tiers === null ? null : tiersSince(o.tiers);
  const underWay = new Map<string, () => Promise<unknown>>();
  const microBatches = dealBatch(layout.batch);
  const slabs = microBatches.reduce((sum, microBatch) => sum + microBatch.count, 0);
  const losses: number[] = [];
  const counts = new Float64Array(stepCounters(layout.counts, 0).length), redone = new Float64Array(actions.length), evaluated = new Float64Array(actions.length);
  /** Moves the counters of a step into `into`, device by device or all into one; updates are never done again, so they can stay. */
  const settle = (step: number, into: Float64Array, updates: 'move' | 'stay'): void => {
    const counters = stepCounters(layout.counts, step);
    counters.forEach((value, i) => {
      if (updates === 'stay' && i % actions.length === at.optimizerElements) return;
      into[i % into.length] = (into[i % into.length] ?? 0) + value;
      counters[i] = 0;
    });
  };
  const totals = new Map<string, { out: number; back: number; highWater: number }>();
  const sparseSoFar = sparsityOf(layout);
  const { lossScale } = layout.precision, scaler = lossScale.kind === 'none' ? null : new LossScaler(lossScale, o.scaling ?? firstScaling(lossScale), o.first), scaling: ScalingState[] = [];
  let masksKept = 0;
  let acknowledged = o.first, faults = 0, tries = 0, clock = nowMs();

  /** After a fault: new threads, and MemoryX forgets the gradients of the step. A thread may die again while this goes on. */
  const recover = async (fault: ActorFailed): Promise<void> => {
    faults++;
    if (++tries >= attemptsMax) throw fault;
    const ledger = new Ledger();
    try {
      await o.revive();
      await Promise.all(ports.units.map((unit) => ledger.ask(unit, { type: 'memoryx.restart' })));
      for (const finish of underWay.values()) await finish();
      residence?.restart(new Set(underWay.keys()));
      underWay.clear();
    } catch (error) {
      await ledger.quiet();
      if (!(error instanceof ActorFailed) || o.signal.aborted) throw error;
      await recover(error);
    }
  };

  const evaluations: EvaluationReport[] = [...o.evaluations];
  const together = slabsOfSample(layout.batch);
  const lossNow = (factor: number): number => lossOf(floats(layout.arenaMemory, layout.arena.lossLeaves, slabs), factor, together);
  /** Steps to go at most; an evaluation may lower it. */
  const { every = Infinity } = o.evaluation ?? {};
  let steps = o.steps, isEvaluationDue = o.evaluation !== null && o.first > 0 && isJudgedAt(o.first, every, o.steps) && evaluations.every(({ step }) => step !== o.first), isArchiveDue = false, isRedone = false;
  let fatal = new Subject<never>();
  const archive = o.archive?.((error) => fatal.error(error)) ?? null;
  const evaluationEnded = (losses: readonly number[]): void => {
    const plan = o.evaluation;
    if (plan === null) return;
    const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    const report = { step: acknowledged, loss, perplexity: expF32(Math.fround(loss)), batches: losses.length };
    evaluations.push(report);
    settle(acknowledged, evaluated, 'move');
    o.onVersion(acknowledged, evaluations, scaler?.before(acknowledged) ?? null);
    plan.onEvaluation(report);
    const best = evaluations.reduce((low, { loss: value }, i) => (value < (evaluations[low]?.loss ?? Infinity) ? i : low), 0);
    if (plan.patience !== null && evaluations.length - 1 - best >= plan.patience) steps = acknowledged;
  };

  while (acknowledged < steps || isEvaluationDue || isArchiveDue) {
    const ledger = new Ledger();
    const credits: StreamCredits = {
      ahead: new Credits('prepared items', lookahead),
      weights: new Slots(new Credits('weight blocks', o.weightSlots)),
      gradients: new Slots(new Credits('gradient blocks', o.gradientSlots)),
    };
    const pending = new Map<number, number>(), norms = new Map<number, number>(), masks = new Map<number, number>();
    const evaluationLosses: number[] = [];
    fatal = new Subject<never>();
    const end = Math.min(steps, every === Infinity ? steps : (Math.floor(acknowledged / every) + 1) * every);
    const evaluation: EvaluationPlan | null = isEvaluationDue ? o.evaluation : null;
    const visits = visitsOf(residence);
    const isArchiving: boolean = evaluation === null && isArchiveDue;
    const segments = isArchiving ? oneArchive(acknowledged) : evaluation === null ? stepsFrom(acknowledged, end, archive) : batchesAfter(acknowledged, evaluation.batches);
    residence?.begin(segments);
    if (isRedone && !isArchiving) archive?.go(ledger, visits);
    isRedone = false;
    const archiveNow = async (): Promise<void> => {
      if (archive?.last !== acknowledged) await archive?.start(acknowledged, o.stateOf(acknowledged), ledger, visits);
      else archive.go(ledger, visits);
      await archive?.whole();
    };
    const run$ = isArchiving ? from(archiveNow()) : evaluation !== null ? evaluate({
      layout, microBatches, ports, ledger, credits, visits, step: acknowledged, batches: evaluation.batches, factor: evaluation.factor,
      onLoss: (batch) => (evaluationLosses[batch] = lossNow(evaluation.factor(batch))),
    }) : attempt({
      layout, tree: o.tree, microBatches, ports, ledger, credits, visits, underWay, first: acknowledged,
      archived: (step, group) => archive?.before(step, group) ?? Promise.resolve(),
      commit: async (version) => {
        const loss = pending.get(version - 1) ?? Number.NaN;
        if (!Number.isFinite(loss) && scaler?.skipped(version - 1) !== true) throw new NonFiniteLoss({ what: `the loss of step ${version - 1}`, value: String(loss), hint: 'lower the learning rate or check the data' });
        o.onVersion(version, evaluations, scaler?.before(version) ?? null);
        await residence?.commit(version);
      }, end, factor: o.factor, scaler,
      onLoss: (step) => pending.set(step, lossNow(o.factor(step))),
      onNorm: (step, norm) => norms.set(step, norm),
      onMasks: (step, changed) => masks.set(step, changed),
      onAcknowledged: (step) => {
        const loss = pending.get(step) ?? Number.NaN;
        pending.delete(step);
        const isSkipped = scaler !== null && scaler.skipped(step);
        losses.push(loss);
        acknowledged = step + 1;
        tries = 0;
        if (archive?.isDue(acknowledged) === true && acknowledged < end) archive.start(acknowledged, o.stateOf(acknowledged), ledger, visits).catch((error: unknown) => fatal.error(error));
        settle(step, counts, 'move');
        const now = nowMs();
        const norm = norms.get(step), factor = o.factor(step);
        norms.delete(step);
        const changed = masks.get(step);
        masks.delete(step);
        if (changed === 0) masksKept++;
        const sparsity = sparseSoFar(step + 1);
        const scale = scaler?.before(step).scale;
        if (scaler !== null) scaling.push(scaler.before(step + 1));
        scaler?.forgetBefore(step + 1);
        o.onStep({
          step, loss, learningRate: o.learningRate(step), samples: layout.batch.samples, tokens: factor === 0 ? 0 : Math.round(1 / factor), ...(norm === undefined ? {} : { gradientNorm: norm }), ...(scale === undefined ? {} : { lossScale: scale, skipped: isSkipped }),
          ...(sparsity === null ? {} : { masksUpdated: changed ?? 0, sparsity }),
          ...(tiersNow === null ? {} : { tiers: tiersNow() }),
          seconds: (now - clock) / 1000,
        });
        clock = now;
      },
    });
    try {
      await lastValueFrom(stoppable(run$, residence === null ? fatal : merge(fatal, from(residence.failure)), o.signal), { defaultValue: undefined });
      await ledger.quiet();
      if (evaluation !== null) evaluationEnded(evaluationLosses);
      isArchiveDue = !isArchiving && archive !== null && archive.last < acknowledged && (archive.isDue(acknowledged) || acknowledged === steps);
      isEvaluationDue = evaluation === null && o.evaluation !== null && !isArchiving;
    } catch (error) {
      const closed = error instanceof Error ? error : new Error(String(error));
      credits.ahead.close(closed);
      credits.weights.credits.close(closed);
      credits.gradients.credits.close(closed);
      residence?.halt(closed);
      await ledger.quiet();
      await o.tiers?.ledger.quiet();
      credits.weights.close(closed);
      credits.gradients.close(closed);
      // What was being prepared has been refused by now and gives its credits back in the coming turns of the event loop.
      for (let turn = 0; credits.ahead.inFlight > 0; turn++) {
        assert(turn < settleTurnsMax, 'whatever was being prepared settles after a fault');
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (!(error instanceof ActorFailed) || o.signal.aborted) throw error;
      await recover(error);
      isRedone = true;
      settle(acknowledged, redone, 'stay');
      settle(acknowledged + 1, redone, 'stay');
    }
    for (const [name, pool] of [['ahead', credits.ahead], ['weights', credits.weights.credits], ['gradients', credits.gradients.credits]] as const) {
      const total = totals.get(name) ?? { out: 0, back: 0, highWater: 0 };
      totals.set(name, { out: total.out + pool.out, back: total.back + pool.returned, highWater: Math.max(total.highWater, pool.highWater) });
    }
  }
  return { losses, steps: acknowledged, evaluations, faults, masksKept, scaling, counts, redone: readCounts(redone), evaluated: readCounts(evaluated), credits: Object.fromEntries(totals) };
};

/** What the tiers did since it was asked before. */
const tiersSince = ({ residence, flash }: Tiers): (() => NonNullable<StepReport['tiers']>) => {
  let before = { readBytes: 0, writtenBytes: 0, waitedSeconds: 0 };
  return () => {
    const now = { readBytes: flash.totals.readBytes, writtenBytes: flash.totals.writtenBytes, waitedSeconds: residence.waitedMs / 1000 }, last = before;
    before = now;
    return { readBytes: now.readBytes - last.readBytes, writtenBytes: now.writtenBytes - last.writtenBytes, waitedSeconds: now.waitedSeconds - last.waitedSeconds };
  };
};

const stepsFrom = (first: number, end: number, archive: Archiving | null): Segments => ({ count: end - first, at: (i) => ({ kind: 'train', step: first + i, archive: archive?.isComing(first + i) ?? false }) });
const oneArchive = (step: number): Segments => ({ count: 1, at: () => ({ kind: 'archive', step }) });
/** Whether an evaluation follows so many steps. */
const isJudgedAt = (step: number, every: number, steps: number): boolean => step % every === 0 || step === steps;
/** Evaluation batches stand at places of the parity of the weights they read. */
const batchesAfter = (step: number, batches: number): Segments => ({ count: batches, at: (batch) => ({ kind: 'evaluate', step: step + 2 * batch }) });

/** `source`, ended by an error of `fatal` or by the signal. */
const stoppable = (source: Observable<unknown>, fatal: Observable<never>, signal: AbortSignal): Observable<unknown> =>
  new Observable((subscriber) => {
    if (signal.aborted) {
      subscriber.error(signal.reason);
      return;
    }
    const stop = (): void => subscriber.error(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    subscriber.add(() => signal.removeEventListener('abort', stop));
    subscriber.add(fatal.subscribe({ error: (error: unknown) => subscriber.error(error) }));
    subscriber.add(source.subscribe(subscriber));
  });
