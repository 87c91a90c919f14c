/**
 * One attempt at the steps that are left: the way down and the way up, joined by versions, until the last step or a fault.
 *
 *   down ─gradient blocks─▶ up ─whole─▶ update on all units ─▶ version ─▶ next step's way down;  all versions: acknowledged
 *
 * Not here: what to do after a fault (training.ts).
 */
import { finalize, merge, mergeMap, Subject, type Observable } from 'rxjs';
import type { Credits } from '../../stream/credit.js';
import { ActorFailed } from '../../util/errors.js';
import type { MicroBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import type { TreeNodePlan } from '../swarmx/protocol.js';
import { wayDown } from './down.js';
import { streamOrder } from './order.js';
import type { Ledger, Ports } from './ports.js';
import type { Slots } from './slots.js';
import { wayUp } from './up.js';
import { Versions } from './versions.js';

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
  /** Steps first … end−1. */
  readonly first: number;
  readonly end: number;
  readonly factor: (step: number) => number;
  /** Called once a step, when its loss leaves stand in the arena. */
  readonly onLoss: (step: number) => void;
  /** Every weight of the next step is there. */
  readonly onAcknowledged: (step: number) => void;
}

/** Runs when subscribed; completes after the last step, errors at the first fault. */
export const attempt = (o: AttemptOptions): Observable<unknown> => {
  const { layout, ports, ledger, credits, end } = o;
  const parameters = layout.program.model.parameters.length;
  const versions = new Versions(parameters, o.first);
  const up = wayUp(layout, o.tree, o.microBatches, ports, ledger, credits.gradients);
  const tables = new Subject<{ readonly step: number; readonly parameter: number }>();
  let updatesLeft = (end - o.first) * parameters;

  const update = async ({ step, parameter }: { readonly step: number; readonly parameter: number }): Promise<void> => {
    await Promise.all(ports.units.map((unit) => ledger.ask(unit, { type: 'memoryx.update', step, parameter })));
    if (versions.reach(parameter, step + 1)) o.onAcknowledged(step);
    updatesLeft--;
    if (updatesLeft === 0) {
      up.blocks.complete();
      tables.complete();
    }
  };

  const down$ = wayDown(streamOrder(layout.program, o.microBatches.length, o.first, end), {
    layout, microBatches: o.microBatches, ports, ledger, versions,
    weightSlots: credits.weights, gradientSlots: credits.gradients, ahead: credits.ahead,
    factor: o.factor, onLoss: o.onLoss,
    onGradient: (block) => up.blocks.next(block),
    onScattered: (step, table) => tables.next({ step, parameter: table }),
  });
  return merge(down$, merge(up.whole$, tables).pipe(mergeMap(update))).pipe(finalize(() => versions.close(new ActorFailed({ what: 'the attempt is over' }))));
};
