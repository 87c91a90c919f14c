/**
 * Setup: from options to data, model, optimizer and the shape of the cluster. An option that would have no effect is refused, never ignored.
 *
 * Not here: how a single value is parsed (options.ts).
 */
import { readdir, stat } from 'node:fs/promises';
import {
  adam, adamW, byteLm, bytesEntropy, constant, cosine, findIdxPair, InvalidConfig, linearWarmup, mlp, readIdxPair, readText, sgd,
  type ClusterOptions, type Model, type Optimizer, type Schedule, type TrainOptions,
} from '../index.js';
import { flagOf, type OptionName, type Options } from './options.js';

/** What a command takes where an option is not given. */
export interface Defaults {
  readonly hidden: number;
  readonly layers: number;
  readonly embed: number;
  readonly context: number;
  readonly steps: number;
  readonly batchSize: number;
  /** Read where no data is named; without it, data must be named. */
  readonly text?: readonly string[];
}

export interface Job {
  readonly model: Model;
  readonly train: TrainOptions;
  /** What the data is, for people. */
  readonly data: string;
  /** Entropy of single bytes, where the data is text. */
  readonly entropy: { readonly bits: number; readonly nats: number } | null;
}

const refuse = (options: Options, names: readonly OptionName[], reason: string): void => {
  const name = names.find((candidate) => options[candidate] !== undefined);
  if (name !== undefined) throw new InvalidConfig({ what: `option ${flagOf(name)} ${reason}`, hint: 'leave it out' });
};

const together = (options: Options, a: OptionName, b: OptionName): void => {
  if ((options[a] === undefined) !== (options[b] === undefined)) {
    throw new InvalidConfig({ what: `options ${flagOf(a)} and ${flagOf(b)} belong together`, hint: 'give both or neither' });
  }
};

/** Whether a path is a folder that holds IDX training files. What is missing is found out by whoever reads it. */
const holdsIdx = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() === true && (await readdir(path)).some((name) => name.startsWith('train-images'));
};

type Data = Pick<Job, 'data' | 'entropy'> & { readonly training: TrainOptions['data'] };

const imageData = async (paths: { readonly images: string; readonly labels: string }): Promise<Data> => {
  const training = await readIdxPair(paths.images, paths.labels);
  return { training, entropy: null, data: `${training.labels.length} samples of ${training.inputs.length / training.labels.length} features` };
};

const textData = async (paths: string | readonly string[]): Promise<Data> => {
  const { bytes, files } = await readText(paths);
  return { training: { kind: 'text', bytes }, entropy: bytesEntropy(bytes), data: `${bytes.length} bytes of text from ${files} file${files === 1 ? '' : 's'}` };
};

const readData = async (options: Options, defaults: Defaults): Promise<Data> => {
  together(options, 'images', 'labels');
  const { data, images, labels, model } = options;
  if (images !== undefined && labels !== undefined) {
    if (data !== undefined) throw new InvalidConfig({ what: 'option --data beside --images and --labels', hint: 'name the data once' });
    if (model === 'byte-lm') throw new InvalidConfig({ what: 'a byte-lm reads text, not images', hint: 'use --data with text, or --model mlp' });
    return imageData({ images, labels });
  }
  if (data !== undefined) return model === 'mlp' || (model === undefined && (await holdsIdx(data))) ? imageData(await findIdxPair(data)) : textData(data);
  if (defaults.text === undefined || model === 'mlp') throw new InvalidConfig({ what: 'no data', hint: 'name it with --data, or with --images and --labels' });
  return textData(defaults.text);
};

const makeModel = (options: Options, defaults: Defaults, data: TrainOptions['data']): Model => {
  const { hidden = defaults.hidden, layers = defaults.layers, context = defaults.context, embed = defaults.embed } = options;
  if (layers === 0) refuse(options, ['hidden'], 'has no effect without hidden layers');
  if (data.kind !== 'features') return byteLm({ context, embed, hidden, layers });
  refuse(options, ['context', 'embed'], 'belongs to byte-lm');
  const classes = data.labels.reduce((most, label) => Math.max(most, label), 0) + 1;
  return mlp([data.inputs.length / data.labels.length, ...Array.from({ length: layers }, () => hidden), classes]);
};

const makeSchedule = (options: Options, peak: number, steps: number): Schedule => {
  switch (options.schedule ?? 'constant') {
    case 'constant':
      refuse(options, ['warmupSteps'], 'belongs to --schedule warmup or cosine');
      return constant(peak);
    case 'warmup':
      return linearWarmup(options.warmupSteps ?? Math.floor(steps / 10), peak);
    case 'cosine': {
      const warmup = options.warmupSteps ?? 0;
      if (warmup >= steps) throw new InvalidConfig({ what: 'option --warmup-steps', value: warmup, limit: `below the ${steps} steps of the run` });
      const fall = cosine({ peak, startStep: warmup, totalSteps: steps });
      return warmup === 0 ? fall : linearWarmup(warmup, fall);
    }
  }
};

const makeOptimizer = (options: Options, steps: number): Optimizer => {
  const { optimizer = 'adamw', momentum, nesterov, weightDecay } = options;
  const decay = weightDecay === undefined ? {} : { weightDecay };
  if (optimizer === 'sgd') {
    const rate = makeSchedule(options, options.learningRate ?? 0.1, steps);
    return sgd({ learningRate: rate, ...decay, ...(momentum === undefined ? {} : { momentum }), ...(nesterov === undefined ? {} : { nesterov }) });
  }
  refuse(options, ['momentum', 'nesterov'], 'belongs to --optimizer sgd');
  const rate = makeSchedule(options, options.learningRate ?? 1e-3, steps);
  return optimizer === 'adam' ? adam({ learningRate: rate, ...decay }) : adamW({ learningRate: rate, ...decay });
};

/** Reads the data and builds everything that decides about the weights. @throws InvalidConfig, InvalidModel, CorruptFile */
export const setUp = async (options: Options, defaults: Defaults): Promise<Job> => {
  const { steps = defaults.steps, batchSize = defaults.batchSize, seed = 0, microBatchSize } = options;
  const optimizer = makeOptimizer(options, steps);
  const { training, data, entropy } = await readData(options, defaults);
  return {
    model: makeModel(options, defaults, training),
    train: { data: training, optimizer, steps, batchSize, seed, ...(microBatchSize === undefined ? {} : { microBatchSize }) },
    data,
    entropy,
  };
};

/** The shape of the cluster: nothing of it shows in the weights. @throws InvalidConfig */
export const clusterShape = (options: Options, signal: AbortSignal): ClusterOptions => {
  together(options, 'rows', 'cols');
  const { rows, cols, numCsx = 1, threads = 'auto', dispatcher = 'thread', kernels = 'auto' } = options;
  if (dispatcher === 'local' && options.threads === undefined) return clusterShape({ ...options, threads: 1 }, signal);
  return { numCsx, threads, dispatcher, kernels, wafer: rows === undefined || cols === undefined ? 'auto' : { rows, cols }, signal };
};
