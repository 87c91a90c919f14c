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
import { train } from '../cluster/coordinator/training.js';
import { devices, devicesUrl, type Devices } from '../cluster/devices.js';
import { lanesMax } from '../cluster/generation/plan.js';
import { readMasks, readWeights, storeWeights } from '../cluster/store.js';
import { planTree } from '../cluster/swarmx/tree.js';
import { gradientSlots, weightSlots } from '../cluster/wafer/arena.js';
import { collectCounts, wire } from '../cluster/wiring.js';
import { numericsVersion } from '../compiler/program.js';
import { kernelPlan, twinPlan, type KernelPlan } from '../kernels/load.js';
import { samplesOf } from '../model/data.js';
import type { Model } from '../model/graph.js';
import { valueAt } from '../model/schedule.js';
import { digest } from '../tensor/named.js';
import { nowMs } from '../util/clock.js';
import { InvalidConfig } from '../util/errors.js';
import { Generation, prepareGeneration, type GenerateOptions, type GenerationResult, type PlannedGeneration } from './generate.js';
import { checkClusterOptions, type ClusterOptions, type TrainOptions } from './options.js';
import { inspect } from './inspect.js';
import { lossFactor, planRun, shareData, type PlannedRun } from './plan.js';
import { reportSparsity } from './sparsity.js';
import { Run, type RunListeners, type RunResult } from './run.js';

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
    const planned = planRun(model, options, this.#options, this.threads, this.#kernelPlan);
    storeWeights(model, planned.layout, options.seed ?? 0, options.weights, planned.sparsity.firstMask);
    const run = new Run(planned.summary, (listeners) => this.#execute(model, options, planned, listeners));
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

  async #execute(model: Model, options: TrainOptions, planned: PlannedRun, listeners: RunListeners): Promise<RunResult> {
    const { layout } = planned;
    const fanIn = this.#options.fanIn ?? 4, seed = options.seed ?? 0;
    const signal = this.#signalWith(options.signal);
    signal.throwIfAborted();
    const system = await this.#startSystem();
    try {
      const revive = revival(system);
      const data = shareData(options.data), judged = options.evaluation;
      const evaluation = judged === undefined ? null : shareData(judged.data);
      const ports = wire({ layout, system, data, evaluation, seed, fanIn, sweep: this.#options.sweep ?? 'band' });
      const result = await train({
        layout, tree: planTree(layout.batch.numCsx, fanIn), ports, weightSlots, gradientSlots, steps: options.steps, signal, onStep: listeners.onStep,
        factor: lossFactor(model, data, options.batchSize, seed),
        evaluation: judged === undefined || evaluation === null ? null : {
          every: judged.every, batches: judged.batches ?? Math.max(1, Math.floor(samplesOf(model, evaluation) / options.batchSize)), patience: judged.patience ?? null,
          factor: lossFactor(model, evaluation, options.batchSize, seed), onEvaluation: listeners.onEvaluation,
        },
        learningRate: (step) => valueAt(options.optimizer.learningRate, step),
        scaling: null,
        revive,
      });
      const weights = readWeights(model, layout, result.steps), masks = readMasks(model, layout, result.steps);
      return {
        weights,
        masks,
        ...(options.inspect === true ? { inspection: inspect(layout, result.steps - 1) } : {}),
        record: {
          format: 1, numericsVersion, seed, steps: result.steps, batchSize: options.batchSize, optimizer: options.optimizer,
          model: { name: model.name, parameterCount: model.parameterCount, layers: model.layers.map((layer) => layer.name) },
          shape: {
            numCsx: layout.batch.numCsx, rows: planned.summary.rows, cols: planned.summary.cols, microBatches: planned.microBatches, slabsPerWafer: layout.batch.slabsPerWafer,
            threads: this.threads, dispatcher: this.#options.dispatcher ?? 'thread', kernels: this.kernels,
          },
          losses: result.losses, evaluations: result.evaluations, faults: result.faults, sparsity: reportSparsity(model, layout.program, masks), masksKept: result.masksKept,
          precision: layout.precision, skippedSteps: result.scaling.at(-1)?.skipped ?? 0, lossScale: result.scaling.at(-1)?.scale ?? null, redone: result.redone, evaluated: result.evaluated, credits: result.credits,
          counts: collectCounts(layout, fanIn, result.counts),
          memory: { allocatedBytes: planned.summary.allocatedBytes, stateBytes: planned.stateBytes, activationBytes: layout.arena.activationBytes },
          weightsDigest: digest(weights),
        },
      };
    } finally {
      await system[Symbol.asyncDispose]();
    }
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

  #startSystem(): Promise<ActorSystem<Devices>> {
    const { dispatcher, scheduleSeed, faults } = this.#options;
    const common = { threads: this.threads, devices, devicesUrl, ...(faults === undefined ? {} : { faults }) };
    return dispatcher === 'local'
      ? startLocalSystem({ ...common, ...(scheduleSeed === undefined ? {} : { pick: seededPick(scheduleSeed) }) })
      : startThreadSystem(common);
  }
}

/** Replaces the threads that have failed since it was last called. */
const revival = (system: ActorSystem<Devices>): (() => Promise<void>) => {
  const failed = new Set<number>();
  system.onFailure(({ thread }) => void failed.add(thread));
  return async () => {
    const threads = [...failed];
    failed.clear();
    await Promise.all(threads.map((thread) => system.revive(thread)));
  };
};
