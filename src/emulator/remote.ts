/**
 * A cluster on a thread of its own, seen from the embedder's: the same bits, and a free main thread.
 *
 *   const cluster = await startRemote({ numCsx: 4 });  const { weights } = await cluster.train(model, options, { onStep });
 *
 * Not here: the cluster (cluster.ts), the service on the other side (service.ts).
 */
import { callback, connect, type Connection } from '../actor/thread/service.js';
import type { StepReport } from '../cluster/coordinator/training.js';
import type { Model } from '../model/graph.js';
import { shareData } from './plan.js';
import type { ClusterFacts, EmulatorService, RemoteClusterOptions, RemoteTrainOptions } from './service.js';
import type { RunPlan, RunResult } from './run.js';

export interface RemoteListeners {
  readonly onPlan?: (plan: RunPlan) => void;
  readonly onStep?: (report: StepReport) => void;
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

  /** As Cluster.train; settles when the run has finished. */
  async train(model: Model, options: RemoteTrainOptions, listeners: RemoteListeners = {}): Promise<RunResult> {
    const { remote, call } = this.#connection;
    const { onPlan = () => {}, onStep = () => {}, signal } = listeners;
    signal?.throwIfAborted();
    const abort = (): void => void remote.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return (await call(remote.train(model, { ...options, data: shareData(options.data) }, callback(onPlan), callback(onStep)))) as RunResult;
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
