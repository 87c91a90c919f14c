/**
 * Evaluation: the loss over batches that nothing learns from. Forward passes of the same program, with the weights as they are.
 *
 *   batches 0 … n−1 of the evaluation data ─▶ down, forward only ─▶ one loss each ─▶ their mean
 *
 * It runs between two steps, when nothing else does. Not here: when (training.ts), which samples (model/data.ts).
 */
import { defaultIfEmpty, type Observable } from 'rxjs';
import type { MicroBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import type { StreamCredits } from './attempt.js';
import { wayDown } from './down.js';
import { streamOrder } from './order.js';
import type { Ledger, Ports } from './ports.js';
import { Versions } from './versions.js';
import type { Visits } from './visits.js';

export interface EvaluationOptions {
  readonly layout: ClusterLayout;
  readonly microBatches: readonly MicroBatch[];
  readonly ports: Ports;
  readonly ledger: Ledger;
  readonly credits: StreamCredits;
  readonly visits: Visits;
  /** Steps that are acknowledged: whose weights are read. */
  readonly step: number;
  readonly batches: number;
  readonly factor: (batch: number) => number;
  /** Called once a batch, when its loss leaves stand in the arena. */
  readonly onLoss: (batch: number) => void;
}

/** Runs when subscribed. A step of the order stands for two batches' places, so that the weights' parity stays that of `step`. */
export const evaluate = (o: EvaluationOptions): Observable<unknown> => {
  const { layout, ports, ledger, credits, step } = o;
  const batchOf = (at: number): number => (at - step) / 2;
  const source = function* () {
    for (let batch = 0; batch < o.batches; batch++) yield* streamOrder(layout.program, o.microBatches.length, step + 2 * batch, step + 2 * batch + 1, false);
  };
  return wayDown(source(), {
    layout, microBatches: o.microBatches, ports, ledger,
    versions: new Versions(layout.program.model.parameters.length, Number.MAX_SAFE_INTEGER), visits: o.visits,
    weightSlots: credits.weights, gradientSlots: credits.gradients, ahead: credits.ahead,
    factor: (at) => o.factor(batchOf(at)), evaluation: batchOf,
    onLoss: (at) => o.onLoss(batchOf(at)), onGradient: () => {}, onScattered: () => {},
  }).pipe(defaultIfEmpty(undefined));
};
