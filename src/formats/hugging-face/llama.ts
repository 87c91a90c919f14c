/**
 * The Llama family in a config.json, to and from the options of llama(): model types llama, and mistral where its window is as long as the context.
 *
 * Fields and their defaults are those of the transformers library's LlamaConfig and MistralConfig, rotary scaling in its old form (`rope_theta`, `rope_scaling`) and its new
 * one (`rope_parameters`). Not here: weights (mapping.ts), other families (gpt2.ts).
 */
import type { RotaryScaling } from '../../model/graph.js';
import type { LlamaOptions } from '../../model/presets/llama.js';
import { InvalidConfig } from '../../util/errors.js';
import { isObject, type JsonObject } from '../json.js';
import { ConfigFields, contextOf, refuseAttentionDropout, refuseOthers, withoutEffect, type ConfigOptions } from './fields.js';

const activations = new Map([['silu', 'silu'], ['swish', 'silu']] as const);
const layersMax = 1024;
const harmless = new Set(withoutEffect);
const none: ReadonlySet<string> = new Set();

/** One object of rotary settings; the base stands inside it in the new form. */
const scalingOf = (fields: ConfigFields, name: string): { readonly theta: number | null; readonly scaling: RotaryScaling | null } => {
  const given = fields.take(name) ?? null;
  if (given === null) return { theta: null, scaling: null };
  if (!isObject(given)) throw fields.invalid(name, given, 'an object or null');
  const inner = new ConfigFields(given, `${fields.where}, ${name}`);
  const kinds = new Map([['default', 'default'], ['linear', 'linear'], ['llama3', 'llama3']] as const);
  if (inner.has('type') && inner.has('rope_type') && inner.take('type') !== inner.take('rope_type')) throw inner.invalid('type', inner.take('type'), `rope_type ${JSON.stringify(inner.take('rope_type'))}`);
  const kind = inner.choice(inner.has('type') ? 'type' : 'rope_type', 'default', kinds);
  const theta = inner.has('rope_theta') ? inner.positive('rope_theta', null) : null;
  inner.fixed('partial_rotary_factor', 1);
  const scaling = ((): RotaryScaling | null => {
    if (kind === 'default') return null;
    const factor = inner.positive('factor', null);
    if (kind === 'linear') return { kind, factor };
    const lowFrequencyFactor = inner.positive('low_freq_factor', null), highFrequencyFactor = inner.positive('high_freq_factor', null);
    if (highFrequencyFactor <= lowFrequencyFactor) throw inner.invalid('high_freq_factor', highFrequencyFactor, `above low_freq_factor ${lowFrequencyFactor}`);
    return { kind, factor, lowFrequencyFactor, highFrequencyFactor, originalContext: inner.whole('original_max_position_embeddings', null) };
  })();
  inner.finish(none);
  return { theta, scaling };
};

const rotaryOf = (fields: ConfigFields): { readonly theta: number; readonly scaling: RotaryScaling | null } => {
  const old = scalingOf(fields, 'rope_scaling'), recent = scalingOf(fields, 'rope_parameters');
  if (old.scaling !== null && recent.scaling !== null && JSON.stringify(old.scaling) !== JSON.stringify(recent.scaling)) {
    throw fields.invalid('rope_parameters', recent.scaling, `the same as rope_scaling ${JSON.stringify(old.scaling)}`);
  }
  const inside = recent.theta ?? old.theta;
  const theta = fields.positive('rope_theta', inside ?? 10_000);
  if (inside !== null && inside !== theta) throw fields.invalid('rope_theta', theta, `${inside}, as inside the rotary settings`);
  if (theta <= 1) throw fields.invalid('rope_theta', theta, 'a number above 1');
  fields.fixed('partial_rotary_factor', 1);
  return { theta, scaling: recent.scaling ?? old.scaling };
};

/** Only a window that no query leaves is the same computation. Absent, it is 4096 for mistral and none for llama. */
const refuseWindow = (fields: ConfigFields, mistral: boolean, context: number): void => {
  fields.fixed('use_sliding_window', false);
  if (mistral ? fields.has('sliding_window') && fields.take('sliding_window') === null : (fields.take('sliding_window') ?? null) === null) return;
  const window = fields.whole('sliding_window', 4096);
  if (window < context) throw fields.notEmulated('sliding_window', window, `null, or at least the context of ${context}`, `give context: ${window}`);
};

/** @throws InvalidConfig, NotEmulated naming the field */
export const llamaOptionsOf = (fields: ConfigFields, options: ConfigOptions): { readonly options: LlamaOptions; readonly ignored: readonly string[] } => {
  const mistral = fields.take('model_type') === 'mistral';
  const layers = fields.whole('num_hidden_layers', 32, layersMax), heads = fields.whole('num_attention_heads', 32), dim = fields.whole('hidden_size', 4096);
  const grouped = mistral && !fields.has('num_key_value_heads') ? 8 : fields.wholeOrNull('num_key_value_heads');
  const kvHeads = grouped ?? heads;
  if (heads % kvHeads !== 0) throw fields.invalid('num_key_value_heads', kvHeads, `a divisor of num_attention_heads ${heads}`);
  const given = fields.wholeOrNull('head_dim');
  if (given === null && dim % heads !== 0) throw fields.invalid('hidden_size', dim, `a multiple of num_attention_heads ${heads}, or head_dim`);
  const headSize = given ?? dim / heads;
  if (headSize % 2 !== 0) throw fields.invalid(given === null ? 'hidden_size' : 'head_dim', given ?? dim, 'an even number of features a head');
  const hidden = fields.whole('intermediate_size', mistral ? 14_336 : 11_008), vocabulary = fields.whole('vocab_size', 32_000);
  const epsilon = fields.positive('rms_norm_eps', 1e-6), initStd = fields.positive('initializer_range', 0.02);
  const tied = fields.flag('tie_word_embeddings', false);
  const { theta, scaling } = rotaryOf(fields);
  const places = fields.whole('max_position_embeddings', mistral ? 131_072 : 2048);
  const context = contextOf(places, 'max_position_embeddings', options, fields.where);
  fields.choice('hidden_act', 'silu', activations);
  fields.fixed('attention_bias', false);
  fields.fixed('mlp_bias', false);
  refuseAttentionDropout(fields, 'attention_dropout', 0, options);
  refuseWindow(fields, mistral, context);
  refuseOthers(fields);
  return {
    options: { layers, heads, kvHeads, dim, hidden, context, vocabulary, headSize, theta, ...(scaling === null ? {} : { scaling }), tied, epsilon, initStd, name: mistral ? 'mistral' : 'llama' },
    ignored: fields.finish(harmless),
  };
};

const scalingFields = (scaling: RotaryScaling | undefined): JsonObject | null => {
  if (scaling === undefined) return null;
  if (scaling.kind === 'linear') return { rope_type: 'linear', factor: scaling.factor };
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContext } = scaling;
  return { rope_type: 'llama3', factor, low_freq_factor: lowFrequencyFactor, high_freq_factor: highFrequencyFactor, original_max_position_embeddings: originalContext };
};

/** The config.json of a model that llama() makes of the same options. */
export const configOfLlama = (o: LlamaOptions): JsonObject => {
  if (o.layers > layersMax) throw new InvalidConfig({ what: 'layers of a Llama config', value: o.layers, limit: layersMax });
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    vocab_size: o.vocabulary,
    max_position_embeddings: o.context,
    hidden_size: o.dim,
    intermediate_size: o.hidden,
    num_hidden_layers: o.layers,
    num_attention_heads: o.heads,
    num_key_value_heads: o.kvHeads ?? o.heads,
    head_dim: o.headSize ?? o.dim / o.heads,
    rms_norm_eps: o.epsilon ?? 1e-5,
    initializer_range: o.initStd ?? 0.02,
    rope_theta: o.theta ?? 10_000,
    rope_scaling: scalingFields(o.scaling),
    attention_bias: false,
    attention_dropout: 0,
    mlp_bias: false,
    pretraining_tp: 1,
    tie_word_embeddings: o.tied ?? false,
    bos_token_id: null,
    eos_token_id: null,
    use_cache: true,
  };
};
