/**
 * Hugging Face's config.json to a model, and back.
 *
 *   config.json ──▶ every field that changes the computation honoured, or refused by its name ──▶ options of gpt() or llama() ──▶ Model
 *
 * Not here: the fields of a family (gpt2.ts, llama.ts), weights (checkpoint.ts).
 */
import { join } from 'node:path';
import type { Model } from '../../model/graph.js';
import { gpt, type GptOptions } from '../../model/presets/gpt.js';
import { llama, type LlamaOptions } from '../../model/presets/llama.js';
import { NotEmulated } from '../../util/errors.js';
import { kindOf, readWhole } from '../files.js';
import { parseJsonObject, type JsonObject } from '../json.js';
import { familyOf } from './family.js';
import { ConfigFields, type ConfigOptions } from './fields.js';
import { configOfGpt, gptOptionsOf } from './gpt2.js';
import { configOfLlama, llamaOptionsOf } from './llama.js';

export type { ConfigOptions } from './fields.js';

/** The file's name inside a checkpoint's folder. */
export const configName = 'config.json';

export type ModelConfig = {
  readonly model: Model;
  /** The file as it stands. */
  readonly config: JsonObject;
  /** Unknown fields that are null, false or 0. */
  readonly ignored: readonly string[];
} & ({ readonly family: 'gpt'; readonly options: GptOptions } | { readonly family: 'llama'; readonly options: LlamaOptions });

/**
 * The model of a config.json that was parsed before; `where` names it in errors.
 *
 * @throws NotEmulated, InvalidConfig naming the field, its value and what is supported; InvalidModel for sizes that make no model.
 */
export const modelOfConfig = (config: JsonObject, options: ConfigOptions = {}, where: string = configName): ModelConfig => {
  const fields = new ConfigFields(config, where);
  const family = fields.choice('model_type', '', new Map([['gpt2', 'gpt'], ['llama', 'llama'], ['mistral', 'llama']] as const));
  if (family === 'gpt') {
    const read = gptOptionsOf(fields, options);
    return { family, model: gpt(read.options), config, ...read };
  }
  const read = llamaOptionsOf(fields, options);
  return { family, model: llama(read.options), config, ...read };
};

/** As `modelOfConfig`, from a config.json or the folder that holds one. @throws CorruptFile for what is no JSON object */
export const readModelConfig = async (path: string, options: ConfigOptions = {}): Promise<ModelConfig> => {
  const file = (await kindOf(path)) === 'folder' ? join(path, configName) : path;
  return modelOfConfig(parseJsonObject(await readWhole(file), file), options, file);
};

/**
 * The config.json with which the transformers library builds the same model. Special ids are null: they belong to the tokenizer.
 *
 * @throws NotEmulated for a graph that is neither gpt()'s nor llama()'s.
 */
export const configOfModel = (model: Model): JsonObject => {
  const found = familyOf(model);
  if (found === null) throw new NotEmulated({ what: 'a config.json for this graph', where: model.name, limit: 'graphs of gpt() and llama()', hint: 'its weights can be written without one' });
  return found.family === 'gpt' ? configOfGpt(found.options) : configOfLlama(found.options);
};
