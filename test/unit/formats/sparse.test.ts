/** Sparse checkpoints: weights and masks come back to the bit from both layouts, stored zeros among them; a dense file stays readable without its masks; what stood there before never mixes in. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { readCheckpoint, writeCheckpoint } from '../../../src/formats/hugging-face/checkpoint.js';
import { describeCheckpoint, inspectCheckpoint } from '../../../src/formats/inspect.js';
import { openSafetensors } from '../../../src/formats/safetensors/open.js';
import { mlp } from '../../../src/model/presets/small.js';
import { InvalidConfig } from '../../../src/util/errors.js';
import { naiveRead } from './safetensors/bytes.js';
import { bitsOf, exactBits, masksOf, sparseModels, sparseWeights } from './sparse-cases.js';

let folder = '', count = 0;
before(async () => { folder = await mkdtemp(join(tmpdir(), 'waferstream-sparse-')); });
after(() => rm(folder, { recursive: true, force: true }));
const place = (): string => join(folder, String(count++));

const layouts = ['dense', 'compact'] as const;
const dtypes = ['F32', 'F16', 'BF16'] as const;

test('any masks come back with the weights, from both layouts, any dtype, one file or several, folder or file', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.values(sparseModels)), fc.constantFrom(...layouts), fc.constantFrom(...dtypes), fc.option(fc.integer({ min: 1, max: 2000 })), fc.boolean(),
      fc.array(fc.option(fc.constantFrom(0, 0.05, 0.5, 1)), { minLength: 16, maxLength: 16 }),
      async (net, layout, dtype, shardBytesMax, isFile, densities) => {
        const masks = masksOf(net, (i) => densities[i] ?? null), weights = sparseWeights(net, masks, dtype === 'F32' ? undefined : exactBits), path = isFile ? `${place()}.safetensors` : place();
        const written = await writeCheckpoint(net, weights, path, { masks: masks.toReversed(), layout, dtype, ...(shardBytesMax === null ? {} : { shardBytesMax }) });
        const back = await readCheckpoint(net, written.path);
        assert.deepEqual(bitsOf(back.weights), bitsOf(weights));
        assert.deepEqual(back.masks, masks);
        const found = await inspectCheckpoint(written.path);
        assert.deepEqual(new Map(found.sparse.map((row) => [row.name, row.stored])), new Map(masks.map(({ name, mask }) => [name, mask.filter((one) => one === 1).length])));
        assert.ok((await readdir(folder)).every((name) => !name.endsWith('.partial')));
        for (const file of written.files) assert.ok(naiveRead(await readFile(file)) !== null, 'another reader opens every file');
      },
    ),
    { seed: 421, numRuns: 120 },
  ));

test('what a value rounds to does not change what is stored', async () => {
  const net = sparseModels.llama, masks = masksOf(net, () => 0.5), tiny = new Uint32Array(Float32Array.of(1e-30).buffer)[0] ?? 0;
  for (const layout of layouts) {
    const path = place();
    await writeCheckpoint(net, sparseWeights(net, masks, () => tiny), path, { masks, layout, dtype: 'F16' });
    const back = await readCheckpoint(net, path);
    assert.deepEqual(back.masks, masks);
    assert.ok(back.weights.every(({ data }) => data.every((value) => value === 0)));
  }
});

test('columns beyond 16 bits', async () => {
  const net = mlp([3, 65_537, 2]), masks = masksOf(net, (i) => (i === 0 ? 0.01 : null)), path = `${place()}.safetensors`;
  masks[0]?.mask.fill(1, 65_536, 65_537);
  const weights = sparseWeights(net, masks);
  await writeCheckpoint(net, weights, path, { masks, layout: 'compact' });
  await using file = await openSafetensors(path);
  assert.equal([...file.tensors.values()].find(({ name }) => name.endsWith('.columns'))?.dtype, 'U32');
  const back = await readCheckpoint(net, path);
  assert.deepEqual([bitsOf(back.weights), back.masks], [bitsOf(weights), masks]);
});

test('at 90 % sparsity the compact layout takes 0.15 of the dense bytes of sparse weights', async () => {
  const net = mlp([256, 512, 256]), masks = masksOf(net, () => 0.1), dense = place(), compact = place();
  const weights = sparseWeights(net, masks);
  await writeCheckpoint(net, weights, dense, { masks });
  await writeCheckpoint(net, weights, compact, { masks, layout: 'compact' });
  const [whole, small] = await Promise.all([dense, compact].map((at) => inspectCheckpoint(at)));
  const others = 4 * (512 + 256), share = ((small?.totals.bytes ?? 0) - others) / ((whole?.totals.bytes ?? 0) - others);
  assert.ok(share > 0.145 && share < 0.16, String(share));
  assert.equal((await stat(join(dense, 'sparsity.safetensors'))).size < 0.04 * (whole?.totals.bytes ?? 0), true);
});

describe('where files stand', () => {
  const net = sparseModels.gpt, masks = masksOf(net, () => 0.4), others = masksOf(net, (i) => (i === 1 ? 0.3 : null));
  const names = async (path: string): Promise<string[]> => (await readdir(path)).toSorted();

  test('masks in the folder, or under the name of the file', async () => {
    const at = place();
    const written = await writeCheckpoint(net, sparseWeights(net, masks), at, { masks });
    assert.deepEqual(await names(at), ['config.json', 'model.safetensors', 'sparsity.safetensors']);
    assert.deepEqual(written.files, ['model.safetensors', 'sparsity.safetensors'].map((name) => join(at, name)));
    await writeCheckpoint(net, sparseWeights(net, masks), join(at, 'x.safetensors'), { masks });
    assert.deepEqual(await names(at), ['config.json', 'model.safetensors', 'sparsity.safetensors', 'x.safetensors', 'x.sparsity.safetensors']);
    for (const path of [at, join(at, 'model.safetensors'), join(at, 'x.safetensors')]) assert.deepEqual((await readCheckpoint(net, path)).masks, masks);
    assert.deepEqual(await names(at), ['config.json', 'model.safetensors', 'sparsity.safetensors', 'x.safetensors', 'x.sparsity.safetensors']);
  });

  test('any save over any other leaves nothing of the other', async () => {
    const at = place(), full = sparseWeights(net, []);
    const kinds = { dense: [full, {}], sparse: [sparseWeights(net, masks), { masks }], other: [sparseWeights(net, others), { masks: others }], compact: [sparseWeights(net, masks), { masks, layout: 'compact' }] } as const;
    for (const from of Object.values(kinds)) {
      for (const [name, [weights, options]] of Object.entries(kinds)) {
        await writeCheckpoint(net, from[0], at, from[1]);
        await writeCheckpoint(net, weights, at, options);
        const back = await readCheckpoint(net, at);
        assert.deepEqual([bitsOf(back.weights), back.masks], [bitsOf(weights), 'masks' in options ? options.masks : []]);
        assert.deepEqual(await names(at), ['config.json', 'model.safetensors', ...(name === 'sparse' || name === 'other' ? ['sparsity.safetensors'] : [])]);
      }
    }
  });

  test('what cannot be written leaves both files as they were', async () => {
    const at = place(), weights = sparseWeights(net, masks, exactBits);
    await writeCheckpoint(net, weights, at, { masks });
    const large = sparseWeights(net, others, () => 0x7f00_0000);
    await assert.rejects(writeCheckpoint(net, large, at, { masks: others, dtype: 'F16' }), InvalidConfig);
    await assert.rejects(writeCheckpoint(net, sparseWeights(net, [], () => 0x7f00_0000), at, { dtype: 'F16' }), InvalidConfig);
    const back = await readCheckpoint(net, at);
    assert.deepEqual([bitsOf(back.weights), back.masks, await names(at)], [bitsOf(weights), masks, ['config.json', 'model.safetensors', 'sparsity.safetensors']]);
  });

  test('one file over several, or several over one, is refused in both layouts', async () => {
    const at = place(), weights = sparseWeights(net, masks);
    for (const layout of layouts) {
      await rm(at, { recursive: true, force: true });
      await writeCheckpoint(net, weights, at, { masks, layout, shardBytesMax: 500 });
      await assert.rejects(writeCheckpoint(net, weights, at, { masks, layout }), /in several files is there already/);
      assert.deepEqual((await readCheckpoint(net, at)).masks, masks);
    }
  });

  test('a file of another kind where masks would stand is neither removed nor replaced', async () => {
    const at = `${place()}.safetensors`, beside = at.replace('.safetensors', '.sparsity.safetensors');
    await writeFile(beside, 'mine');
    for (const options of [{}, { masks }, { masks, layout: 'compact' }] as const) await assert.rejects(writeCheckpoint(net, sparseWeights(net, masks), at, options), /not a file of masks/);
    assert.equal(await readFile(beside, 'utf8'), 'mine');
    await assert.rejects(writeCheckpoint(net, sparseWeights(net, []), beside), /a name that masks of a checkpoint have/);
  });
});

test('masks and weights that are not the model\'s are refused before anything is written', async () => {
  const net = sparseModels.gpt, masks = masksOf(net, () => 0.5), [first] = masks;
  if (first === undefined) assert.fail('no mask');
  const weights = sparseWeights(net, masks), at = place(), zero = first.mask.indexOf(0);
  const cases: readonly (readonly [RegExp, Parameters<typeof writeCheckpoint>[1], typeof masks])[] = [
    [/mask of 'h\.0\.attn\.c_attn\.weight': given twice/, weights, [...masks, first]],
    [/mask of 'h\.7': the model has no such weight/, weights, [{ ...first, name: 'h.7' }]],
    [/mask of 'wte\.weight': the model has no such weight/, weights, [{ ...first, name: 'wte.weight' }]],
    [/mask of 'h\.0\.ln_1\.weight': the model has no such weight/, weights, [{ ...first, name: 'h.0.ln_1.weight' }]],
    [/another shape than the weight \(got \[24,8\], limit \[8,24\]\)/, weights, [{ ...first, shape: [24, 8] }]],
    [/another shape than the weight/, weights, [{ ...first, mask: new Uint8Array(3) }]],
    [/neither 0 nor 1 at 5 \(got 255\)/, weights, [{ ...first, mask: first.mask.with(5, 255) }]],
    [new RegExp(`the weight at ${zero}, where nothing is stored, is not 0`), weights.map((tensor) => (tensor.name === first.name ? { ...tensor, data: tensor.data.with(zero, 1e-40) } : tensor)), masks],
  ];
  for (const [what, given, wrong] of cases) {
    for (const layout of layouts) await assert.rejects(writeCheckpoint(net, given, at, { masks: wrong, layout }), (error: unknown) => error instanceof InvalidConfig && what.test(error.message), String(what));
  }
  await assert.rejects(readdir(at));
});

test('a dense file that another program wrote again is held to the masks beside it', async () => {
  const net = sparseModels.gpt, masks = masksOf(net, () => 0.5), weights = sparseWeights(net, masks, exactBits), at = place(), foreign = place();
  await writeCheckpoint(net, weights, at, { masks });
  // Its absent weights may be negative zeros: a mask multiplied into weights makes them.
  const negative = weights.map((tensor) => ({ ...tensor, data: tensor.data.map((value, i) => (masks.find(({ name }) => name === tensor.name)?.mask[i] === 0 ? -0 : value)) }));
  await writeCheckpoint(net, negative, foreign);
  await copyFile(join(at, 'sparsity.safetensors'), join(foreign, 'sparsity.safetensors'));
  const back = await readCheckpoint(net, foreign);
  assert.deepEqual([bitsOf(back.weights), back.masks], [bitsOf(weights), masks]);
});

describe('inspecting', () => {
  const net = mlp([4, 6, 2]), masks = masksOf(net, (i) => (i === 0 ? 1 : null));
  masks[0]?.mask.fill(0, 3);

  test('the stored share of each sparse weight and of all', async () => {
    const at = place(), weights = sparseWeights(net, masks, exactBits);
    await writeCheckpoint(net, weights, at, { masks });
    const found = await inspectCheckpoint(at), name = masks[0]?.name ?? '';
    assert.deepEqual([found.sparse, found.masks], [[{ name, shape: [4, 6], size: 24, stored: 3 }], 'beside']);
    assert.deepEqual([found.totals.sparseSize, found.totals.sparseStored], [24, 3]);
    const text = describeCheckpoint(found);
    assert.match(text, /^sparse weight +shape +size +stored +sparsity$/m);
    assert.ok(text.split('\n').some((line) => line.startsWith(name) && line.endsWith(' 87.5 %') && line.includes('[4, 6]')), text);
    assert.match(text, /^1 sparse weight: 3 of 24 stored, 87\.5 % sparse; masks in a file beside the weights$/m);
    await writeCheckpoint(net, weights, at, { masks, layout: 'compact' });
    const compact = await inspectCheckpoint(at);
    assert.deepEqual([compact.sparse, compact.masks], [found.sparse, 'inside']);
    assert.match(describeCheckpoint(compact), /3 of 24 stored, 87\.5 % sparse; masks in the compact layout$/m);
    assert.doesNotMatch(describeCheckpoint(compact), /^shapes:/m);
  });

  test('zeros without masks are counted, and called so', async () => {
    const at = `${place()}.safetensors`;
    await writeCheckpoint(net, sparseWeights(net, masks, () => 0x3f80_0000).map((tensor) => ({ ...tensor, data: tensor.data.map((value) => value * 2) })), at);
    const found = await inspectCheckpoint(at);
    assert.deepEqual([found.sparse, found.masks], [[], null]);
    const zeros = found.rows.filter(({ shape }) => shape.length > 1).reduce((sum, row) => sum + (row.zeros ?? 0), 0);
    assert.ok(zeros >= 21);
    assert.match(describeCheckpoint(found), new RegExp(`^zeros, no mask: ${zeros} of the 36 values of matrices, `, 'm'));
  });
});
