/** Damaged sparse checkpoints: whatever is done to a file, it reads to what was written or is refused with a typed error that names file, tensor and fault; files of two savings never read as one. */
import assert from 'node:assert/strict';
import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { readCheckpoint, writeCheckpoint } from '../../../src/formats/hugging-face/checkpoint.js';
import { inspectCheckpoint } from '../../../src/formats/inspect.js';
import { mlp } from '../../../src/model/presets/small.js';
import { CorruptFile, InvalidConfig } from '../../../src/util/errors.js';
import { fileOf, naiveRead } from './safetensors/bytes.js';
import { bitsOf, masksOf, sparseModels, sparseWeights } from './sparse-cases.js';

let root = '', count = 0;
before(async () => { root = await mkdtemp(join(tmpdir(), 'waferstream-sparse-damage-')); });
after(() => rm(root, { recursive: true, force: true }));
const place = (): string => join(root, String(count++));

const net = mlp([5, 7, 3]), masks = masksOf(net, (i) => (i === 0 ? 0.4 : 0.7)), weights = sparseWeights(net, masks);
const [first = assert.fail('no mask'), second = assert.fail('one mask')] = masks;
const stored = first.mask.filter((one) => one === 1).length;

const isTyped = (error: unknown): error is Error => (error instanceof CorruptFile || error instanceof InvalidConfig) && !error.message.includes('\n') && error.message.includes(root) && error.message.length < 1200;

interface Described {
  dtype: string;
  shape: number[];
  data: Uint8Array;
}
interface Content {
  metadata: Record<string, string>;
  tensors: Map<string, Described>;
}
/** Takes a file apart and puts it together again with a change. */
const rewritten = async (path: string, change: (content: Content) => void): Promise<void> => {
  const bytes = await readFile(path), length = Number(bytes.readBigUInt64LE());
  const { __metadata__: metadata = {} } = JSON.parse(bytes.subarray(8, 8 + length).toString()) as { __metadata__?: Record<string, string> };
  const content: Content = { metadata, tensors: new Map([...(naiveRead(bytes) ?? [])].map(([name, { dtype, shape, data }]) => [name, { dtype, shape: [...shape], data: Uint8Array.from(data) }])) };
  change(content);
  let at = 0;
  const header = Object.fromEntries([...content.tensors].map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data_offsets: [at, (at += data.length)] }]));
  await writeFile(path, fileOf(JSON.stringify({ __metadata__: content.metadata, ...header }), Buffer.concat([...content.tensors.values()].map(({ data }) => data))));
};

const saved = async (layout: 'dense' | 'compact'): Promise<{ readonly path: string; readonly maskPath: string }> => {
  const at = place();
  await writeCheckpoint(net, weights, `${at}.safetensors`, { masks, layout });
  return { path: `${at}.safetensors`, maskPath: `${at}.sparsity.safetensors` };
};
const refused = async (path: string, words: RegExp, inspects = true): Promise<void> => {
  for (const read of [() => readCheckpoint(net, path), ...(inspects ? [() => inspectCheckpoint(path)] : [])]) {
    await assert.rejects(read, (error: unknown) => {
      assert.ok(error instanceof CorruptFile && isTyped(error), String(error));
      assert.match(error.message, words);
      return true;
    });
  }
};
const at = (content: Content, name: string): Described => content.tensors.get(name) ?? assert.fail(`no ${name}`);

test('taken apart and put together again, both files read as before', async () => {
  for (const layout of ['dense', 'compact'] as const) {
    const { path, maskPath } = await saved(layout);
    await rewritten(path, () => {});
    if (layout === 'dense') await rewritten(maskPath, () => {});
    const back = await readCheckpoint(net, path);
    assert.deepEqual([bitsOf(back.weights), back.masks], [bitsOf(weights), masks]);
  }
});

describe('masks beside the weights', () => {
  const cases: readonly (readonly [RegExp, (content: Content) => void])[] = [
    [/mask of 'linear0\.weight': a bitmap of another length \(got 'U8 \[4\]', limit 'U8 \[5\] for 5 × 7 positions'\)/, (c) => c.tensors.set(first.name, { dtype: 'U8', shape: [4], data: at(c, first.name).data.subarray(0, 4) })],
    [/a bitmap of another length \(got 'BOOL \[5\]'/, (c) => void (at(c, first.name).dtype = 'BOOL')],
    [/a bitmap of another length \(got 'U8 \[5, 1\]'/, (c) => void (at(c, first.name).shape = [5, 1])],
    [/mask of 'linear0\.weight': bits beyond its last position \(got \d+, limit 7\)/, (c) => void (at(c, first.name).data[4] = 8)],
    [/mask of 'linear1\.weight': missing/, (c) => void c.tensors.delete(second.name)],
    [/mask of 'more': not named in the metadata/, (c) => void c.tensors.set('more', { dtype: 'U8', shape: [1], data: Uint8Array.of(1) })],
    [/their digest differs/, (c) => void (at(c, first.name).data[0] = (at(c, first.name).data[0] ?? 0) ^ 4)],
    [/their digest differs/, (c) => void (c.metadata['digest'] = '0123456789abcdef')],
    [/not a file of masks \(got 'pt', limit 'waferstream-masks'\)/, (c) => void (c.metadata['format'] = 'pt')],
    [/another version of the form \(got '2', limit '1'\)/, (c) => void (c.metadata['version'] = '2')],
    [/metadata 'shapes': not valid JSON/, (c) => void delete c.metadata['shapes']],
    [/metadata 'shapes' is no object/, (c) => void (c.metadata['shapes'] = '[]')],
    ...['{"x":[5]}', '{"x":[5,7,1]}', '{"x":[0,7]}', '{"x":[1.5,7]}', '{"x":"5"}', '{"x":[9007199254740991,2]}'].map((shapes) => [/metadata 'shapes' of 'x': no pair of sizes/, (c: Content) => void (c.metadata['shapes'] = shapes)] as const),
  ];
  for (const [i, [words, change]] of cases.entries()) {
    test(`case ${i}: ${String(words)}`, async () => {
      const { path, maskPath } = await saved('dense');
      await rewritten(maskPath, change);
      await refused(path, words);
      await refused(path, new RegExp(maskPath.replaceAll(/[.\\]/g, '\\$&')));
    });
  }

  test('absent, of another saving, of another model, or with weights that it does not store', async () => {
    const one = await saved('dense'), other = place(), lonely = await saved('dense');
    await writeCheckpoint(net, sparseWeights(net, [first]), `${other}.safetensors`, { masks: [first] });
    await rm(lonely.maskPath);
    await refused(lonely.path, /\.sparsity\.safetensors: the masks of sparse weights are missing/);
    await copyFile(`${other}.sparsity.safetensors`, one.maskPath);
    await refused(one.path, /not the masks of .*: the two were not saved together/);
    // Weights of a program that knows of no masks: the masks are held to the values.
    const dense = place(), full = sparseWeights(net, [], () => 0x3f80_0000);
    await writeCheckpoint(net, full, `${dense}.safetensors`);
    await copyFile(`${other}.sparsity.safetensors`, `${dense}.sparsity.safetensors`);
    await refused(`${dense}.safetensors`, /tensor "linear0\.weight": not 0 at \d+, where the mask of .* stores nothing \(got 1, limit 0\)/, false);
    const wide = mlp([5, 8, 3]), foreign = place(), wideMasks = masksOf(wide, (i) => (i === 0 ? 0.4 : null));
    await writeCheckpoint(wide, sparseWeights(wide, wideMasks), `${foreign}.safetensors`, { masks: wideMasks });
    await copyFile(`${foreign}.sparsity.safetensors`, `${dense}.sparsity.safetensors`);
    await refused(`${dense}.safetensors`, /mask of 'linear0\.weight': another shape than the model's weight \(got \[5,8\], limit \[5,7\]\)/, false);
    const gpt = masksOf(sparseModels.gpt, () => 0.5), named = place();
    await writeCheckpoint(sparseModels.gpt, sparseWeights(sparseModels.gpt, gpt), `${named}.safetensors`, { masks: gpt });
    await copyFile(`${named}.sparsity.safetensors`, `${dense}.sparsity.safetensors`);
    await refused(`${dense}.safetensors`, /mask of 'h\.0\.attn\.c_attn\.weight': the model has no such weight/, false);
  });

  test('a writer that stops between the two files leaves no checkpoint that reads', async () => {
    const before = place(), after = place(), others = [first];
    await writeCheckpoint(net, weights, `${before}.safetensors`, { masks });
    await writeCheckpoint(net, sparseWeights(net, others), `${after}.safetensors`, { masks: others });
    const plain = place();
    await writeCheckpoint(net, sparseWeights(net, []), `${plain}.safetensors`);
    // New weights come first, and masks are removed first: new beside old masks, new without masks, old without masks.
    for (const [weightsOf, masksOfPath] of [[after, before], [after, null], [before, null]] as const) {
      const cut = place();
      await cp(`${weightsOf}.safetensors`, `${cut}.safetensors`);
      if (masksOfPath !== null) await cp(`${masksOfPath}.sparsity.safetensors`, `${cut}.sparsity.safetensors`);
      await refused(`${cut}.safetensors`, /not saved together|masks of sparse weights are missing/);
    }
  });
});

describe('the compact layout', () => {
  const u32 = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const u16 = (bytes: Uint8Array): Uint16Array => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const starts = (c: Content): Uint32Array => u32(at(c, `${first.name}.row_starts`).data);
  const columns = (c: Content): Uint16Array => u16(at(c, `${first.name}.columns`).data);
  /** A row with at least two values: the place of its first. */
  const pair = (c: Content): number => {
    const rows = starts(c), row = rows.findIndex((start, i) => (rows[i + 1] ?? 0) - start >= 2);
    return rows[row] ?? assert.fail('no row with two values');
  };
  // The last column says whether headers alone tell.
  const cases: readonly (readonly [RegExp, (content: Content) => void, boolean])[] = [
    [/tensor 'linear0\.weight\.columns' is missing/, (c) => void c.tensors.delete(`${first.name}.columns`), true],
    [/tensor 'linear0\.weight\.values' is missing/, (c) => void c.tensors.delete(`${first.name}.values`), true],
    [/tensor 'linear0\.weight\.row_starts' is missing/, (c) => void c.tensors.delete(`${first.name}.row_starts`), true],
    [/'linear0\.weight\.values' has another type or shape \(got 'I32 \[/, (c) => void (at(c, `${first.name}.values`).dtype = 'I32'), true],
    [/'linear0\.weight\.row_starts' has another type or shape \(got 'F32 \[6\]', limit 'U32 \[6\]'\)/, (c) => void (at(c, `${first.name}.row_starts`).dtype = 'F32'), true],
    [new RegExp(`'linear0\\.weight\\.columns' has another type or shape \\(got 'I16 \\[${stored}\\]', limit 'U16 \\[${stored}\\]`), (c) => void (at(c, `${first.name}.columns`).dtype = 'I16'), true],
    [new RegExp(`columns' has another type or shape \\(got 'U16 \\[${stored - 1}\\]', limit 'U16 \\[${stored}\\], as many as values'`), (c) => {
      const found = at(c, `${first.name}.columns`);
      c.tensors.set(`${first.name}.columns`, { ...found, shape: [stored - 1], data: found.data.subarray(2) });
    }, true],
    [/'linear0\.weight\.columns': row \d does not ascend at value \d+/, (c) => void columns(c).set(columns(c).subarray(pair(c), pair(c) + 1), pair(c) + 1), false],
    [/'linear0\.weight\.columns': value 0 of row \d lies outside the row \(got 7, limit 6\)/, (c) => void (columns(c)[0] = 7), false],
    [/'linear0\.weight\.row_starts': does not begin with 0 \(got 1, limit 0\)/, (c) => void (starts(c)[0] = 1), false],
    [new RegExp(`'linear0\\.weight\\.row_starts': ends with another count than that of the values \\(got ${stored + 1}, limit ${stored}\\)`), (c) => void (starts(c)[5] = stored + 1), false],
    [/'linear0\.weight\.row_starts': row \d ends outside, or before it begins/, (c) => void (starts(c)[2] = 4_000_000_000), false],
    [/'linear0\.weight\.row_starts': row \d ends outside, or before it begins/, (c) => void (starts(c)[4] = 0), false],
    [/tensor "linear0\.weight\.more" is none of the model's/, (c) => void c.tensors.set('linear0.weight.more', { dtype: 'F32', shape: [1], data: new Uint8Array(4) }), false],
    [/tensor "linear0\.bias" is missing/, (c) => void c.tensors.delete('linear0.bias'), false],
    [/mask of 'linear9\.weight': the model has no such weight/, (c) => {
      for (const part of ['values', 'row_starts', 'columns']) c.tensors.set(`linear9.weight.${part}`, at(c, `${first.name}.${part}`));
      c.metadata['shapes'] = JSON.stringify({ ...JSON.parse(c.metadata['shapes'] ?? '') as object, 'linear9.weight': [5, 7] });
    }, false],
    [/mask of 'linear0\.bias': the model has no such weight|'linear0\.bias\.values' is missing/, (c) => void (c.metadata['shapes'] = JSON.stringify({ 'linear0.bias': [1, 7] })), false],
    [/another shape than the model's weight \(got \[5,8\], limit \[5,7\]\)/, (c) => void (c.metadata['shapes'] = (c.metadata['shapes'] ?? '').replace('[5,7]', '[5,8]')), false],
    [/another version of the form \(got null, limit '1'\)/, (c) => void delete c.metadata['version'], true],
    [/tensor "linear0\.weight" is missing|is none of the model's/, (c) => void delete c.metadata['format'], false],
  ];
  for (const [i, [words, change, inspects]] of cases.entries()) {
    test(`case ${i}: ${String(words)}`, async () => {
      const { path } = await saved('compact');
      await rewritten(path, change);
      await refused(path, words, inspects);
    });
  }
});

test('with any bytes changed or cut off, a checkpoint reads to sound masks or is refused', () =>
  fc.assert(
    fc.asyncProperty(fc.constantFrom('weights', 'masks', 'compact'), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }), fc.option(fc.nat()), async (which, changes, cut) => {
      const { path, maskPath } = await saved(which === 'compact' ? 'compact' : 'dense'), damaged = which === 'masks' ? maskPath : path;
      const whole = Uint8Array.from(await readFile(damaged));
      for (const [where, byte] of changes) whole[where % whole.length] = byte;
      await writeFile(damaged, cut === null ? whole : whole.subarray(0, cut % whole.length));
      const back = await readCheckpoint(net, path).catch((error: unknown) => {
        assert.ok(isTyped(error), String(error));
        return null;
      });
      if (back === null) return;
      if (which !== 'compact') assert.deepEqual(back.masks, masks, 'masks are whole or refused');
      for (const { name, mask } of back.masks) {
        const data: Float32Array = back.weights.find((tensor) => tensor.name === name)?.data ?? new Float32Array();
        assert.equal(mask.length, data.length);
        assert.ok(mask.every((one, i) => one === 1 || (one === 0 && Object.is(data[i], 0))));
      }
    }),
    { seed: 422, numRuns: 600 },
  ));
