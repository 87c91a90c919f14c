/**
 * A run: one training in progress, as a stream of steps, an async iterator, and a promise of its end.
 *
 *   run.steps$ (RxJS) · for await (const step of run) · await run.finished
 *
 * Steps that nobody reads are kept, so a late reader misses none; there is one small report a step. Not here: the training itself.
 */
import { ReplaySubject, type Observable } from 'rxjs';
import type { Recompute } from '../compiler/program.js';
import type { HostTrace } from '../trace/host-trace.js';
import type { RunRecord } from '../trace/record.js';
import type { NamedMask } from '../model/sparsity.js';
import type { NamedTensor } from '../tensor/named.js';
import type { EvaluationReport, StepReport } from '../cluster/coordinator/training-plan.js';
import { iterate } from './iterate.js';

export interface RunResult {
  readonly weights: readonly NamedTensor[];
  /** Which positions of sparse weights are stored, in graph order; empty where nothing is sparse. */
  readonly masks: readonly NamedMask[];
  readonly record: RunRecord;
  /** Only with `inspect`. */
  readonly inspection?: Inspection;
  /** Only with `hostTrace`. */
  readonly hostTrace?: HostTrace;
}

/** What stands in the machine after the last step; gradients and deltas with the step's loss scale. */
export interface Inspection {
  /** The gradient of every parameter over the last global batch, in graph order; 0 where a mask stores nothing. */
  readonly gradients: readonly NamedTensor[];
  /** Gradients at every position, of sparse parameters whose masks changed by them behind the last step. */
  readonly denseGradients: readonly NamedTensor[];
  /** The output of every layer but ids, loss and a streamed head, [tokens of the last micro-batch][features], by layer name. */
  readonly activations: readonly NamedTensor[];
  /** The delta of the output of each of these layers that has one. */
  readonly deltas: readonly NamedTensor[];
}

/** Where and how a run is placed, known before its first step. */
export interface RunPlan {
  readonly rows: number;
  readonly cols: number;
  readonly tiles: number;
  readonly sramBytesMax: number;
  readonly sramLimitBytes: number;
  readonly microBatches: number;
  readonly microBatchSize: number;
  /** What of a block's activations is computed again. */
  readonly recompute: Recompute;
  readonly blocks: number;
  readonly allocatedBytes: number;
}

/** Whom a run tells what it did. */
export interface RunListeners {
  readonly onStep: (report: StepReport) => void;
  readonly onEvaluation: (report: EvaluationReport) => void;
}

export class Run implements AsyncIterable<StepReport> {
  readonly plan: RunPlan;
  /** Completes after the last step; errors as `finished` rejects. */
  readonly steps$: Observable<StepReport>;
  readonly finished: Promise<RunResult>;
  /** One report an evaluation; completes and errors as `steps$`. */
  readonly evaluations$: Observable<EvaluationReport>;

  constructor(plan: RunPlan, start: (listeners: RunListeners) => Promise<RunResult>) {
    this.plan = plan;
    const steps = new ReplaySubject<StepReport>(), evaluations = new ReplaySubject<EvaluationReport>();
    this.steps$ = steps.asObservable();
    this.evaluations$ = evaluations.asObservable();
    this.finished = start({ onStep: (report) => steps.next(report), onEvaluation: (report) => evaluations.next(report) });
    this.finished.then(
      () => {
        steps.complete();
        evaluations.complete();
      },
      (error: unknown) => {
        steps.error(error);
        evaluations.error(error);
      },
    );
  }

  [Symbol.asyncIterator](): AsyncIterator<StepReport> {
    return iterate(this.steps$);
  }
}
