/**
 * Checkpoints: both families go to files with Hugging Face's names and back to the bit, any other model with its own; what does not fit the model is refused by the tensor's name.
 *
 * That names and layouts are the right ones is judged by PyTorch: its files of test/golden are read, and written again tensor for tensor.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { readCheckpoint as readBoth, writeCheckpoint } from '../../../../src/formats/hugging-face/checkpoint.js';
import { readModelConfig } from '../../../../src/formats/hugging-face/config.js';
import { openSafetensors } from '../../../../src/formats/safetensors/open.js';
import { writeSafetensors, type TensorToWrite } from '../../../../src/formats/safetensors/write.js';
import { model } from '../../../../src/model/build.js';
import type { Model } from '../../../../src/model/graph.js';
import { attention, embedding, linear, residual, sequence } from '../../../../src/model/layers.js';
import { gpt } from '../../../../src/model/presets/gpt.js';
import { llama } from '../../../../src/model/presets/llama.js';
import { mlp } from '../../../../src/model/presets/small.js';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../../../src/tensor/half.js';
import type { NamedTensor } from '../../../../src/tensor/named.js';
import { CorruptFile, InvalidConfig, NotEmulated } from '../../../../src/util/errors.js';
import { purposes, randomUnit, randomWord } from '../../../../src/util/prng.js';
import { projectRoot } from '../../../support/golden.js';

const seed = 19_620_301;
let folder = '', count = 0;
before(async () => { folder = await mkdtemp(join(tmpdir(), 'waferstream-checkpoint-')); });
after(() => rm(folder, { recursive: true, force: true }));
/** The weights of a checkpoint that has no masks. */
const readCheckpoint = async (net: Model, path: string): Promise<readonly NamedTensor[]> => {
  const { weights, masks } = await readBoth(net, path);
  assert.deepEqual(masks, []);
  return weights;
};
const place = (): string => join(folder, String(count++));

/** Any bits, among them NaNs with payloads. */
const anyBits = (net: Model): NamedTensor[] =>
  net.parameters.map(({ name, shape, size, index }) => ({ name, shape, data: new Float32Array(Uint32Array.from({ length: size }, (_, i) => randomWord(seed, purposes.testData, i, 0, index)).buffer) }));
const numbers = (net: Model): NamedTensor[] => net.parameters.map(({ name, shape, size, index }) => ({ name, shape, data: Float32Array.from({ length: size }, (_, i) => randomUnit(seed, purposes.testData, i, 1, index) - 0.5) }));
const bits = (tensors: readonly NamedTensor[]): unknown => tensors.map(({ name, shape, data }) => [name, shape, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')]);

const tinyGpt = gpt({ layers: 2, heads: 2, dim: 8, context: 6, vocabulary: 11, hidden: 12 });
const tinyLlama = llama({ layers: 2, heads: 4, kvHeads: 2, headSize: 6, dim: 10, hidden: 7, context: 6, vocabulary: 11 });
const tiedLlama = llama({ layers: 1, heads: 2, dim: 8, hidden: 5, context: 6, vocabulary: 11, tied: true });
const looseGpt = gpt({ layers: 1, heads: 1, dim: 6, context: 4, vocabulary: 9, tied: false, activation: 'erf', dropout: 0.1 });
/** Of no family, although its names are like one's. */
const other = model({ input: sequence({ vocabulary: 9, context: 4 }), layers: [embedding({ name: 'wte', dim: 8 }), residual([linear(24, { name: 'h.0.attn.c_attn' }), attention({ heads: 2, kvHeads: 2, headSize: 4 })]), linear(9, { name: 'lm_head', tied: true })] });
const models = { tinyGpt, tinyLlama, tiedLlama, looseGpt, other, mlp: mlp([5, 4, 3]) };

for (const [name, net] of Object.entries(models)) {
  test(`${name}: out and back, to the bit`, async () => {
    const at = place(), weights = anyBits(net), family = name !== 'other' && name !== 'mlp';
    const written = await writeCheckpoint(net, weights, at);
    assert.equal(written.config, family ? join(at, 'config.json') : null);
    assert.equal(written.bytes, net.parameterCount * 4);
    assert.deepEqual(bits(await readCheckpoint(net, at)), bits(weights));
    assert.deepEqual(bits(weights), bits(anyBits(net)), 'the weights given were not touched');
    if (family) assert.deepEqual({ ...(await readModelConfig(at)).model, name: '' }, { ...net, name: '' });
  });

  for (const [dtype, narrow, widen] of [['F16', f32ToF16, f16ToF32], ['BF16', f32ToBf16, bf16ToF32]] as const) {
    test(`${name}: as ${dtype} each value is rounded once`, async () => {
      const at = place(), again = place(), weights = numbers(net);
      await writeCheckpoint(net, weights, at, { dtype });
      const back = await readCheckpoint(net, at);
      assert.deepEqual(bits(back), bits(weights.map((tensor) => {
        const half = new Uint16Array(tensor.data.length), data = new Float32Array(tensor.data.length);
        narrow(tensor.data, half);
        widen(half, data);
        return { ...tensor, data };
      })));
      await writeCheckpoint(net, back, again, { dtype });
      assert.ok((await readFile(join(at, 'model.safetensors'))).equals(await readFile(join(again, 'model.safetensors'))));
    });
  }
}

test('any Llama: parts side by side come back, whatever their widths', async () => {
  const size = fc.integer({ min: 1, max: 5 });
  await fc.assert(fc.asyncProperty(fc.record({ layers: fc.integer({ min: 1, max: 2 }), kvHeads: size, group: size, half: size, dim: fc.integer({ min: 1, max: 40 }), hidden: fc.integer({ min: 1, max: 40 }), tied: fc.boolean() }), async ({ group, half, ...o }) => {
    const net = llama({ ...o, heads: group * o.kvHeads, headSize: 2 * half, context: 4, vocabulary: 7 }), at = place();
    await writeCheckpoint(net, anyBits(net), at);
    assert.deepEqual(bits(await readCheckpoint(net, at)), bits(anyBits(net)));
  }), { seed, numRuns: 25 });
});

test('a matrix larger than a piece is turned strip by strip', async () => {
  const net = llama({ layers: 1, heads: 2, dim: 2500, headSize: 2, hidden: 1100, context: 2, vocabulary: 3 }), at = place();
  assert.ok(2500 * 1100 > 2 * (1 << 20));
  await writeCheckpoint(net, anyBits(net), at);
  const back = await readCheckpoint(net, at);
  for (const [i, { data }] of anyBits(net).entries()) assert.ok(Buffer.from(data.buffer).equals(Buffer.from(back[i]?.data.buffer ?? new ArrayBuffer(0))), net.parameters[i]?.name);
});

interface Raw extends TensorToWrite {
  readonly data: Float32Array;
}
const rawTensors = async (path: string): Promise<Map<string, Raw>> => {
  await using file = await openSafetensors(path);
  const all = new Map<string, Raw>();
  for (const { name, shape, elements } of file.tensors.values()) {
    const data = new Float32Array(elements);
    await file.read(name, data);
    all.set(name, { name, shape, data });
  }
  return all;
};

for (const family of ['gpt2', 'llama'] as const) {
  test(`${family}: PyTorch's file is written again tensor for tensor`, async () => {
    const source = join(projectRoot(), 'test', 'golden', family), at = place();
    const { model: net } = await readModelConfig(source);
    await writeCheckpoint(net, await readCheckpoint(net, source), at);
    assert.deepEqual(await rawTensors(at), await rawTensors(source));
    // Order, padding and metadata are the same, too.
    assert.ok((await readFile(join(at, 'model.safetensors'))).equals(await readFile(join(source, 'model.safetensors'))), 'byte for byte');
  });
}

/** The tensors of a checkpoint written here, changed and written again by hand. */
const changed = async (net: Model, change: (tensors: Map<string, Raw>) => void): Promise<string> => {
  const at = place();
  await writeCheckpoint(net, numbers(net), at);
  const tensors = await rawTensors(at), path = `${at}.safetensors`;
  change(tensors);
  await writeSafetensors(path, tensors.values());
  return path;
};
const put = (tensors: Map<string, Raw>, name: string, shape: readonly number[], data?: Float32Array): void => {
  tensors.set(name, { name, shape, data: data ?? new Float32Array(shape.reduce((a, b) => a * b, 1)) });
};
const renamed = (rename: (name: string) => string) => (tensors: Map<string, Raw>): void => {
  const all = [...tensors.values()];
  tensors.clear();
  for (const tensor of all) put(tensors, rename(tensor.name), tensor.shape, tensor.data);
};

test('files without a prefix, with buffers of attention, or with a repeated table are read', async () => {
  const same = async (net: Model, change: (tensors: Map<string, Raw>) => void): Promise<void> => assert.deepEqual(bits(await readCheckpoint(net, await changed(net, change))), bits(numbers(net)));
  await same(tinyGpt, renamed((name) => name.replace('transformer.', '')));
  await same(tiedLlama, renamed((name) => name.replace('model.', '')));
  await same(tinyGpt, (tensors) => {
    put(tensors, 'transformer.h.0.attn.bias', [1, 1, 6, 6]);
    put(tensors, 'transformer.h.1.attn.masked_bias', []);
  });
  await same(tinyLlama, (tensors) => put(tensors, 'model.layers.0.self_attn.rotary_emb.inv_freq', [3]));
  await same(tinyGpt, (tensors) => put(tensors, 'lm_head.weight', [11, 8], tensors.get('transformer.wte.weight')?.data));
  await same(tiedLlama, (tensors) => put(tensors, 'lm_head.weight', [11, 8], tensors.get('model.embed_tokens.weight')?.data));
});

test('a table of positions longer than the context gives its first rows, and is written short', async () => {
  const at = place(), shortPlace = place(), { wpe, ...short } = { wpe: 'wpe.weight', layers: 2, heads: 2, dim: 8, context: 4, vocabulary: 11, hidden: 12 };
  await writeCheckpoint(tinyGpt, numbers(tinyGpt), at);
  const { model: net } = await readModelConfig(at, { context: 4 });
  assert.deepEqual({ ...net, name: '' }, { ...gpt(short), name: '' });
  const read = await readCheckpoint(net, at);
  assert.deepEqual(bits(read), bits(numbers(tinyGpt).map((tensor) => (tensor.name === wpe ? { ...tensor, shape: [4, 8], data: tensor.data.slice(0, 32) } : tensor))));
  await writeCheckpoint(net, read, shortPlace);
  assert.equal((await readModelConfig(shortPlace)).model.tokensPerSample, 4);
  assert.deepEqual(bits(await readCheckpoint(net, shortPlace)), bits(read));
  await assert.rejects(readCheckpoint(tinyGpt, shortPlace), (error: unknown) => error instanceof CorruptFile && /wpe\.weight/.test(error.message));
});

test('what does not fit the model is refused by the tensor and its shape', async () => {
  const cases: readonly (readonly [what: RegExp, net: Model, change: (tensors: Map<string, Raw>) => void])[] = [
    [/"transformer\.h\.1\.ln_2\.bias" is missing.*\[8\]/, tinyGpt, (tensors) => void tensors.delete('transformer.h.1.ln_2.bias')],
    [/"model\.layers\.1\.self_attn\.v_proj\.weight" is missing.*\[12,10\]/, tinyLlama, (tensors) => void tensors.delete('model.layers.1.self_attn.v_proj.weight')],
    [/"lm_head\.weight" is missing.*\[9,6\]/, looseGpt, (tensors) => void tensors.delete('lm_head.weight')],
    [/"transformer\.h\.0\.mlp\.c_fc\.weight" has another shape.*\[12,8\].*\[8,12\]/, tinyGpt, (tensors) => put(tensors, 'transformer.h.0.mlp.c_fc.weight', [12, 8])],
    [/"model\.layers\.0\.mlp\.down_proj\.weight" has another shape.*\[10,7\]/, tinyLlama, (tensors) => put(tensors, 'model.layers.0.mlp.down_proj.weight', [7, 10])],
    [/"transformer\.wte\.weight" has another shape.*\[11,8\]/, tinyGpt, (tensors) => put(tensors, 'transformer.wte.weight', [12, 8])],
    [/"transformer\.wpe\.weight" has another shape.*\[6,8\]/, tinyGpt, (tensors) => put(tensors, 'transformer.wpe.weight', [7, 9])],
    [/"transformer\.h\.2\.ln_1\.weight" is none of the model's/, tinyGpt, (tensors) => put(tensors, 'transformer.h.2.ln_1.weight', [8])],
    [/"model\.layers\.0\.self_attn\.q_proj\.bias" is none of the model's/, tinyLlama, (tensors) => put(tensors, 'model.layers.0.self_attn.q_proj.bias', [24])],
    [/"wte\.weight" is none of the model's/, tinyGpt, (tensors) => put(tensors, 'wte.weight', [11, 8])],
    [/"lm_head\.weight" is tied to wte\.weight and differs from it at 87/, tinyGpt, (tensors) => {
      const data = Float32Array.from(tensors.get('transformer.wte.weight')?.data ?? []);
      data[87] = -(data[87] ?? 0);
      put(tensors, 'lm_head.weight', [11, 8], data);
    }],
    [/"lm_head\.weight" has another shape.*\[11,8\]/, tinyGpt, (tensors) => put(tensors, 'lm_head.weight', [8, 11])],
  ];
  for (const [what, net, change] of cases) {
    const path = await changed(net, change);
    await assert.rejects(readCheckpoint(net, path), (error: unknown) => error instanceof CorruptFile && what.test(error.message) && error.message.startsWith(path), String(what));
  }
  const at = place();
  await writeCheckpoint(tinyGpt, numbers(tinyGpt), at);
  await assert.rejects(readCheckpoint(tinyLlama, at), CorruptFile);
  await assert.rejects(readCheckpoint(mlp([5, 4, 3]), at), CorruptFile);
});

test('several files with their index', async () => {
  const at = place(), weights = anyBits(tinyLlama);
  const written = await writeCheckpoint(tinyLlama, weights, at, { shardBytesMax: 2000 });
  assert.ok(written.files.length > 3 && written.path.endsWith('model.safetensors.index.json'));
  assert.deepEqual(bits(await readCheckpoint(tinyLlama, at)), bits(weights));
  await assert.rejects(writeCheckpoint(tinyLlama, weights, at), (error: unknown) => error instanceof InvalidConfig && /index\.json/.test(error.message));
  const whole = place();
  await writeCheckpoint(tinyLlama, weights, whole);
  await assert.rejects(writeCheckpoint(tinyLlama, weights, whole, { shardBytesMax: 2000 }), InvalidConfig);
});

test('config.json: what may be added, and what not', async () => {
  const at = place(), weights = numbers(tinyGpt);
  const configAt = async (): Promise<Record<string, unknown>> => JSON.parse(await readFile(join(at, 'config.json'), 'utf8')) as Record<string, unknown>;
  await writeCheckpoint(tinyGpt, weights, at, { config: { eos_token_id: 10 }, dtype: 'BF16' });
  const config = await configAt();
  assert.deepEqual([config['model_type'], config['eos_token_id'], config['torch_dtype'], config['n_inner']], ['gpt2', 10, 'bfloat16', 12]);
  await writeFile(join(at, 'config.json'), '{}');
  await writeCheckpoint(tinyGpt, weights, at, { config: false });
  assert.deepEqual(await configAt(), {});
  for (const field of ['n_layer', 'model_type', 'my_field']) await assert.rejects(writeCheckpoint(tinyGpt, weights, at, { config: { [field]: 3 } }), (error: unknown) => error instanceof InvalidConfig && error.message.includes(field));
  await assert.rejects(writeCheckpoint(tinyGpt, weights, `${at}.safetensors`, { config: true }), InvalidConfig);
  await assert.rejects(writeCheckpoint(other, numbers(other), place(), { config: true }), NotEmulated);
  await assert.rejects(writeCheckpoint(tinyGpt, weights.slice(1), at), InvalidConfig);
  await assert.rejects(writeCheckpoint(tinyGpt, weights.map((tensor) => ({ ...tensor, name: 'x' })), at), InvalidConfig);
  await assert.rejects(readModelConfig(join(at, 'absent')), CorruptFile);
  await assert.rejects(readModelConfig(join(at, 'model.safetensors')), CorruptFile);
});
