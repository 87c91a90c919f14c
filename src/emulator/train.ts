/**
 * One training run from its plan to its record.
 *
 *   plan, saved state ─prepare─▶ everything that can be refused is ─execute─▶ threads, actors, first state, steps, result
 *
 * Not here: the plan (plan.ts), the steps (cluster/coordinator/), who may run when (cluster.ts).
 */
import { serialize } from 'node:v8';
import type { ActorSystem } from '../actor/system.js';
import { archiveOrder, Archiving } from '../cluster/coordinator/archiving.js';
import { closeTiers, fillTiers, startTiers, type Tiers } from '../cluster/coordinator/tiered.js';
import { train } from '../cluster/coordinator/training.js';
import type { Devices } from '../cluster/devices.js';
import type { ClusterLayout, TierPlan } from '../cluster/layout.js';
import { streamsOfMask } from '../cluster/mask-streams.js';
import { layerOf, MaskTable } from '../cluster/masks.js';
import { beginJournal, filler, firstState, readMasks, readWeights, storeState, type FirstState } from '../cluster/store.js';
import { planTree } from '../cluster/swarmx/tree.js';
import { gradientSlots, weightSlots } from '../cluster/wafer/arena.js';
import { collectCounts, flashThreads, wire } from '../cluster/wiring.js';
import { numericsVersion } from '../compiler/program.js';
import { checkCheckpointState } from '../formats/checkpoint/state.js';
import type { KernelPlan } from '../kernels/load.js';
import { samplesOf } from '../model/data.js';
import type { Model, ParameterSpec } from '../model/graph.js';
import { learningRateOf } from '../model/optimizer.js';
import { digest } from '../tensor/named.js';
import { nowMs } from '../util/clock.js';
import { assert } from '../util/errors.js';
import { MiB } from '../util/units.js';
import { checkpointState, contractOf, type Contract } from './contract.js';
import { openFlash, type OpenFlash } from './flash.js';
import { inspect } from './inspect.js';
import type { ClusterOptions, TrainOptions } from './options.js';
import { lossFactor, planRun, shareData, type PlannedRun } from './plan.js';
import { openResumed, type Resumed } from './resume.js';
import { revival } from './revival.js';
import type { RunListeners, RunResult } from './run.js';
import { reportSparsity } from './sparsity.js';
import { digestOfStored, storedMasks, storedWeights } from './stored-weights.js';
import { reportTiers } from './tiers-report.js';
import { Versions } from './versions.js';
import { RunWork } from './work.js';

type Tiered = ClusterLayout & { readonly tiers: TierPlan };
const tieredOf = (layout: ClusterLayout): Tiered | null => (layout.tiers === null ? null : { ...layout, tiers: layout.tiers });

export interface PreparedTraining {
  readonly planned: PlannedRun;
  readonly contract: Contract;
  readonly first: FirstState;
  readonly resumed: Resumed | null;
  readonly flash: OpenFlash | null;
}

/** Plans a run, and opens what it begins with and what it writes to. @throws InvalidModel, InvalidConfig, DoesNotFit, CorruptFile, StorageFailed */
export const prepareTraining = (model: Model, options: TrainOptions, cluster: ClusterOptions, threads: number, kernels: KernelPlan): PreparedTraining => {
  const resumed = options.resume === undefined ? null : openResumed(options.resume, model, options, cluster);
  try {
    const planned = planRun(model, resumed === null ? options : { ...options, masks: resumed.masks }, cluster, threads, kernels), { layout } = planned;
    const first = resumed === null ? firstState(model, options.weights, planned.sparsity.firstMask) : resumed.first(planned.sparsity.firstMask);
    const contract = contractOf(model, options), tiered = tieredOf(layout);
    beginJournal(layout, first.version);
    if (options.checkpoint !== undefined) checkCheckpointState(checkpointState(contract, { step: first.version, evaluations: [], scaling: null }));
    if (resumed?.inPlace !== null && resumed !== null) resumed.close();
    const flash = tiered === null ? null : openFlash(tiered, cluster.memoryX ?? {}, contract, resumed?.inPlace !== null && resumed !== null);
    if (tiered === null) {
      storeState(model, layout, options.seed ?? 0, first);
      resumed?.close();
    }
    return { planned, contract, first, resumed, flash };
  } catch (error) {
    resumed?.close();
    throw error;
  }
};

export interface TrainingJob {
  readonly model: Model;
  readonly options: TrainOptions;
  readonly cluster: ClusterOptions;
  readonly threads: number;
  /** Name of the kernel build in use. */
  readonly kernels: string;
  readonly prepared: PreparedTraining;
  readonly listeners: RunListeners;
  readonly signal: AbortSignal;
  /** Starts the run's actor system, with so many threads beside those that compute. */
  readonly startSystem: (more: number) => Promise<ActorSystem<Devices>>;
}

/** The mask that each sparse parameter reads in a state that is on flash already. */
const restoreMasks = (layout: ClusterLayout, { inPlace, version, masks }: Resumed): void => {
  const table = new MaskTable(layout.masks);
  for (const { sparse } of layout.memoryX.parameters) {
    const use = sparse === null ? undefined : inPlace?.masks[sparse.number];
    if (sparse === null || use === undefined) continue;
    table.use(sparse, version, use.buffer);
    const { program } = layout, mask = masks.find(({ name }) => name === program.model.parameters[sparse.plan.parameter]?.name)?.mask;
    assert(mask !== undefined, 'a state has the masks that it uses');
    table.setStored(sparse, use.buffer, use.stored, streamsOfMask(program, layerOf(program, sparse.plan.parameter), mask));
  }
};

export const executeTraining = async (job: TrainingJob): Promise<RunResult> => {
  const { prepared, signal } = job, { flash, resumed } = prepared;
  try {
    signal.throwIfAborted();
    const system = await job.startSystem((flash === null ? 0 : flashThreads(flash.files.length)) + (job.options.checkpoint === undefined ? 0 : 1));
    let result: RunResult;
    try {
      result = await run(job, system);
    } finally {
      await system[Symbol.asyncDispose]();
    }
    const hostTrace = system.hostTrace();
    return hostTrace === null ? result : { ...result, hostTrace };
  } finally {
    flash?.close();
    resumed?.close();
  }
};

/** Takes checkpoints on a thread of its own, the last. */
const archivingOf = ({ options: { checkpoint }, prepared: { planned: { layout }, first } }: TrainingJob, system: ActorSystem<Devices>): ((onFailure: (error: Error) => void) => Archiving) | null => {
  if (checkpoint === undefined) return null;
  const text = new SharedArrayBuffer(MiB);
  const ref = system.spawn({ name: 'archive', kind: 'archive', thread: system.threads - 1, props: { layout, dir: checkpoint.dir, keep: checkpoint.keep ?? null, text } });
  return (onFailure) => new Archiving({ ref, every: checkpoint.every, first: first.version, text, groups: archiveOrder(layout), onFailure });
};

const run = async (job: TrainingJob, system: ActorSystem<Devices>): Promise<RunResult> => {
  const { model, options, cluster, prepared, listeners, signal } = job, { planned, first, resumed, flash } = prepared, { layout } = planned, tiered = tieredOf(layout);
  const fanIn = cluster.fanIn ?? 4, seed = options.seed ?? 0;
  const revive = revival(system);
  const data = shareData(options.data), judged = options.evaluation;
  const evaluation = judged === undefined ? null : shareData(judged.data);
  const ports = wire({ layout, system, data, evaluation, seed, fanIn, sweep: cluster.sweep ?? 'band', threads: job.threads, flash });
  const versions = new Versions(layout, first.version, resumed?.evaluations ?? [], resumed?.scaling ?? null);
  const tiers: Tiers | null = tiered === null || flash === null ? null : startTiers({
    layout: tiered, ports, text: flash.text, acknowledge: (version) => flash.acknowledge(version), durability: cluster.memoryX?.durability ?? 'process', verdict: layout.clipNorm !== null || layout.precision.lossScale.kind !== 'none', first: first.version, isOnFlash: resumed !== null && resumed.inPlace !== null,
    stateOf: (version) => versions.textOf(version),
  });
  if (resumed !== null && resumed.inPlace !== null) restoreMasks(layout, resumed);
  else if (tiers !== null && tiered !== null) {
    const fill = filler(layout, seed, first);
    await fillTiers(tiered, tiers, first.version, (parameter) => fill(model.parameters[parameter] as ParameterSpec), revive, signal);
    resumed?.close();
  }
  const archiving = archivingOf(job, system), work = new RunWork(layout, fanIn, first.version, resumed?.scaling?.skipped ?? 0);
  let archive: Archiving | null = null;
  const began = nowMs();
  const result = await train({
    layout, tree: planTree(layout.batch.numCsx, fanIn), ports, weightSlots, gradientSlots, first: first.version, steps: options.steps, tiers, signal, onStep: listeners.onStep,
    archive: archiving === null ? null : (onFailure) => (archive = archiving(onFailure)), evaluations: resumed?.evaluations ?? [], onVersion: (version, said, scaling) => {
      versions.note(version, said, scaling);
      work.note(version, scaling?.skipped ?? 0);
    }, stateOf: (version) => serialize(checkpointState(prepared.contract, versions.stateOf(version))),
    factor: lossFactor(model, data, options.batchSize, seed),
    evaluation: judged === undefined || evaluation === null ? null : {
      every: judged.every, batches: judged.batches ?? Math.max(1, Math.floor(samplesOf(model, evaluation) / options.batchSize)), patience: judged.patience ?? null,
      factor: lossFactor(model, evaluation, options.batchSize, seed), onEvaluation: listeners.onEvaluation,
    },
    scaling: resumed?.scaling ?? null,
    learningRate: (step) => learningRateOf(options.optimizer, step, step),
    revive,
  });
  const seconds = (nowMs() - began) / 1000;
  if (tiers !== null) await closeTiers(tiers, result.steps, revive, signal);
  const weights = flash === null ? readWeights(model, layout, result.steps) : storedWeights(model, flash.folder, result.steps);
  const masks = flash === null ? readMasks(model, layout, result.steps) : storedMasks(model, flash.folder, result.steps);
  const counts = collectCounts(layout, fanIn, result.counts), sparsity = reportSparsity(model, layout.program, masks);
  return {
    weights,
    masks,
    ...(options.inspect === true ? { inspection: inspect(layout, result.steps - 1) } : {}),
    record: {
      format: 1, numericsVersion, seed, steps: result.steps, batchSize: options.batchSize, optimizer: options.optimizer,
      model: { name: model.name, parameterCount: model.parameterCount, layers: model.layers.map((layer) => layer.name) },
      shape: {
        numCsx: layout.batch.numCsx, rows: planned.summary.rows, cols: planned.summary.cols, microBatches: planned.microBatches, slabsPerWafer: layout.batch.slabsPerWafer,
        threads: job.threads, dispatcher: cluster.dispatcher ?? 'thread', kernels: job.kernels,
      },
      losses: result.losses, evaluations: result.evaluations, faults: result.faults, sparsity, masksKept: result.masksKept,
      precision: layout.precision, skippedSteps: result.scaling.at(-1)?.skipped ?? 0, lossScale: result.scaling.at(-1)?.scale ?? null, redone: result.redone, evaluated: result.evaluated, credits: result.credits,
      counts,
      work: work.finish(counts.total, sparsity),
      tiers: tiers === null || flash === null ? null : reportTiers(layout, tiers, cluster.memoryX?.dramBytes, flash.files.length, seconds),
      checkpoints: { count: (archive as Archiving | null)?.finished ?? 0, bytes: (archive as Archiving | null)?.bytes ?? 0 },
      memory: { allocatedBytes: planned.summary.allocatedBytes, stateBytes: planned.stateBytes, activationBytes: layout.arena.activationBytes },
      weightsDigest: flash === null ? digest(weights) : digestOfStored(model, flash.folder, result.steps),
    },
  };
};
