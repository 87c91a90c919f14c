/**
 * The emulated cluster that a user holds: options checked once, then any number of runs, one after the other.
 *
 *   Cluster.start(options) ─▶ cluster.train(model, { data, optimizer, … }) ─▶ Run
 *
 * Each run has its own actors on its own threads, which end with it. Not here: the plan (plan.ts), the steps (cluster/coordinator/).
 */
import { availableParallelism } from 'node:os';
import { startLocalSystem } from '../actor/local/dispatcher.js';
import { seededPick } from '../actor/local/schedule.js';
import type { ActorSystem } from '../actor/system.js';
import { startThreadSystem } from '../actor/thread/dispatcher.js';
import { generate, type GeneratedToken } from '../cluster/coordinator/generation.js';
import { devices, devicesUrl, type Devices } from '../cluster/devices.js';
import { lanesMax } from '../cluster/generation/plan.js';
import { kernelPlan, twinPlan, type KernelPlan } from '../kernels/load.js';
import type { Model } from '../model/graph.js';
import { nowMs } from '../util/clock.js';
import { InvalidConfig } from '../util/errors.js';
import { Generation, prepareGeneration, type GenerateOptions, type GenerationResult, type PlannedGeneration } from './generate.js';
import { Run } from './run.js';
import { executeTraining, prepareTraining } from './train.js';
import { revival } from './revival.js';
import { checkClusterOptions, type ClusterOptions, type TrainOptions } from './options.js';

export class Cluster implements AsyncDisposable {
  /** Worker threads of each run. */
  readonly threads: number;
  /** Name of the kernel build in use. */
  readonly kernels: string;
  readonly #options: ClusterOptions;
  readonly #kernelPlan: KernelPlan;
  readonly #closing = new AbortController();
  #running: Promise<unknown> | null = null;

  private constructor(options: ClusterOptions, threads: number, kernelPlan: KernelPlan) {
    this.#options = options;
    this.threads = threads;
    this.#kernelPlan = kernelPlan;
    this.kernels = kernelPlan.name;
  }

  /** Checks the options and makes the kernels. @throws InvalidConfig */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    checkClusterOptions(options);
    options.signal?.throwIfAborted();
    const threads = options.threads === undefined || options.threads === 'auto' ? availableParallelism() : options.threads;
    return new Cluster(options, threads, options.kernels === 'twin' ? twinPlan : kernelPlan({ revectorize: options.kernels === 'simd128' ? 'off' : 'auto' }));
  }

  /**
   * Trains a model. The run starts at once; its weights depend on model, data, optimizer, steps, batch size and seed alone.
   *
   * @throws InvalidModel, InvalidConfig, DoesNotFit before anything starts; later failures reject `run.finished`
   */
  train(model: Model, options: TrainOptions): Run {
    this.#checkFree();
    const prepared = prepareTraining(model, options, this.#options, this.threads, this.#kernelPlan);
    const run = new Run(prepared.planned.summary, (listeners) => executeTraining({
      model, options, cluster: this.#options, threads: this.threads, kernels: this.kernels, prepared, listeners, signal: this.#signalWith(options.signal), startSystem: (more) => this.#startSystem(more, options.hostTrace),
    }));
    this.#occupy(run.finished);
    return run;
  }

  /**
   * Continues prompts by a model's weights, streamed once a step for all of them. The generation starts at once; a prompt's text depends on model, weights, the
   * prompt with its id, sampling options and seed alone.
   *
   * @throws InvalidModel, InvalidConfig, DoesNotFit before anything starts; later failures reject `generation.finished`
   */
  generate(model: Model, options: GenerateOptions): Generation {
    this.#checkFree();
    const planned = prepareGeneration(model, options, this.#options, this.threads, this.#kernelPlan);
    const generation = new Generation((onToken) => this.#generate(options, planned, onToken));
    this.#occupy(generation.finished);
    return generation;
  }

  #checkFree(): void {
    if (this.#closing.signal.aborted) throw new InvalidConfig({ what: 'this cluster is closed', hint: 'start another one' });
    if (this.#running !== null) throw new InvalidConfig({ what: 'a run is in progress', hint: 'await run.finished first, or start another cluster' });
  }

  #occupy(finished: Promise<unknown>): void {
    const free = (): void => void (this.#running = null);
    this.#running = finished.then(free, free);
  }

  /** Stops a run in progress and waits until nothing of it is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new InvalidConfig({ what: 'the cluster was closed during the run' }));
    await this.#running;
  }

  async #generate(options: GenerateOptions, planned: PlannedGeneration, onToken: (token: GeneratedToken) => void): Promise<GenerationResult> {
    const { layout } = planned, { rectangle } = layout.program;
    const signal = this.#signalWith(options.signal);
    signal.throwIfAborted();
    const system = await this.#startSystem();
    try {
      const hosts = layout.hosts.map((_, host) => system.spawn({ name: `generation/${host}`, kind: 'generation', thread: host, props: { layout, host } }));
      const prompts = options.prompts.map(({ tokens, id }, p) => ({ tokens, id: id ?? p })), logits = prompts.map((): Float32Array[] => []);
      const start = nowMs();
      const result = await generate({
        layout, hosts, prompts, maxTokens: options.maxTokens, sampling: planned.sampling, stop: new Set(options.stop), lanesMax, signal, revive: revival(system), onToken,
        onLogits: options.inspectLogits === true ? (prompt, values) => void logits[prompt]?.push(values) : null,
      });
      const sum = (lengths: readonly number[]): number => lengths.reduce((a, b) => a + b, 0);
      return {
        sequences: result.sequences,
        ...(options.inspectLogits === true ? { logits } : {}),
        record: {
          prompts: prompts.length, promptTokens: sum(prompts.map(({ tokens }) => tokens.length)), tokens: sum(result.sequences.map(({ length }) => length)),
          steps: result.steps, seconds: (nowMs() - start) / 1000, faults: result.faults, counts: result.counts, redone: result.redone,
          shape: { numCsx: layout.numCsx, rows: rectangle.rows, cols: rectangle.cols, threads: this.threads, dispatcher: this.#options.dispatcher ?? 'thread', kernels: this.kernels },
          memory: { allocatedBytes: planned.allocatedBytes, cacheBytes: planned.cacheBytes },
        },
      };
    } finally {
      await system[Symbol.asyncDispose]();
    }
  }

  #signalWith(signal: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.#closing.signal, ...[this.#options.signal, signal].filter((s) => s !== undefined)]);
  }

  #startSystem(more = 0, hostTrace = false): Promise<ActorSystem<Devices>> {
    const { dispatcher, scheduleSeed, faults } = this.#options;
    const common = { threads: this.threads + more, devices, devicesUrl, hostTrace, ...(faults === undefined ? {} : { faults }) };
    return dispatcher === 'local'
      ? startLocalSystem({ ...common, ...(scheduleSeed === undefined ? {} : { pick: seededPick(scheduleSeed) }) })
      : startThreadSystem(common);
  }
}
