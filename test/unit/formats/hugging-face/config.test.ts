/** Configs of the transformers library: published ones build the published shapes, each field that computes is honoured or refused by its name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { configOfModel, modelOfConfig, type ConfigOptions } from '../../../../src/formats/hugging-face/config.js';
import type { JsonObject } from '../../../../src/formats/json.js';
import { model } from '../../../../src/model/build.js';
import type { Model } from '../../../../src/model/graph.js';
import { attention, block, embedding, gelu, layerNorm, linear, residual, rmsNorm, sequence } from '../../../../src/model/layers.js';
import { gpt } from '../../../../src/model/presets/gpt.js';
import { llama } from '../../../../src/model/presets/llama.js';
import { gptShape, gptShapes, llamaShape, llamaShapes } from '../../../../src/model/presets/shapes.js';
import { byteLm, mlp } from '../../../../src/model/presets/small.js';
import { InvalidConfig, NotEmulated } from '../../../../src/util/errors.js';

const seed = 20240711;
const sameGraph = (a: Model, b: Model): void => assert.deepEqual({ ...a, name: '' }, { ...b, name: '' });

/** As published with the weights of GPT-2 124M. */
const gpt2: JsonObject = {
  activation_function: 'gelu_new', architectures: ['GPT2LMHeadModel'], attn_pdrop: 0.1, bos_token_id: 50_256, embd_pdrop: 0.1, eos_token_id: 50_256, initializer_range: 0.02,
  layer_norm_epsilon: 1e-5, model_type: 'gpt2', n_ctx: 1024, n_embd: 768, n_head: 12, n_layer: 12, n_positions: 1024, resid_pdrop: 0.1, summary_activation: null,
  summary_first_dropout: 0.1, summary_proj_to_labels: true, summary_type: 'cls_index', summary_use_proj: true, task_specific_params: { 'text-generation': { do_sample: true, max_length: 50 } }, vocab_size: 50_257,
};
/** As published with the weights of Llama 3.1 8B. */
const llama31: JsonObject = {
  architectures: ['LlamaForCausalLM'], attention_bias: false, attention_dropout: 0.0, bos_token_id: 128_000, eos_token_id: [128_001, 128_008, 128_009], hidden_act: 'silu', hidden_size: 4096,
  initializer_range: 0.02, intermediate_size: 14_336, max_position_embeddings: 131_072, mlp_bias: false, model_type: 'llama', num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 8,
  pretraining_tp: 1, rms_norm_eps: 1e-5, rope_scaling: { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_max_position_embeddings: 8192, rope_type: 'llama3' },
  rope_theta: 500_000.0, tie_word_embeddings: false, torch_dtype: 'bfloat16', transformers_version: '4.42.3', use_cache: true, vocab_size: 128_256,
};
/** As published with the weights of Llama 2 7B. */
const llama2: JsonObject = {
  _name_or_path: 'llama', architectures: ['LlamaForCausalLM'], bos_token_id: 1, eos_token_id: 2, hidden_act: 'silu', hidden_size: 4096, initializer_range: 0.02, intermediate_size: 11_008,
  max_position_embeddings: 4096, model_type: 'llama', num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 32, pretraining_tp: 1, rms_norm_eps: 1e-5, rope_scaling: null,
  tie_word_embeddings: false, torch_dtype: 'float16', transformers_version: '4.31.0.dev0', use_cache: true, vocab_size: 32_000,
};
const mistral: JsonObject = {
  architectures: ['MistralForCausalLM'], attention_dropout: 0.0, bos_token_id: 1, eos_token_id: 2, hidden_act: 'silu', hidden_size: 4096, initializer_range: 0.02, intermediate_size: 14_336,
  max_position_embeddings: 32_768, model_type: 'mistral', num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 8, rms_norm_eps: 1e-5, rope_theta: 1e6, sliding_window: null,
  tie_word_embeddings: false, torch_dtype: 'bfloat16', transformers_version: '4.42.0', use_cache: true, vocab_size: 32_768,
};

test('published configs give the published shapes', () => {
  const read = modelOfConfig(gpt2, { dropout: 'off' });
  assert.equal(read.family, 'gpt');
  assert.deepEqual(read.ignored, []);
  sameGraph(read.model, gpt(gptShape('gpt2')));
  assert.equal(read.model.parameterCount, 124_439_808);
  sameGraph(modelOfConfig(llama31).model, llama(llamaShape('llama3.1-8b')));
  sameGraph(modelOfConfig(llama2).model, llama(llamaShape('llama2-7b')));
  assert.equal(modelOfConfig(llama2).model.parameterCount, 6_738_415_616);
  const { family, options } = modelOfConfig(mistral);
  assert.equal(family, 'llama');
  assert.deepEqual({ ...options }, { layers: 32, heads: 32, kvHeads: 8, dim: 4096, hidden: 14_336, context: 32_768, vocabulary: 32_768, headSize: 128, theta: 1e6, tied: false, epsilon: 1e-5, initStd: 0.02, name: 'mistral' });
});

test('every shape of the presets comes back from its config', () => {
  const models = [...Object.keys(gptShapes).map((name) => gpt(gptShape(name))), ...Object.keys(llamaShapes).map((name) => llama(llamaShape(name)))];
  assert.ok(models.length > 30);
  for (const made of models) {
    const config: unknown = JSON.parse(JSON.stringify(configOfModel(made)));
    const back = modelOfConfig(config as JsonObject);
    assert.deepEqual(back.ignored, []);
    sameGraph(back.model, made);
  }
});

test('any GPT and any Llama comes back from its config', () => {
  const size = fc.integer({ min: 1, max: 4 }), common = { layers: fc.integer({ min: 1, max: 3 }), context: fc.integer({ min: 2, max: 9 }), vocabulary: fc.integer({ min: 2, max: 50 }), tied: fc.boolean(), epsilon: fc.constantFrom(1e-5, 1e-6), initStd: fc.constantFrom(0.02, 0.1) };
  const anyGpt = fc.record({ ...common, heads: size, width: size, hidden: fc.integer({ min: 1, max: 30 }), dropout: fc.constantFrom(0, 0.1), activation: fc.constantFrom('tanh', 'erf') }).map(({ width, ...o }) => gpt({ ...o, dim: o.heads * width }));
  const scaling = fc.constantFrom(null, { kind: 'linear', factor: 2.5 } as const, { kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64 } as const);
  const anyLlama = fc.record({ ...common, kvHeads: size, group: size, half: size, dim: fc.integer({ min: 1, max: 30 }), hidden: fc.integer({ min: 1, max: 30 }), theta: fc.constantFrom(100, 10_000), scaling })
    .map(({ group, half, scaling: scaled, ...o }) => llama({ ...o, heads: o.kvHeads * group, headSize: 2 * half, ...(scaled === null ? {} : { scaling: scaled }) }));
  fc.assert(fc.property(fc.oneof(anyGpt, anyLlama), (made) => sameGraph(modelOfConfig(configOfModel(made)).model, made)), { seed, numRuns: 200 });
});

test('graphs of no family have no config', () => {
  const shape = { heads: 2, kvHeads: 2, headSize: 4 };
  const noBias = model({ input: sequence({ vocabulary: 9, context: 4 }), layers: [embedding({ name: 'wte', dim: 8 }), block([residual([layerNorm(), linear(24, { bias: false }), attention(shape), linear(8)])]), linear(9)] });
  const { layers, ...rest } = gpt({ layers: 1, heads: 2, dim: 8, context: 4, vocabulary: 9 });
  const bent: Model = { ...rest, layers: layers.map((layer) => (layer.kind === 'norm' && layer.name === 'ln_f' ? { ...layer, epsilon: 1e-3 } : layer)) };
  const rms = model({ input: sequence({ vocabulary: 9, context: 4 }), layers: [embedding({ dim: 8 }), block([residual([rmsNorm(), linear(24), attention(shape), linear(8), gelu()])]), linear(9)] });
  for (const other of [mlp([4, 3]), byteLm(), noBias, bent, rms]) assert.throws(() => configOfModel(other), NotEmulated);
});

const without = (config: JsonObject, field: string): JsonObject => Object.fromEntries(Object.entries(config).filter(([name]) => name !== field));
const small = { ...gpt2, n_embd: 32, n_head: 2, n_layer: 2, n_positions: 16, n_ctx: 16, vocab_size: 40, attn_pdrop: 0, embd_pdrop: 0, resid_pdrop: 0 };
const smallLlama = { ...llama2, hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: 2, intermediate_size: 48, vocab_size: 40, max_position_embeddings: 16 };
const smallMistral = { ...mistral, hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: 2, intermediate_size: 48, vocab_size: 40, max_position_embeddings: 16 };

test('fields that compute are honoured', () => {
  const layer = (config: JsonObject, kind: string, options: ConfigOptions = {}): JsonObject => modelOfConfig(config, options).model.layers.find((one) => one.kind === kind) as unknown as JsonObject;
  assert.equal(layer({ ...small, activation_function: 'gelu' }, 'gelu')['approximation'], 'erf');
  assert.equal(layer({ ...small, activation_function: 'gelu_pytorch_tanh' }, 'gelu')['approximation'], 'tanh');
  assert.equal(layer({ ...small, n_inner: 50 }, 'gelu')['features'], 50);
  assert.equal(layer({ ...small, n_inner: null }, 'gelu')['features'], 128);
  assert.equal(layer({ ...small, layer_norm_epsilon: 1e-3 }, 'norm')['epsilon'], 1e-3);
  assert.equal(layer({ ...small, embd_pdrop: 0.2, resid_pdrop: 0.2 }, 'dropout')['rate'], 0.2);
  assert.equal(layer(gpt2, 'dropout', { dropout: 'off' }), undefined);
  assert.equal(modelOfConfig({ ...without(small, 'n_ctx'), n_positions: 64 }).model.tokensPerSample, 64);
  assert.equal(modelOfConfig(small, { context: 5 }).model.tokensPerSample, 5);
  assert.deepEqual(modelOfConfig({ ...small, tie_word_embeddings: false }).model.parameters.at(-1)?.name, 'lm_head.weight');
  assert.equal(modelOfConfig({ ...small, initializer_range: 0.5 }).options.initStd, 0.5);
  assert.equal(layer({ ...smallLlama, rms_norm_eps: 1e-3 }, 'norm')['epsilon'], 1e-3);
  assert.equal(layer({ ...smallLlama, head_dim: 6 }, 'attention')['headSize'], 6);
  assert.equal(layer({ ...smallLlama, num_key_value_heads: null }, 'attention')['kvHeads'], 4);
  assert.equal(layer({ ...smallLlama, rope_theta: 77 }, 'rotary')['theta'], 77);
  assert.equal(layer({ ...smallLlama, rope_parameters: { rope_type: 'default', rope_theta: 77 } }, 'rotary')['theta'], 77);
  const linear2 = { kind: 'linear', factor: 2 };
  assert.deepEqual(layer({ ...smallLlama, rope_scaling: { type: 'linear', factor: 2 } }, 'rotary')['scaling'], linear2);
  assert.deepEqual(layer({ ...smallLlama, rope_scaling: { type: 'linear', rope_type: 'linear', factor: 2 } }, 'rotary')['scaling'], linear2);
  assert.deepEqual(layer({ ...smallLlama, rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 9 } }, 'rotary'), { ...layer({ ...smallLlama, rope_scaling: { rope_type: 'linear', factor: 2 }, rope_theta: 9 }, 'rotary') });
  assert.equal(layer({ ...smallLlama, rope_scaling: { rope_type: 'default' } }, 'rotary')['scaling'], null);
  assert.equal(modelOfConfig({ ...smallLlama, tie_word_embeddings: true }).model.parameters.at(-1)?.name, 'model.norm.weight');
  assert.equal(modelOfConfig({ ...smallMistral, sliding_window: 16 }).model.tokensPerSample, 16);
  assert.equal(modelOfConfig({ ...smallMistral, sliding_window: 8 }, { context: 8 }).model.tokensPerSample, 8);
  assert.deepEqual(layer({ model_type: 'gpt2', embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 }, 'attention'), layer({ ...gpt2, attn_pdrop: 0, embd_pdrop: 0, resid_pdrop: 0 }, 'attention'));
});

test('what is not emulated, or makes no sense, is refused by the name of its field', () => {
  const unsaid = without(smallMistral, 'sliding_window'), noRate = without(small, 'attn_pdrop');
  const l3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
  const cases: readonly (readonly [field: string, config: JsonObject, kind: typeof InvalidConfig | typeof NotEmulated, options?: ConfigOptions])[] = [
    ['model_type', { ...small, model_type: 'bert' }, NotEmulated], ['model_type', { n_embd: 8 }, NotEmulated],
    ...['relu', 'silu', 'gelu_fast', 'quick_gelu', 7, null].map((value) => ['activation_function', { ...small, activation_function: value }, NotEmulated] as const),
    ['scale_attn_weights', { ...small, scale_attn_weights: false }, NotEmulated], ['scale_attn_weights', { ...small, scale_attn_weights: null }, NotEmulated],
    ['scale_attn_by_inverse_layer_idx', { ...small, scale_attn_by_inverse_layer_idx: true }, NotEmulated], ['reorder_and_upcast_attn', { ...small, reorder_and_upcast_attn: true }, NotEmulated],
    ['attn_pdrop', { ...small, attn_pdrop: 0.1 }, NotEmulated], ['attn_pdrop', noRate, NotEmulated], ['resid_pdrop', { ...small, resid_pdrop: 0.1 }, NotEmulated],
    ['resid_pdrop', { ...small, resid_pdrop: 1 }, InvalidConfig], ['embd_pdrop', { ...small, embd_pdrop: '0.1' }, InvalidConfig],
    ['n_embd', { ...small, n_embd: 33 }, InvalidConfig], ['n_layer', { ...small, n_layer: 0 }, InvalidConfig], ['n_layer', { ...small, n_layer: '12' }, InvalidConfig], ['n_layer', { ...small, n_layer: 1e9 }, InvalidConfig],
    ['n_head', { ...small, n_head: 1.5 }, InvalidConfig], ['n_ctx', { ...small, n_ctx: 8 }, InvalidConfig], ['vocab_size', { ...small, vocab_size: null }, InvalidConfig], ['n_inner', { ...small, n_inner: -1 }, InvalidConfig],
    ['layer_norm_epsilon', { ...small, layer_norm_epsilon: 0 }, InvalidConfig], ['initializer_range', { ...small, initializer_range: 'small' }, InvalidConfig], ['tie_word_embeddings', { ...small, tie_word_embeddings: 1 }, InvalidConfig],
    ['add_cross_attention', { ...small, add_cross_attention: true }, NotEmulated], ['is_encoder_decoder', { ...small, is_encoder_decoder: true }, NotEmulated], ['pruned_heads', { ...small, pruned_heads: { 0: [1] } }, NotEmulated],
    ['quantization_config', { ...small, quantization_config: { bits: 4 } }, NotEmulated], ['auto_map', { ...small, auto_map: { AutoModel: 'x.py' } }, NotEmulated], ['hidden_size', { ...small, hidden_size: 64 }, NotEmulated],
    ['n_positions', small, InvalidConfig, { context: 17 }], ['n_positions', small, InvalidConfig, { context: 1 }],
    ['hidden_act', { ...smallLlama, hidden_act: 'gelu' }, NotEmulated], ['attention_bias', { ...smallLlama, attention_bias: true }, NotEmulated], ['mlp_bias', { ...smallLlama, mlp_bias: true }, NotEmulated],
    ['attention_dropout', { ...smallLlama, attention_dropout: 0.1 }, NotEmulated], ['num_key_value_heads', { ...smallLlama, num_key_value_heads: 3 }, InvalidConfig], ['head_dim', { ...smallLlama, head_dim: 5 }, InvalidConfig],
    ['hidden_size', { ...smallLlama, hidden_size: 34 }, InvalidConfig], ['hidden_size', { ...smallLlama, hidden_size: 12 }, InvalidConfig], ['rms_norm_eps', { ...smallLlama, rms_norm_eps: -1 }, InvalidConfig],
    ['rope_theta', { ...smallLlama, rope_theta: 1 }, InvalidConfig], ['rope_theta', { ...smallLlama, rope_theta: 5, rope_parameters: { rope_theta: 6, rope_type: 'default' } }, InvalidConfig],
    ['rope_scaling', { ...smallLlama, rope_scaling: 'linear' }, InvalidConfig], ['rope_type', { ...smallLlama, rope_scaling: { rope_type: 'yarn', factor: 2 } }, NotEmulated], ['type', { ...smallLlama, rope_scaling: { type: 'dynamic', factor: 2 } }, NotEmulated],
    ['factor', { ...smallLlama, rope_scaling: { type: 'linear' } }, InvalidConfig], ['factor', { ...smallLlama, rope_scaling: { type: 'linear', factor: 0 } }, InvalidConfig], ['type', { ...smallLlama, rope_scaling: { type: 'linear', rope_type: 'llama3', factor: 2 } }, InvalidConfig],
    ['low_freq_factor', { ...smallLlama, rope_scaling: { ...l3, low_freq_factor: null } }, InvalidConfig], ['high_freq_factor', { ...smallLlama, rope_scaling: { ...l3, high_freq_factor: 1 } }, InvalidConfig],
    ['original_max_position_embeddings', { ...smallLlama, rope_scaling: { ...l3, original_max_position_embeddings: 0.5 } }, InvalidConfig], ['attention_factor', { ...smallLlama, rope_scaling: { ...l3, attention_factor: 2 } }, NotEmulated],
    ['partial_rotary_factor', { ...smallLlama, partial_rotary_factor: 0.5 }, NotEmulated], ['partial_rotary_factor', { ...smallLlama, rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }, NotEmulated],
    ['rope_parameters', { ...smallLlama, rope_scaling: l3, rope_parameters: { type: 'linear', factor: 8 } }, InvalidConfig],
    ['sliding_window', { ...smallLlama, sliding_window: 8 }, NotEmulated], ['sliding_window', { ...smallMistral, sliding_window: 8 }, NotEmulated], ['sliding_window', { ...unsaid, max_position_embeddings: 8192 }, NotEmulated],
    ['logits_scaling', { ...smallLlama, logits_scaling: 8 }, NotEmulated], ['max_position_embeddings', smallLlama, InvalidConfig, { context: 99 }],
  ];
  for (const [field, config, kind, options] of cases) {
    assert.throws(() => modelOfConfig(config, options, 'some/config.json'), (error: unknown) => error instanceof kind && new RegExp(`\\b${field}\\b`).test(error.message) && error.message.startsWith('some/config.json'), `${field} of ${JSON.stringify(config)}`);
  }
});

test('an unknown field passes only where it is switched off', () => {
  const known = new Set([...Object.keys(small), ...Object.keys(configOfModel(modelOfConfig(small).model))]);
  const name = fc.stringMatching(/^[a-z]{3,8}_scale$/).filter((text) => !known.has(text));
  fc.assert(fc.property(name, fc.constantFrom(null, false, 0), fc.oneof(fc.constant(true), fc.integer({ min: 1 }), fc.double({ min: 0.1, noNaN: true }), fc.string(), fc.array(fc.nat()), fc.dictionary(fc.string(), fc.nat())), (field, off, on) => {
    assert.deepEqual(modelOfConfig({ ...small, [field]: off }).ignored, [field]);
    assert.throws(() => modelOfConfig({ ...small, [field]: on }), (error: unknown) => error instanceof NotEmulated && error.message.includes(field));
  }), { seed, numRuns: 100 });
});
