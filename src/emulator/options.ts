/** What a user asks of a cluster and of a run, checked. Not here: the model's and the optimizer's own checks (model/). */
import { recomputes, type Logits, type Recompute } from '../compiler/program.js';
import type { TrainingData } from '../model/data.js';
import type { Optimizer } from '../model/optimizer.js';
import { checkPrecision, type Precision } from '../model/precision.js';
import type { ThreadFault } from '../actor/turns.js';
import type { NamedMask, Sparsity } from '../model/sparsity.js';
import { numCsxMax, type WaferSpec } from '../spec/wafer.js';
import type { NamedTensor } from '../tensor/named.js';
import { InvalidConfig } from '../util/errors.js';
import { fanIns, type FanIn } from '../cluster/swarmx/tree.js';
import { durabilities, type Durability } from '../cluster/coordinator/residence.js';

/** 'auto': the fastest build that passes its self-test; 'simd128': without the revectorizer; 'twin': the plain scalar twins. */
export type KernelChoice = 'auto' | 'simd128' | 'twin';

/** MemoryX: how much DRAM, and the flash behind it. */
export interface MemoryXOptions {
  /** Bytes of DRAM for parameters, moments, gradients and what the units need beside them; as many as it takes unless given. What exceeds it lies in files of `flashDir`. */
  readonly dramBytes?: number;
  /** The folder of the flash tier, or one a MemoryX unit, best on disks of their own. Without it all is in DRAM. */
  readonly flashDir?: string | readonly string[];
  /** MemoryX units, each with its own folder in `flashDir` and its own threads; 1 unless given. */
  readonly shards?: number;
  /**
   * When a step counts as done: 'process' (default): it survives the death of the process; 'power': also a loss of power; 'checkpoint': only checkpoints survive. The
   * first two need `flashDir`.
   */
  readonly durability?: Durability;
}

export interface RunCheckpointOptions {
  /** Where checkpoints go, each a folder of its own. */
  readonly dir: string;
  /** Steps between them; one more follows the last step. */
  readonly every: number;
  /** How many are kept, the newest; all unless given. */
  readonly keep?: number;
}

export interface ClusterOptions {
  /** CS-2 systems, 1 to 192; 1 unless given. */
  readonly numCsx?: number;
  /** The rectangle of tiles that every wafer uses; 'auto' (default) takes the smallest that fits the model. */
  readonly wafer?: 'auto' | { readonly rows: number; readonly cols: number; readonly spec?: WaferSpec };
  /** Worker threads; 'auto' (default) takes what the host offers. */
  readonly threads?: number | 'auto';
  /** 'thread' (default) or 'local': all actors in this thread, in an order drawn from `scheduleSeed`. */
  readonly dispatcher?: 'thread' | 'local';
  /** Which build of the kernels; all give the same bits. */
  readonly kernels?: KernelChoice;
  /** Ports of a SwarmX node towards the wafers: 4 (default) or 2. */
  readonly fanIn?: FanIn;
  /** 'band' (default): a host sweeps all its tiles in one call; 'tile': every tile works for itself, by messages. Same bits, far slower. */
  readonly sweep?: 'band' | 'tile';
  /** Order of turns on the local dispatcher; without it, round robin. */
  readonly scheduleSeed?: number;
  readonly memoryX?: MemoryXOptions;
  /** Stops everything. */
  readonly signal?: AbortSignal;
  /** Planned deaths of threads, for tests of recovery. */
  readonly faults?: readonly ThreadFault[];
}

export interface EvaluationOptions {
  readonly data: TrainingData;
  /** Steps between evaluations; one more follows the last step. */
  readonly every: number;
  /** Global batches in an evaluation; all that fit into the data unless given. */
  readonly batches?: number;
  /** Ends training after so many evaluations without a new lowest loss. */
  readonly patience?: number;
}

export interface TrainOptions {
  readonly data: TrainingData;
  readonly optimizer: Optimizer;
  /** Optimizer steps, at least 1. */
  readonly steps: number;
  /** Samples of the global batch. */
  readonly batchSize: number;
  /** Samples that one CS-2 works on at a time; its whole share unless given. A multiple of 32 below the batch size. */
  readonly microBatchSize?: number;
  /** Keys every random number; 0 unless given. */
  readonly seed?: number;
  /** First weights, in graph order; drawn from the seed unless given. */
  readonly weights?: readonly NamedTensor[];
  /** Largest global norm of a step's gradient; larger ones are scaled down to it. Updates then wait for the whole step. */
  readonly clipNorm?: number;
  /** Numbers of weights and activations, and the loss scale (`precision({ … })`); all f32 without a scale unless given. */
  readonly precision?: Precision;
  /** What of a block's activations is computed again in the delta pass; 'auto' (default): as little as fits the tiles. All choices give the same bits. */
  readonly recompute?: Recompute | 'auto';
  /** Whether a micro-batch's logits are held at once or made block by block of classes, three times; 'auto' (default): held up to 64 MiB. Same bits. */
  readonly logits?: Logits | 'auto';
  /** Which weights are sparse, how their masks begin and how they change (`sparsity({ … })`); all are dense unless given. */
  readonly sparsity?: Sparsity;
  /** First masks of sparse weights, in place of what `sparsity` begins with: those of a checkpoint. */
  readonly masks?: readonly NamedMask[];
  /** Checkpoints on the way, without stopping the stream. */
  readonly checkpoint?: RunCheckpointOptions;
  /**
   * Goes on from a checkpoint, the newest of a folder of them, or a flash store: same bits as a run that was never stopped, on whatever cluster. Model, data, optimizer,
   * batch size and seed must be those of its run.
   */
  readonly resume?: string;
  /** Data that nothing learns from, judged now and then. */
  readonly evaluation?: EvaluationOptions;
  readonly signal?: AbortSignal;
  /** Also returns gradients of the last step, and the deltas of its last micro-batch. */
  readonly inspect?: boolean;
  /** Also returns when each thread was at which turn, in host time: the last 65,536 turns of each. Shows in no bit. */
  readonly hostTrace?: boolean;
}

const whole = (what: string, value: number, low: number, high: number): number => {
  if (!Number.isInteger(value) || value < low || value > high) throw new InvalidConfig({ what, value, limit: `a whole number from ${low} to ${high}` });
  return value;
};

const oneOf = <T>(what: string, value: T, choices: readonly T[]): T => {
  if (!choices.includes(value)) throw new InvalidConfig({ what, value, limit: choices.join(' or ') });
  return value;
};

/** Most worker threads: more than any host has use for. */
const threadsMax = 256;
/** Most MemoryX units. */
const shardsMax = 64;

/** @throws InvalidConfig */
export const checkClusterOptions = (o: ClusterOptions): void => {
  whole('numCsx', o.numCsx ?? 1, 1, numCsxMax);
  if (o.threads !== undefined && o.threads !== 'auto') whole('threads', o.threads, 1, threadsMax);
  oneOf('dispatcher', o.dispatcher ?? 'thread', ['thread', 'local']);
  oneOf('fanIn', o.fanIn ?? 4, fanIns);
  oneOf('sweep', o.sweep ?? 'band', ['band', 'tile']);
  oneOf('kernels', o.kernels ?? 'auto', ['auto', 'simd128', 'twin']);
  if (o.memoryX !== undefined) checkMemoryX(o.memoryX);
  if (o.scheduleSeed !== undefined) whole('scheduleSeed', o.scheduleSeed, 0, Number.MAX_SAFE_INTEGER);
  if (o.wafer !== undefined && o.wafer !== 'auto' && (typeof o.wafer !== 'object' || o.wafer === null)) {
    throw new InvalidConfig({ what: 'wafer', value: o.wafer, limit: "'auto' or { rows, cols }" });
  }
};

const checkMemoryX = ({ dramBytes, flashDir, shards, durability }: MemoryXOptions): void => {
  if (dramBytes !== undefined) whole('memoryX.dramBytes', dramBytes, 1, Number.MAX_SAFE_INTEGER);
  if (shards !== undefined) whole('memoryX.shards', shards, 1, shardsMax);
  if (durability !== undefined) oneOf('memoryX.durability', durability, durabilities);
  const folders = typeof flashDir === 'string' ? 1 : flashDir?.length;
  if (folders === 0 || (typeof flashDir === 'object' && new Set(flashDir).size < flashDir.length)) throw new InvalidConfig({ what: 'memoryX.flashDir', value: flashDir, limit: 'one folder, or a folder a unit' });
  if (typeof flashDir === 'object' && shards !== undefined && shards !== flashDir.length) throw new InvalidConfig({ what: 'memoryX.shards', value: shards, limit: flashDir.length, hint: 'give as many folders as units, or one folder' });
  if (flashDir !== undefined) return;
  if (shards !== undefined && shards > 1) throw new InvalidConfig({ what: 'memoryX.shards without flash', value: shards, hint: 'give memoryX.flashDir too' });
  if (durability === 'process' || durability === 'power') throw new InvalidConfig({ what: 'memoryX.durability', value: durability, limit: "'checkpoint' where there is no flash", hint: 'give memoryX.flashDir too' });
};

/** @throws InvalidConfig */
export const checkTrainOptions = (o: TrainOptions): void => {
  whole('steps', o.steps, 1, 2 ** 30);
  whole('batchSize', o.batchSize, 1, 2 ** 26);
  whole('seed', o.seed ?? 0, 0, Number.MAX_SAFE_INTEGER);
  oneOf('recompute', o.recompute ?? 'auto', ['auto', ...recomputes]);
  oneOf('logits', o.logits ?? 'auto', ['auto', 'held', 'streamed']);
  if (o.precision !== undefined) checkPrecision(o.precision);
  if (o.clipNorm !== undefined && !(o.clipNorm > 0 && Number.isFinite(o.clipNorm))) throw new InvalidConfig({ what: 'clipNorm', value: o.clipNorm, limit: 'a finite number above 0' });
  if (o.checkpoint !== undefined) {
    whole('checkpoint.every', o.checkpoint.every, 1, 2 ** 30);
    if (o.checkpoint.keep !== undefined) whole('checkpoint.keep', o.checkpoint.keep, 1, 2 ** 30);
  }
  if (o.evaluation !== undefined) {
    whole('evaluation.every', o.evaluation.every, 1, 2 ** 30);
    if (o.evaluation.batches !== undefined) whole('evaluation.batches', o.evaluation.batches, 1, 2 ** 26);
    if (o.evaluation.patience !== undefined) whole('evaluation.patience', o.evaluation.patience, 1, 2 ** 30);
  }
};
