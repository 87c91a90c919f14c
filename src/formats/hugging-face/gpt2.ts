/**
 * The GPT-2 family in a config.json, to and from the options of gpt().
 *
 * Fields and their defaults are those of the transformers library's GPT2Config. Not here: weights (mapping.ts), other families (llama.ts).
 */
import type { GptOptions } from '../../model/presets/gpt.js';
import { InvalidConfig } from '../../util/errors.js';
import type { JsonObject } from '../json.js';
import { contextOf, refuseAttentionDropout, refuseOthers, withoutEffect, type ConfigFields, type ConfigOptions } from './fields.js';

const activations = new Map([['gelu_new', 'tanh'], ['gelu_pytorch_tanh', 'tanh'], ['gelu', 'erf']] as const);
const layersMax = 1024;

const harmless = new Set([...withoutEffect, 'summary_type', 'summary_use_proj', 'summary_activation', 'summary_proj_to_labels', 'summary_first_dropout']);

const dropoutOf = (fields: ConfigFields, options: ConfigOptions): number => {
  const embedded = fields.rate('embd_pdrop', 0.1), residual = fields.rate('resid_pdrop', 0.1);
  refuseAttentionDropout(fields, 'attn_pdrop', 0.1, options);
  if (options.dropout === 'off') return 0;
  if (embedded !== residual) throw fields.notEmulated('resid_pdrop', residual, `the rate of embd_pdrop, ${embedded}`, "make them equal, or give dropout: 'off'");
  return residual;
};

/** @throws InvalidConfig, NotEmulated naming the field */
export const gptOptionsOf = (fields: ConfigFields, options: ConfigOptions): { readonly options: GptOptions; readonly ignored: readonly string[] } => {
  const layers = fields.whole('n_layer', 12, layersMax), heads = fields.whole('n_head', 12), dim = fields.whole('n_embd', 768);
  if (dim % heads !== 0) throw fields.invalid('n_embd', dim, `a multiple of n_head ${heads}`);
  const positions = fields.whole('n_positions', 1024);
  const places = fields.wholeOrNull('n_ctx');
  if (places !== null && places !== positions) throw fields.invalid('n_ctx', places, `n_positions ${positions}`);
  const vocabulary = fields.whole('vocab_size', 50_257);
  const hidden = fields.wholeOrNull('n_inner');
  const activation = fields.choice('activation_function', 'gelu_new', activations);
  const epsilon = fields.positive('layer_norm_epsilon', 1e-5), initStd = fields.positive('initializer_range', 0.02);
  const tied = fields.flag('tie_word_embeddings', true);
  const dropout = dropoutOf(fields, options);
  fields.fixed('scale_attn_weights', true, false);
  fields.fixed('scale_attn_by_inverse_layer_idx', false);
  fields.fixed('reorder_and_upcast_attn', false);
  refuseOthers(fields);
  const context = contextOf(positions, 'n_positions', options, fields.where);
  return { options: { layers, heads, dim, context, vocabulary, hidden: hidden ?? 4 * dim, dropout, tied, activation, epsilon, initStd, name: 'gpt2' }, ignored: fields.finish(harmless) };
};

/** The config.json of a model that gpt() makes of the same options. */
export const configOfGpt = (o: GptOptions): JsonObject => {
  if (o.layers > layersMax) throw new InvalidConfig({ what: 'layers of a GPT-2 config', value: o.layers, limit: layersMax });
  const { dropout = 0 } = o;
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: o.activation === 'erf' ? 'gelu' : 'gelu_new',
    vocab_size: o.vocabulary,
    n_positions: o.context,
    n_ctx: o.context,
    n_embd: o.dim,
    n_layer: o.layers,
    n_head: o.heads,
    n_inner: o.hidden === undefined || o.hidden === 4 * o.dim ? null : o.hidden,
    embd_pdrop: dropout,
    resid_pdrop: dropout,
    attn_pdrop: 0,
    layer_norm_epsilon: o.epsilon ?? 1e-5,
    initializer_range: o.initStd ?? 0.02,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    reorder_and_upcast_attn: false,
    tie_word_embeddings: o.tied ?? true,
    bos_token_id: null,
    eos_token_id: null,
    use_cache: true,
  };
};
