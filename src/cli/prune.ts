/**
 * `waferstream prune`: the weights of a checkpoint made sparse in one go, without training.
 *
 *   --weights ─▶ masks by the init method (the largest weights stay, unless said otherwise) ─▶ weights that are not stored become 0 ─▶ --save
 *
 * What comes out is trained on with `train --weights … --sparsity kept`. Not here: algorithms that change masks while a model learns.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { firstMasks, InvalidConfig, readCheckpoint, readSparsityConfig, type NamedMask, type NamedTensor, type Sparsity } from '../index.js';
import { pruneJson } from './json/files.js';
import { sayJson } from './json/say.js';
import { flagOf, type Options } from './options.js';
import { print } from './progress.js';
import { setUpTransformer } from './setup/job.js';
import { sourceOf } from './setup/model.js';
import { refuse } from './setup/rules.js';
import { checkSave, saveWeights } from './setup/save.js';
import { sparsityOfNumber } from './setup/sparsity.js';
import { inAll, sparsityShare, sparsityTable } from './sparsity-table.js';

/** Whether a value out of a sparsity config says somewhere how masks begin. */
const namesInit = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.entries(value).some(([key, inner]) => (key === 'init_method' && inner !== null) || namesInit(inner));

/** @throws InvalidConfig, CorruptFile */
const rulesOf = async (options: Options): Promise<Sparsity> => {
  const { sparsity } = options;
  if (sparsity === undefined || sparsity === 'kept' || sparsity === 'off') throw new InvalidConfig({ what: sparsity === undefined ? 'no sparsity' : `option ${flagOf('sparsity')} ${sparsity} prunes nothing`, hint: `give ${flagOf('sparsity')} with a number or a sparsity config` });
  if (typeof sparsity === 'number') return sparsityOfNumber(options, sparsity, 'topk');
  refuse(options, ['sparsityPattern'], `belongs to ${flagOf('sparsity')} with a number`);
  const groups = await readSparsityConfig(sparsity);
  // What a config leaves out is random, which would prune at random.
  const init = options.sparsityInit ?? (namesInit(parse(await readFile(sparsity, 'utf8'))) ? undefined : 'topk');
  return init === undefined ? groups : groups.map((group) => ({ ...group, init }));
};

/** The weights with +0 where nothing is stored; those given are not touched. */
const masked = (weights: readonly NamedTensor[], masks: readonly NamedMask[]): NamedTensor[] =>
  weights.map((tensor) => {
    const mask = masks.find(({ name }) => name === tensor.name)?.mask;
    if (mask === undefined) return tensor;
    const data = tensor.data.slice();
    for (let i = 0; i < data.length; i++) if (mask[i] === 0) data[i] = 0;
    return { ...tensor, data };
  });

export const prune = async (options: Options, signal: AbortSignal): Promise<number> => {
  const { weights: from, save, seed = 0 } = options;
  if (from === undefined) throw new InvalidConfig({ what: 'no weights', hint: `name a checkpoint with ${flagOf('weights')}` });
  if (save === undefined) throw new InvalidConfig({ what: 'nowhere to save', hint: `name a folder or a .safetensors file with ${flagOf('save')}` });
  const rules = await rulesOf(options), source = await sourceOf(options);
  if (source === null) throw new InvalidConfig({ what: `${options.model} is not pruned from the command line`, hint: 'name a transformer with --model or --config' });
  // Nothing is dropped where nothing learns.
  const { model, tokenizer } = await setUpTransformer(source.kind === 'config' ? { ...options, dropout: 'off' } : options, source, { layers: 4, heads: 4, dim: 128, context: 128 });
  await checkSave(options, model, true);
  const { weights } = await readCheckpoint(model, from);
  signal.throwIfAborted();
  const masks = firstMasks(model, weights, rules, seed);
  if (masks.length === 0) throw new InvalidConfig({ what: 'nothing is pruned: the sparsity config names none of the weights', value: options.sparsity, hint: 'see the names of weights with waferstream inspect' });
  const saved = await saveWeights(options, { model, tokenizer: tokenizer.isAssumed ? null : tokenizer }, { weights: masked(weights, masks), masks });
  const lines = masks.map(({ name, mask }) => ({ name, size: mask.length, stored: mask.reduce((sum, one) => sum + one, 0) })), all = inAll(lines);
  if (options.json === true) {
    sayJson(pruneJson, { model: model.name, parameters: model.parameterCount, sparse: lines.map((line) => ({ ...line, sparsity: sparsityShare(line) })), ...all, sparsity: sparsityShare(all), saved: save });
    return 0;
  }
  print(sparsityTable(lines));
  print(`saved to ${saved}`);
  return 0;
};
