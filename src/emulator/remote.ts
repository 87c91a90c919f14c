/**
 * A cluster on a thread of its own, seen from the embedder's: the same bits, and a free main thread.
 *
 *   const cluster = await startRemote({ numCsx: 4 });  const { weights } = await cluster.train(model, options, { onStep });
 *
 * Not here: the cluster (cluster.ts), the service on the other side (service.ts).
 */
import { callback, connect, type Connection } from '../actor/thread/service.js';
import type { GeneratedToken } from '../cluster/coordinator/generation.js';
import type { EvaluationReport, StepReport } from '../cluster/coordinator/training-plan.js';
import type { Model } from '../model/graph.js';
import type { Sparsity } from '../model/sparsity.js';
import { InvalidConfig } from '../util/errors.js';
import { shareData } from './plan.js';
import type { GenerationResult } from './generate.js';
import type { ClusterFacts, EmulatorService, RemoteClusterOptions, RemoteGenerateOptions, RemoteTrainOptions } from './service.js';
import type { RunPlan, RunResult } from './run.js';

export interface RemoteListeners {
  readonly onPlan?: (plan: RunPlan) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEvaluation?: (report: EvaluationReport) => void;
  readonly signal?: AbortSignal;
}

export class RemoteCluster implements AsyncDisposable {
  readonly threads: number;
  readonly kernels: string;
  readonly #connection: Connection<EmulatorService>;

  constructor(connection: Connection<EmulatorService>, facts: ClusterFacts) {
    this.#connection = connection;
    this.threads = facts.threads;
    this.kernels = facts.kernels;
  }

  /** As Cluster.train; settles when the run has finished. @throws InvalidConfig for functions in `sparsity` */
  async train(model: Model, options: RemoteTrainOptions, listeners: RemoteListeners = {}): Promise<RunResult> {
    checkCrosses(options.sparsity ?? []);
    const { remote, call } = this.#connection;
    const { onPlan = () => {}, onStep = () => {}, onEvaluation = () => {}, signal } = listeners;
    const { data, evaluation, ...rest } = options;
    const shared = { ...rest, data: shareData(data), ...(evaluation === undefined ? {} : { evaluation: { ...evaluation, data: shareData(evaluation.data) } }) };
    return this.#until(signal, async () => (await call(remote.train(model, shared, callback(onPlan), callback(onStep), callback(onEvaluation)))) as RunResult);
  }

  /** As Cluster.generate; settles when the last token is chosen. */
  async generate(model: Model, options: RemoteGenerateOptions, listeners: { readonly onToken?: (token: GeneratedToken) => void; readonly signal?: AbortSignal } = {}): Promise<GenerationResult> {
    const { remote, call } = this.#connection;
    const { onToken = () => {}, signal } = listeners;
    return this.#until(signal, async () => (await call(remote.generate(model, options, callback(onToken)))) as GenerationResult);
  }

  /** Runs `work`; the signal ends what goes on over there. */
  async #until<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const abort = (): void => void this.#connection.remote.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await work();
    } finally {
      signal?.removeEventListener('abort', abort);
      signal?.throwIfAborted();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#connection.call(this.#connection.remote.close());
    } finally {
      await this.#connection.close();
    }
  }
}

/** @throws InvalidConfig for a function in a description of sparsity: it cannot cross threads */
const checkCrosses = (groups: Sparsity): void =>
  groups.forEach((group, i) => {
    const field = typeof group.init === 'function' ? 'init' : group.sparsity.kind === 'function' ? 'sparsity' : group.dropFraction.kind === 'function' ? 'dropFraction' : null;
    if (field !== null) throw new InvalidConfig({ what: 'a function cannot cross to the thread of a remote cluster', where: `sparsity[${i}].${field}`, hint: field === 'init' ? 'give masks, made by firstMasks, in its place' : 'give a schedule or a list of values in its place' });
  });

/** Starts a cluster on a worker thread of its own. @throws as Cluster.start */
export const startRemote = async (options: RemoteClusterOptions = {}): Promise<RemoteCluster> => {
  const connection = connect<EmulatorService>(new URL('../../workers/emulator.js', import.meta.url), 'remote cluster');
  try {
    return new RemoteCluster(connection, await connection.call(connection.remote.start(options)));
  } catch (error) {
    await connection.close();
    throw error;
  }
};
