/**
 * Training data out of the options: text for a byte-lm, IDX images for an mlp, tokens for a transformer, and the part that is kept for evaluation.
 *
 * Not here: reading itself (formats/), which model it is for (model.ts).
 */
import { readdir, stat } from 'node:fs/promises';
import {
  bytesEntropy, findIdxPair, InvalidConfig, readIdxPair, readText, readTokens, splitTokens,
  type EvaluationOptions, type Model, type TrainingData,
} from '../../index.js';
import { flagOf, type Options } from '../options.js';
import { outside, refuse, together } from './rules.js';
import { checkAssumed, type TokenizerChoice } from './tokenizer.js';

export interface Data {
  readonly training: TrainingData;
  /** What nothing learns from, or null. */
  readonly evaluation: TrainingData | null;
  /** What the data is, for people. */
  readonly about: string;
  /** Entropy of single bytes, where the data is bytes. */
  readonly entropy: { readonly bits: number; readonly nats: number } | null;
}

const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
const noData = (): InvalidConfig => new InvalidConfig({ what: 'no data', hint: 'name it with --data, or with --images and --labels' });

/** Whether a path is a folder that holds IDX training files. What is missing is found out by whoever reads it. */
const holdsIdx = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() === true && (await readdir(path)).some((name) => name.startsWith('train-images'));
};

const imageData = async (options: Options, paths: { readonly images: string; readonly labels: string }): Promise<Data> => {
  refuse(options, ['evaluationSplit'], 'belongs to text');
  const training = await readIdxPair(paths.images, paths.labels);
  return { training, evaluation: null, entropy: null, about: `${training.labels.length} samples of ${training.inputs.length / training.labels.length} features` };
};

const textData = async (options: Options, paths: string | readonly string[]): Promise<Data> => {
  const { bytes, files } = await readText(paths);
  const { training, evaluation } = splitTokens(bytes, options.evaluationSplit ?? 0);
  return {
    training: { kind: 'text', bytes: training },
    evaluation: evaluation.length === 0 ? null : { kind: 'text', bytes: evaluation },
    entropy: bytesEntropy(training),
    about: `${bytes.length} bytes of text from ${many(files, 'file')}`,
  };
};

/** Data for a byte-lm or an mlp: the model that was named decides, or what lies there. `text` is read where no data is named. @throws InvalidConfig, CorruptFile */
export const readSimpleData = async (options: Options, text: readonly string[] | undefined): Promise<Data> => {
  together(options, 'images', 'labels');
  const { data, images, labels, model } = options;
  if (images !== undefined && labels !== undefined) {
    if (data !== undefined) throw new InvalidConfig({ what: 'option --data beside --images and --labels', hint: 'name the data once' });
    if (model === 'byte-lm') throw new InvalidConfig({ what: 'a byte-lm reads text, not images', hint: 'use --data with text, or --model mlp' });
    return imageData(options, { images, labels });
  }
  if (data !== undefined) return model === 'mlp' || (model === undefined && (await holdsIdx(data))) ? imageData(options, await findIdxPair(data)) : textData(options, data);
  if (text === undefined || model === 'mlp') throw noData();
  return textData(options, text);
};

const isJsonLines = (path: string): boolean => /\.(jsonl|ndjson)$/i.test(path);
const isTokenFile = (path: string): boolean => /\.(bin|u16)$/i.test(path);

/** Data for a transformer. @throws InvalidConfig, CorruptFile */
export const readTokenData = async (options: Options, model: Model, choice: TokenizerChoice, text: readonly string[] | undefined): Promise<Data> => {
  refuse(options, ['images', 'labels'], 'belongs to --model mlp');
  const { data, field, evaluationSplit = 0 } = options;
  const path = data ?? text;
  if (path === undefined) throw new InvalidConfig({ what: 'no data', hint: 'name it with --data' });
  const [input] = model.layers, vocabulary = input?.kind === 'tokens' ? input.vocabulary : choice.tokenizer.vocabulary;
  if (data === undefined || !isJsonLines(data)) refuse(options, ['field'], 'belongs to JSON lines (.jsonl)');
  const isTokens = data !== undefined && isTokenFile(data);
  if (!isTokens) checkAssumed(choice, model);
  const { ids, documents } = await readTokens(path, { tokenizer: choice.tokenizer, vocabulary, ...(field === undefined ? {} : { field }) });
  const { training, evaluation } = splitTokens(ids, evaluationSplit);
  const isBytes = choice.tokenizer.kind === 'bytes' && !isTokens;
  const name = isTokens ? 'tokens' : isBytes ? 'bytes' : 'tokens of text';
  return {
    training: { kind: 'sequence', ids: training },
    evaluation: evaluation.length === 0 ? null : { kind: 'sequence', ids: evaluation },
    entropy: isBytes && training instanceof Uint8Array ? bytesEntropy(training) : null,
    about: `${ids.length} ${name} from ${many(documents, 'document')}`,
  };
};

/** Samples that a text of so many tokens makes. */
const samplesIn = (model: Model, length: number): number => {
  const [input] = model.layers;
  return model.tokensPerSample > 1 ? Math.floor((length - 1) / model.tokensPerSample) : length - (input?.kind === 'tokens' ? input.context : 0);
};

/** How the run is evaluated; null where no data is kept for it. @throws InvalidConfig */
export const evaluationOf = (options: Options, data: Data, model: Model, steps: number): EvaluationOptions | null => {
  if (data.evaluation === null) {
    refuse(options, ['evaluateEvery', 'evaluationBatches', 'patience'], `has no effect without ${flagOf('evaluationSplit')}`);
    return null;
  }
  const { evaluateEvery = Math.max(1, Math.floor(steps / 10)), evaluationBatches, patience } = options;
  const kept = data.evaluation.kind === 'sequence' ? data.evaluation.ids.length : data.evaluation.kind === 'text' ? data.evaluation.bytes.length : 0;
  if (samplesIn(model, kept) < 1) throw outside('evaluationSplit', options.evaluationSplit, `at least one sample of ${model.tokensPerSample > 1 ? `${model.tokensPerSample} tokens` : 'the text'}: it keeps ${kept}`);
  return { data: data.evaluation, every: evaluateEvery, ...(evaluationBatches === undefined ? {} : { batches: evaluationBatches }), ...(patience === undefined ? {} : { patience }) };
};
