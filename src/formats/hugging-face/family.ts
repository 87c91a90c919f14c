/**
 * Which family a graph belongs to: the options that make it again, or null.
 *
 *   Model ──▶ options read off its layers ──▶ gpt(options) or llama(options) ──▶ the same layers and parameters? then it is of the family
 *
 * So nothing is guessed from names alone. First values of weights are no part of the comparison. Not here: files.
 */
import type { LayerKind, LayerOf, Model } from '../../model/graph.js';
import { gpt, type GptOptions } from '../../model/presets/gpt.js';
import { llama, type LlamaOptions } from '../../model/presets/llama.js';
import { WaferstreamError } from '../../util/errors.js';

export type Family = { readonly family: 'gpt'; readonly options: GptOptions } | { readonly family: 'llama'; readonly options: LlamaOptions };

const ofKind = <K extends LayerKind>(model: Model, kind: K): readonly LayerOf<K>[] => model.layers.filter((layer): layer is LayerOf<K> => layer.kind === kind);

const same = (a: Model, b: Model): boolean => {
  const parts = (model: Model): string => JSON.stringify([model.layers, model.tokensPerSample, model.parameters], (key, value: unknown) => (key === 'init' ? undefined : value));
  return parts(a) === parts(b);
};

/** The first candidate that makes the same graph; candidates that are no valid model make none. */
const rebuilt = <O>(model: Model, make: (options: O) => Model, options: O): boolean => {
  try {
    return same(make(options), model);
  } catch (error) {
    if (error instanceof WaferstreamError) return false;
    throw error;
  }
};

/** The family of a graph, with the options that make it; null for any other graph. */
export const familyOf = (model: Model): Family | null => {
  const [embedding] = ofKind(model, 'embedding'), [attention] = ofKind(model, 'attention'), [norm] = ofKind(model, 'norm');
  const linears = ofKind(model, 'linear'), head = linears.at(-1), down = linears.at(-2), init = embedding === undefined ? undefined : model.parameters[embedding.table]?.init;
  if (embedding === undefined || attention === undefined || norm === undefined || head === undefined || down === undefined) return null;
  const common = {
    name: model.name, layers: ofKind(model, 'attention').length, heads: attention.heads, dim: embedding.dim, hidden: down.inFeatures, context: model.tokensPerSample, vocabulary: embedding.vocabulary,
    tied: head.tied, epsilon: norm.epsilon, ...(init?.kind === 'normal' ? { initStd: init.std } : {}),
  };
  if (norm.centered) {
    const options = { ...common, dropout: ofKind(model, 'dropout')[0]?.rate ?? 0, activation: ofKind(model, 'gelu')[0]?.approximation ?? 'tanh' };
    return rebuilt(model, gpt, options) ? { family: 'gpt', options } : null;
  }
  const [rotary] = ofKind(model, 'rotary');
  if (rotary === undefined) return null;
  const options = { ...common, kvHeads: attention.kvHeads, headSize: attention.headSize, theta: rotary.theta, ...(rotary.scaling === null ? {} : { scaling: rotary.scaling }) };
  return rebuilt(model, llama, options) ? { family: 'llama', options } : null;
};
