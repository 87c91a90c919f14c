/**
 * Setup: from options to a job, which is everything that decides about the weights.
 *
 *   options ─▶ model.ts (transformers) ─▶ data.ts, tokenizer.ts ─▶ optimizer.ts, batch.ts, sparsity.ts, precision.ts ─▶ Job
 *
 * An option that would have no effect is refused, never ignored. Not here: how a single value is parsed (../options.ts), the cluster (cluster.ts).
 */
import { byteLm, InvalidConfig, mlp, readCheckpoint, type Model, type TrainingData, type TrainOptions } from '../../index.js';
import type { Options } from '../options.js';
import { batchOf } from './batch.js';
import { evaluationOf, readSimpleData, readTokenData, type Data } from './data.js';
import { makeTransformer, sourceOf, type Source, type TransformerSizes } from './model.js';
import { makeOptimizer } from './optimizer.js';
import { outside, refuse, together } from './rules.js';
import { precisionOf } from './precision.js';
import { checkSparsityOptions, sparsityOf } from './sparsity.js';
import { chooseTokenizer, type TokenizerChoice } from './tokenizer.js';

/** What a command takes where an option is not given. */
export interface Defaults {
  readonly steps: number;
  /** A byte-lm's, and the layers of an mlp. */
  readonly small: { readonly hidden: number; readonly layers: number; readonly embed: number; readonly context: number; readonly batchSize: number };
  /** Those of gpt and llama. */
  readonly transformer: TransformerSizes & { readonly batchSize: number };
  /** Read where no data is named; without it, data must be named. */
  readonly text?: readonly string[];
}

export interface Job {
  readonly model: Model;
  readonly train: TrainOptions;
  /** What the data is, for people. */
  readonly data: string;
  /** Entropy of single bytes, where the data is bytes. */
  readonly entropy: Data['entropy'];
  /** The tokenizer of a transformer. */
  readonly tokenizer: TokenizerChoice | null;
}

const makeSimple = (options: Options, { small }: Defaults, data: TrainingData): Model => {
  const { hidden = small.hidden, layers = small.layers, context = small.context, embed = small.embed } = options;
  if (layers === 0) refuse(options, ['hidden'], 'has no effect without hidden layers');
  if (data.kind !== 'features') return byteLm({ context, embed, hidden, layers });
  refuse(options, ['context', 'embed'], 'belongs to byte-lm');
  const classes = data.labels.reduce((most, label) => Math.max(most, label), 0) + 1;
  return mlp([data.inputs.length / data.labels.length, ...Array.from({ length: layers }, () => hidden), classes]);
};

type Material = Pick<Job, 'model' | 'tokenizer'> & { readonly data: Data };

const simple = async (options: Options, defaults: Defaults): Promise<Material> => {
  const data = await readSimpleData(options, defaults.text);
  return { data, model: makeSimple(options, defaults, data.training), tokenizer: null };
};

/** The transformer that the options mean, and its tokenizer. @throws InvalidConfig, InvalidModel, NotEmulated, CorruptFile */
export const setUpTransformer = async (options: Options, source: Source, sizes: TransformerSizes): Promise<{ readonly model: Model; readonly tokenizer: TokenizerChoice }> => {
  const tokenizer = await chooseTokenizer(options);
  return { model: await makeTransformer(options, source, sizes, tokenizer.tokenizer.vocabulary), tokenizer };
};

const transformer = async (options: Options, defaults: Defaults, source: Source): Promise<Material> => {
  const { model, tokenizer } = await setUpTransformer(options, source, defaults.transformer);
  return { data: await readTokenData(options, model, tokenizer, defaults.text), model, tokenizer };
};

/** Data shorter than one sample is refused here, where the option's name is known. */
const checkLength = (model: Model, data: TrainingData): void => {
  if (data.kind === 'sequence' && data.ids.length <= model.tokensPerSample) {
    throw new InvalidConfig({ what: 'the data is shorter than one sample', value: data.ids.length, limit: `more than the ${model.tokensPerSample} tokens of the context`, hint: 'give more text or a shorter --context' });
  }
};

/** Checkpoints, and what the run goes on from. */
const survivalOf = (options: Options): Pick<TrainOptions, 'checkpoint' | 'resume'> => {
  together(options, 'checkpointDir', 'checkpointEvery');
  const { checkpointDir: dir, checkpointEvery: every, keepCheckpoints: keep, resume } = options;
  if (dir === undefined || every === undefined) refuse(options, ['keepCheckpoints'], 'belongs to --checkpoint-dir');
  if (resume !== undefined) refuse(options, ['weights'], 'has no effect beside --resume, which has its own');
  return { ...(resume === undefined ? {} : { resume }), ...(dir === undefined || every === undefined ? {} : { checkpoint: { dir, every, ...(keep === undefined ? {} : { keep }) } }) };
};

/** Reads the data and builds everything that decides about the weights. @throws InvalidConfig, InvalidModel, NotEmulated, CorruptFile */
export const setUp = async (options: Options, defaults: Defaults): Promise<Job> => {
  const { steps = defaults.steps, seed = 0, clipNorm, recompute, weights } = options;
  const source = await sourceOf(options);
  checkSparsityOptions(options);
  const numbers = precisionOf(options);
  const optimizer = makeOptimizer(options, steps, source !== null);
  const batch = batchOf(options, (source === null ? defaults.small : defaults.transformer).batchSize, source !== null);
  if (options.evaluateEvery !== undefined && options.evaluateEvery > steps) throw outside('evaluateEvery', options.evaluateEvery, `the ${steps} steps of the run`);
  const { data, model, tokenizer } = await (source === null ? simple(options, defaults) : transformer(options, defaults, source));
  checkLength(model, data.training);
  const evaluation = evaluationOf(options, data, model, steps);
  const checkpoint = weights === undefined ? null : await readCheckpoint(model, weights);
  const sparse = await sparsityOf(options, checkpoint?.masks ?? []);
  return {
    model,
    train: {
      data: data.training, optimizer, steps, seed, ...batch,
      ...(clipNorm === undefined ? {} : { clipNorm }),
      ...(recompute === undefined ? {} : { recompute }),
      ...(evaluation === null ? {} : { evaluation }),
      ...survivalOf(options),
      ...(checkpoint === null ? {} : { weights: checkpoint.weights }),
      ...sparse,
      ...numbers,
    },
    data: data.about,
    entropy: data.entropy,
    tokenizer,
  };
};
