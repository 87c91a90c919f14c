/**
 * The emulator as a service: a whole cluster on a thread of its own, so that an embedder's main thread stays free.
 *
 *   startRemote(options) ─comlink─▶ workers/emulator.ts ─▶ this service ─▶ Cluster
 *
 * Not here: comlink itself (actor/thread/service.ts), the caller's side (remote.ts).
 */
import { outcome, type Outcome } from '../actor/thread/service.js';
import type { GeneratedToken } from '../cluster/coordinator/generation.js';
import type { EvaluationReport, StepReport } from '../cluster/coordinator/training-plan.js';
import type { Model } from '../model/graph.js';
import { InvalidConfig } from '../util/errors.js';
import { Cluster } from './cluster.js';
import type { GenerateOptions, GenerationResult } from './generate.js';
import type { ClusterOptions, TrainOptions } from './options.js';
import type { RunPlan, RunResult } from './run.js';

/** Options without what cannot cross threads. */
export type RemoteClusterOptions = Omit<ClusterOptions, 'signal'>;
export type RemoteTrainOptions = Omit<TrainOptions, 'signal'>;
export type RemoteGenerateOptions = Omit<GenerateOptions, 'signal'>;

export interface ClusterFacts {
  readonly threads: number;
  readonly kernels: string;
}

export interface EmulatorService {
  start(options: RemoteClusterOptions): Promise<Outcome<ClusterFacts>>;
  train(model: Model, options: RemoteTrainOptions, onPlan: (plan: RunPlan) => void, onStep: (report: StepReport) => void, onEvaluation: (report: EvaluationReport) => void): Promise<Outcome<RunResult>>;
  generate(model: Model, options: RemoteGenerateOptions, onToken: (token: GeneratedToken) => void): Promise<Outcome<GenerationResult>>;
  /** Ends the run in progress. */
  abort(): void;
  close(): Promise<Outcome<null>>;
}

export const emulatorService = (): EmulatorService => {
  let cluster: Cluster | null = null;
  let stop: AbortController | null = null;
  return {
    start: (options) =>
      outcome(async () => {
        cluster = await Cluster.start(options);
        return { threads: cluster.threads, kernels: cluster.kernels };
      }),
    train: (model, options, onPlan, onStep, onEvaluation) =>
      outcome(async () => {
        if (cluster === null) throw new InvalidConfig({ what: 'the remote cluster is not started' });
        stop = new AbortController();
        const run = cluster.train(model, { ...options, signal: stop.signal });
        onPlan(run.plan);
        const watching = run.steps$.subscribe({ next: onStep, error: () => {} });
        watching.add(run.evaluations$.subscribe({ next: onEvaluation, error: () => {} }));
        try {
          return await run.finished;
        } finally {
          watching.unsubscribe();
        }
      }),
    generate: (model, options, onToken) =>
      outcome(async () => {
        if (cluster === null) throw new InvalidConfig({ what: 'the remote cluster is not started' });
        stop = new AbortController();
        const generation = cluster.generate(model, { ...options, signal: stop.signal });
        const watching = generation.tokens$.subscribe({ next: onToken, error: () => {} });
        try {
          return await generation.finished;
        } finally {
          watching.unsubscribe();
        }
      }),
    abort: () => stop?.abort(new InvalidConfig({ what: 'the run was aborted' })),
    close: () =>
      outcome(async () => {
        await cluster?.[Symbol.asyncDispose]();
        cluster = null;
        return null;
      }),
  };
};
