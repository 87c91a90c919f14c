/**
 * One attempt at the steps that are left: the way down and the way up, joined by versions, until the last step or a fault.
 *
 *   down ─gradient blocks─▶ up ─whole─▶ update on all units, sweep by sweep ─▶ version ─▶ next step's way down;  all versions: acknowledged
 *
 * Where the loss is scaled, updates wait for the verdict of the whole step, and so does the next step's input: a step with a gradient that is not finite changes nothing.
 * Where the gradient is clipped, updates wait for the norm of the whole step's gradient. A tied table is whole when both its roots are. Where masks change behind a step, those
 * parameters wait until all have been updated: only if every gradient was finite, their next masks are made.
 *
 * Not here: what to do after a fault (training.ts).
 */
import { finalize, merge, mergeMap, Subject, type Observable } from 'rxjs';
import type { Credits } from '../../stream/credit.js';
import { ActorFailed } from '../../util/errors.js';
import type { MicroBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import type { MemoryXCommand } from '../memoryx/protocol.js';
import type { TreeNodePlan } from '../swarmx/protocol.js';
import { wayDown } from './down.js';
import { streamOrder } from './order.js';
import { updateAt } from '../masks.js';
import { sweepsOf } from '../sweeps.js';
import { keys } from '../wants.js';
import { pick, type Ledger, type Ports } from './ports.js';
import type { Slots } from './slots.js';
import type { LossScaler } from './loss-scaler.js';
import { wayUp } from './up.js';
import { clipOf } from './norm.js';
import { Versions } from './versions.js';
import type { Visits } from './visits.js';

/** The streams' credits; a fresh set each attempt. */
export interface StreamCredits {
  readonly ahead: Credits;
  readonly weights: Slots;
  readonly gradients: Slots;
}

export interface AttemptOptions {
  readonly layout: ClusterLayout;
  readonly tree: readonly TreeNodePlan[];
  readonly microBatches: readonly MicroBatch[];
  readonly ports: Ports;
  readonly ledger: Ledger;
  readonly credits: StreamCredits;
  readonly visits: Visits;
  /** Updates that units have begun, by key: what to do again so that none stays half done. */
  readonly underWay: Map<string, () => Promise<unknown>>;
  /** Settles when nothing of a group that an update of the step changes is still to be archived. */
  readonly archived: (step: number, group: number) => Promise<void>;
  /** Makes a version as durable as was asked for; a step is acknowledged behind it. */
  readonly commit: (version: number) => Promise<void>;
  /** Steps first … end−1. */
  readonly first: number;
  readonly end: number;
  /** f32(1 / valid labels) of a step's batch, without a loss scale. */
  readonly factor: (step: number) => number;
  /** Null where the loss is not scaled. */
  readonly scaler: LossScaler | null;
  /** Called once a step, when its loss leaves stand in the arena. */
  readonly onLoss: (step: number) => void;
  /** Called once a step where the gradient is clipped, with its norm before. */
  readonly onNorm: (step: number, norm: number) => void;
  /** Called once a step behind which masks are due: how many changed, 0 where a gradient was not finite. */
  readonly onMasks: (step: number, changed: number) => void;
  /** Every weight of the next step is there. */
  readonly onAcknowledged: (step: number) => void;
}

/** Parameters that are updated together: a group where MemoryX has two tiers, else each alone. */
export const updateGroups = ({ tiers, program }: ClusterLayout): { readonly of: readonly number[]; readonly parameters: readonly (readonly number[])[] } => {
  if (tiers !== null) return { of: tiers.groupOf, parameters: tiers.groups.map(({ parameters }) => parameters) };
  const alone = program.model.parameters.map(({ index }) => index);
  return { of: alone, parameters: alone.map((index) => [index]) };
};

/** Runs when subscribed; completes after the last step, errors at the first fault. */
export const attempt = (o: AttemptOptions): Observable<unknown> => {
  const { layout, ports, ledger, credits, end, visits, scaler } = o;
  const { model } = layout.program;
  const parameters = model.parameters.length;
  const versions = new Versions(parameters, o.first);
  const up = wayUp(layout, o.tree, o.microBatches, ports, ledger, credits.gradients, visits);
  const tables = new Subject<{ readonly step: number; readonly parameter: number }>();
  const places = layout.memoryX.parameters;
  /** Roots that a parameter's gradient of a step still lacks, and parameters that a step's verdict still lacks. */
  const rootsLeft = new Map<string, number>();
  const verdictLeft = new Map<number, number>();
  /** Reached by the verdict on a step: the loss scale of the next is then known. */
  const verdicts = new Versions(1, o.first);
  let updatesLeft = (end - o.first) * parameters;

  const sparse = places.flatMap((place) => (place.sparse === null ? [] : [place.sparse.plan]));
  const checks = sparse.length > 0 || scaler !== null;
  /** Masks that change behind a step, what its gradients are found to be, and parameters that it still lacks. */
  const due = new Map<number, { readonly parameters: readonly number[]; isFinite: boolean; left: number; readonly settled: Promise<void>; settle: () => void }>();
  const masksOf = (step: number) => {
    const known = due.get(step);
    if (known !== undefined) return known;
    const changing = sparse.filter((plan) => updateAt(plan, step + 1) !== null).map((plan) => plan.parameter);
    let settle = (): void => {};
    const settled = new Promise<void>((resolve) => (settle = resolve));
    const made = { parameters: changing, isFinite: true, left: parameters, settled, settle };
    due.set(step, made);
    return made;
  };
  const check = async (step: number, parameter: number): Promise<void> => {
    const masks = masksOf(step);
    if (masks.parameters.length === 0 && scaler === null) return;
    const answers = await Promise.all(ports.units.map((unit) => ledger.ask(unit, { type: 'memoryx.check', step, parameter })));
    if (answers.some((answer) => answer.type === 'memoryx.checked' && answer.finite === 0)) masks.isFinite = false;
  };
  /** The parameter is updated; settles when its mask is that of the next version. */
  const settleMask = async (step: number, parameter: number): Promise<void> => {
    const masks = masksOf(step), { length: count } = masks.parameters;
    masks.left--;
    if (masks.left === 0) {
      due.delete(step);
      masks.settle();
      if (count > 0) o.onMasks(step, masks.isFinite ? count : 0);
    }
    if (!masks.parameters.includes(parameter)) return;
    await masks.settled;
    await visits.during(() => keys.mask(step, groups.of[parameter] as number), 1, async () => {
      if (masks.isFinite) await ledger.ask(pick(ports.units, parameter % ports.units.length), { type: 'memoryx.mask', step, parameter });
    });
  };

  const groups = updateGroups(layout), awaitsVerdict = layout.clipNorm !== null || scaler !== null;
  /** Parameters of a group whose gradient a step still lacks. */
  const groupLeft = new Map<string, number>();

  const sweeps = (parameter: number): number => sweepsOf(layout.optimizer, model.parameters[parameter] ?? { shape: [] }, (places[parameter]?.sparse ?? null) !== null);
  /** `clip`: the factor on the gradient, or null: the step is skipped. */
  const sweepAll = async (step: number, parameter: number, clip: number | null): Promise<void> => {
    const askAll = (message: MemoryXCommand): Promise<unknown> => Promise.all(ports.units.map((unit) => ledger.ask(unit, message)));
    if (clip === null) {
      await askAll({ type: 'memoryx.keep', step, parameter });
      return;
    }
    const updates = scaler === null ? step : scaler.before(step).updates;
    for (let sweep = 0; sweep < sweeps(parameter); sweep++) await askAll({ type: 'memoryx.update', step, parameter, clip, sweep, updates });
  };

  const update = async (step: number, group: number, clip: number | null): Promise<void> => {
    const together = groups.parameters[group] as readonly number[], key = keys.update(step, group);
    const apply = (): Promise<unknown> => Promise.all(together.map((parameter) => sweepAll(step, parameter, clip)));
    await o.archived(step, group);
    await visits.during(() => key, 1, async () => {
      if (!awaitsVerdict) await Promise.all(together.map((parameter) => check(step, parameter)));
      o.underWay.set(key, apply);
      await apply();
      o.underWay.delete(key);
    });
    if (checks) await Promise.all(together.map((parameter) => settleMask(step, parameter)));
    const isLast = together.map((parameter) => versions.reach(parameter, step + 1)).includes(true);
    if (isLast) {
      await o.commit(step + 1);
      o.onAcknowledged(step);
    }
    updatesLeft -= together.length;
    if (updatesLeft === 0) {
      up.blocks.complete();
      tables.complete();
    }
  };

  /** Whether it was the last that `left` counts under `key`; `all` at first. */
  const isLastOf = <K>(left: Map<K, number>, key: K, all: number): boolean => {
    const now = (left.get(key) ?? all) - 1;
    if (now === 0) left.delete(key);
    else left.set(key, now);
    return now === 0;
  };

  const whole = async ({ step, parameter }: { readonly step: number; readonly parameter: number }): Promise<void> => {
    if (places[parameter]?.tableRoot !== null && !isLastOf(rootsLeft, `${step}/${parameter}`, 2)) return;
    const group = groups.of[parameter] as number, together = groups.parameters[group] as readonly number[];
    if (!isLastOf(groupLeft, `${step}/${group}`, together.length)) return;
    if (!awaitsVerdict) return update(step, group, 1);
    const unscale = scaler === null ? 1 : 1 / scaler.before(step).scale;
    await visits.during(() => keys.verdict(step, group), 1, async () => {
      await Promise.all(together.map((parameter) => check(step, parameter)));
      if (layout.clipNorm !== null) await Promise.all(together.flatMap((parameter) => ports.units.map((unit) => ledger.ask(unit, { type: 'memoryx.squares', step, parameter, factor: unscale }))));
    });
    if (!isLastOf(verdictLeft, step, groups.parameters.length)) return;
    const isKept = scaler !== null && !masksOf(step).isFinite;
    const { norm, clip } = layout.clipNorm === null ? { norm: null, clip: 1 } : clipOf(layout, layout.clipNorm);
    if (norm !== null) o.onNorm(step, norm);
    scaler?.settle(step, !isKept);
    verdicts.reach(0, step + 1);
    await Promise.all(groups.parameters.map((_, number) => update(step, number, isKept ? null : Math.fround(clip * unscale))));
  };
  /** The loss factor with its scale, when that is known. */
  const scaledFactor = async (step: number): Promise<number> => {
    await verdicts.at(0, step);
    return o.factor(step) * (scaler?.before(step).scale ?? 1);
  };

  const down$ = wayDown(streamOrder(layout.program, o.microBatches.length, o.first, end), {
    layout, microBatches: o.microBatches, ports, ledger, versions, visits,
    weightSlots: credits.weights, gradientSlots: credits.gradients, ahead: credits.ahead,
    factor: scaler === null ? o.factor : scaledFactor, evaluation: null, onLoss: o.onLoss,
    onGradient: (block) => up.blocks.next(block),
    onScattered: (step) => layout.memoryX.embeddings.forEach(({ parameter }) => tables.next({ step, parameter })),
  });
  return merge(down$, merge(up.whole$, tables).pipe(mergeMap(whole))).pipe(finalize(() => [versions, verdicts].forEach((each) => each.close(new ActorFailed({ what: 'the attempt is over' })))));
};
