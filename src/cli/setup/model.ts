/**
 * Which transformer the options mean, if one: a Hugging Face config.json, a published shape, or gpt and llama of the sizes given.
 *
 *   --config, or --weights with a config.json in it ─┐
 *   --model gpt2, llama3.2-1b, …                    ─┼─▶ source ─▶ (vocabulary of the tokenizer) ─▶ Model
 *   --model gpt, llama                              ─┘
 *
 * Not here: byte-lm and mlp, which follow from the data (data.ts); weights (job.ts).
 */
import { join } from 'node:path';
import { CorruptFile, gpt, gptShape, InvalidConfig, llama, llamaShape, readModelConfig, type GptOptions, type LlamaOptions, type Model } from '../../index.js';
import { publishedGpts, publishedLlamas, type OptionName, type Options } from '../options.js';
import { outside, refuse } from './rules.js';
import { folderOf, holds, standsAt } from './tokenizer.js';

/** What gpt and llama are where nothing is given. */
export interface TransformerSizes {
  readonly layers: number;
  readonly heads: number;
  readonly dim: number;
  readonly context: number;
  /** Standard deviation of first weights, where it is not the published one. */
  readonly initStd?: number;
}

export type Source =
  | { readonly kind: 'config'; readonly path: string }
  | { readonly kind: 'published gpt' | 'published llama'; readonly name: string }
  | { readonly kind: 'gpt' | 'llama' };

const sizes = ['layers', 'heads', 'kvHeads', 'dim', 'hidden', 'embed'] as const satisfies readonly OptionName[];
/** Options that only a transformer has a use for. */
const transformersOnly = ['heads', 'kvHeads', 'dim', 'vocab', 'dropout', 'tokenizer', 'field', 'recompute'] as const satisfies readonly OptionName[];

const configFile = 'config.json';

/** Where the model comes from; null for byte-lm and mlp. @throws InvalidConfig for options that contradict each other or have no effect on it */
export const sourceOf = async (options: Options): Promise<Source | null> => {
  const { config, model, weights } = options;
  if (config !== undefined) {
    refuse(options, ['model'], 'beside --config: the config names the model');
    return fromConfig(options, config);
  }
  if (model === undefined && weights !== undefined) {
    if ((await standsAt(weights)) === null) throw new CorruptFile({ what: 'no such file or folder', where: weights, hint: 'check the path' });
    const folder = await folderOf(weights);
    if (await holds(folder, configFile)) return fromConfig(options, join(folder, configFile));
    throw new InvalidConfig({ what: 'no model for the weights', where: weights, hint: 'name it with --config or --model' });
  }
  if (model === undefined || model === 'byte-lm' || model === 'mlp') {
    refuse(options, transformersOnly, 'belongs to a transformer: --config, or --model gpt, llama or a published shape');
    return null;
  }
  if (model === 'gpt' || model === 'llama') {
    refuse(options, ['embed'], 'belongs to byte-lm');
    refuse(options, model === 'gpt' ? ['kvHeads'] : ['dropout'], `has no effect on --model ${model}`);
    if (model === 'gpt') refuseOff(options);
    return { kind: model };
  }
  refuse(options, sizes, `beside --model ${model}, whose sizes are published`);
  if (publishedGpts.has(model)) {
    refuseOff(options);
    return { kind: 'published gpt', name: model };
  }
  if (!publishedLlamas.has(model)) throw outside('model', model, 'a published shape');
  refuse(options, ['dropout'], `has no effect on --model ${model}`);
  return { kind: 'published llama', name: model };
};

const fromConfig = (options: Options, path: string): Source => {
  refuse(options, [...sizes, 'vocab'], 'beside a config.json, which says it');
  if (typeof options.dropout === 'number') throw outside('dropout', options.dropout, 'off, where a config.json names the rates');
  return { kind: 'config', path };
};

const refuseOff = (options: Options): void => {
  if (options.dropout === 'off') throw outside('dropout', 'off', 'a rate, where no config.json names one');
};

/** Sizes for gpt and llama. @throws InvalidConfig where they do not go together */
const sizesOf = (options: Options, usual: TransformerSizes): TransformerSizes => {
  const { layers = usual.layers, heads = usual.heads, dim = usual.dim, context = usual.context } = options;
  if (layers < 1) throw outside('layers', layers, 'at least 1 block of a transformer');
  if (dim % heads !== 0) throw outside('dim', dim, `a multiple of the ${heads} heads`);
  return { ...usual, layers, heads, dim, context };
};

/** Two thirds of 4 · dim, so that a gated part costs what an ungated one does; up to a multiple of 32. */
const gatedHidden = (dim: number): number => Math.ceil((8 * dim) / 3 / 32) * 32;

/** The model; `vocabulary` is the tokenizer's. @throws InvalidConfig, InvalidModel, NotEmulated, CorruptFile */
export const makeTransformer = async (options: Options, source: Source, usual: TransformerSizes, vocabulary: number): Promise<Model> => {
  const { context, vocab } = options;
  if (context !== undefined && context < 2) throw outside('context', context, 'at least 2 tokens of a sequence');
  const over = { ...(context === undefined ? {} : { context }), ...(vocab === undefined ? {} : { vocabulary: vocab }) };
  const dropout = typeof options.dropout === 'number' ? { dropout: options.dropout } : {};
  switch (source.kind) {
    case 'config':
      return (await readModelConfig(source.path, { ...(context === undefined ? {} : { context }), ...(options.dropout === 'off' ? { dropout: 'off' } : {}) })).model;
    case 'published gpt':
      return gpt({ ...gptShape(source.name), ...over, ...dropout });
    case 'published llama':
      return llama({ ...llamaShape(source.name), ...over });
    case 'gpt': {
      const shape: GptOptions = { ...sizesOf(options, usual), vocabulary: vocab ?? vocabulary, ...(options.hidden === undefined ? {} : { hidden: options.hidden }), ...dropout };
      return gpt(shape);
    }
    case 'llama': {
      const of = sizesOf(options, usual), { kvHeads = of.heads } = options;
      if (of.heads % kvHeads !== 0) throw outside('kvHeads', kvHeads, `a divisor of the ${of.heads} heads`);
      if ((of.dim / of.heads) % 2 !== 0) throw outside('dim', of.dim, `an even number for each of the ${of.heads} heads`);
      const shape: LlamaOptions = { ...of, kvHeads, vocabulary: vocab ?? vocabulary, hidden: options.hidden ?? gatedHidden(of.dim) };
      return llama(shape);
    }
  }
};
