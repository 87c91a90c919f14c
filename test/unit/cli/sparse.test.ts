/** Sparsity from the command line: sparse pre-training, masks that change, going on, pruning, both layouts on the disk; what is printed is what is saved. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readCheckpoint, readModelConfig, type NamedMask } from '../../../src/index.js';
import { gpt2Like } from '../formats/tokenizer-files.js';
import { jsonLines, waferstream, type Ended } from './child.js';

let root = '';
const train = 'train --data text.txt --batch-size 4 --steps 3';
const gpt = '--model gpt --layers 1 --heads 2 --dim 32 --context 24';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-cli-'));
  await writeFile(join(root, 'text.txt'), 'She sells sea shells by the sea shore. '.repeat(60));
  await writeFile(join(root, 'bpe.json'), JSON.stringify(gpt2Like()));
  await run(`${train} ${gpt} --save dense`);
  await run(`${train} ${gpt} --sparsity 0.75 --save sparse`);
});
after(() => rm(root, { recursive: true }));

const run = async (line: string, ...more: string[]): Promise<Ended> => {
  const ended = await waferstream([...line.split(' '), ...more], { cwd: root });
  assert.deepEqual([ended.code, ended.stderr], [0, ''], `${line}: ${ended.stderr}`);
  return ended;
};
const runJson = async (line: string): Promise<Record<string, unknown>[]> => jsonLines(await run(`${line} --json`));
const summaryOf = async (line: string): Promise<Record<string, unknown>> => (await runJson(line)).at(-1) ?? {};
const checkpoint = async (name: string) => readCheckpoint((await readModelConfig(join(root, name))).model, join(root, name));
const storedOf = ({ mask }: NamedMask): number => mask.reduce((sum, one) => sum + one, 0);
const weightNames = ['h.0.attn.c_attn.weight', 'h.0.attn.c_proj.weight', 'h.0.mlp.c_fc.weight', 'h.0.mlp.c_proj.weight'];
const size = 3072 + 1024 + 4096 + 4096;

describe('training', () => {
  test('a number: static random masks of every linear weight, told in a table and in JSON, and saved beside zeros', async () => {
    const { stdout } = await run(`${train} ${gpt} --sparsity 0.75 --save shown`);
    for (const name of weightNames) assert.match(stdout, new RegExp(`^${name.replaceAll('.', '\\.')} +[\\d,]+ / [\\d,]+ +75\\.0 % +[1-9]\\.\\d\\d$`, 'm'));
    assert.match(stdout, /^all +3,072 \/ 12,288 +75\.0 %$/m);
    assert.match(stdout, /^matrix products: [\d.]+ \wFLOP done, [\d.]+ \wFLOP saved by absent weights \(\d+\.\d % of the [\d.]+ \wFLOP of dense weights\)$/m);
    assert.match(stdout, /^saved to shown, with its config\.json and its masks$/m);
    const { weights, masks } = await checkpoint('shown');
    assert.deepEqual(masks.map(({ name }) => name), weightNames);
    assert.equal(masks.reduce((sum, mask) => sum + storedOf(mask), 0), size / 4);
    assert.ok(weights.every(({ name, data }) => data.every((value, i) => value === 0 || masks.find((mask) => mask.name === name)?.mask[i] !== 0)));
    const summary = await summaryOf(`${train} ${gpt} --sparsity 0.75`);
    assert.deepEqual((summary['sparse'] as { name: string; stored: number; size: number; sparsity: number }[]).map(({ name, stored, size: of, sparsity }) => [name, stored, of, sparsity]), masks.map((mask) => [mask.name, storedOf(mask), mask.mask.length, 0.75]));
    assert.equal(summary['sparsity'], 0.75);
    assert.ok(Number(summary['flopsDone']) > 0 && Number(summary['flopsSaved']) > 0);
  });

  test('dense runs say nothing of sparsity, and save no masks', async () => {
    const { stdout } = await run(`${train} ${gpt}`);
    assert.doesNotMatch(stdout, /spars|saved by/);
    const summary = await summaryOf(`${train} ${gpt}`);
    assert.deepEqual([summary['sparse'], summary['flopsSaved']], [[], 0]);
    assert.deepEqual((await readdir(join(root, 'dense'))).toSorted(), ['config.json', 'model.safetensors']);
  });

  test('masks that change are told with the sparsity that they come to', async () => {
    const lines = await runJson(`train --data text.txt --batch-size 4 --steps 6 ${gpt} --sparsity 0.5 --sparsity-algorithm set --sparsity-update-every 2`);
    const steps = lines.filter((line) => line['type'] === 'step');
    assert.ok(steps.some((step) => Number(step['masksUpdated']) === 4), JSON.stringify(steps));
    assert.equal(steps.at(-1)?.['sparsity'], 0.5);
    const { stdout } = await run(`train --data text.txt --batch-size 4 --steps 6 ${gpt} --sparsity 0.5 --sparsity-algorithm set --sparsity-update-every 2`);
    assert.match(stdout, /^step \d\/6 .* {2}50\.0 % sparse, masks changed$/m);
  });

  test('neither CS-2 nor threads show in sparse bits', async () => {
    const line = `${train} ${gpt} --sparsity 0.5 --sparsity-algorithm rigl --seed 5`;
    const digests = await Promise.all(['', ' --num-csx 2 --threads 1'].map(async (more) => (await summaryOf(line + more))['weightsDigest']));
    assert.equal(digests[0], digests[1]);
  });

  test('kept: the masks stay, and the first loss is that of what was trained', async () => {
    const lines = await runJson(`${train} --weights sparse --sparsity kept --learning-rate 0.01 --save kept`);
    const [before_, after_] = [await checkpoint('sparse'), await checkpoint('kept')];
    assert.deepEqual(after_.masks, before_.masks);
    assert.notDeepEqual(after_.weights, before_.weights);
    const [last] = (await runJson(`${train} ${gpt} --sparsity 0.75`)).slice(-2);
    assert.ok(Math.abs(Number(lines[0]?.['loss']) - Number(last?.['loss'])) < 1);
  });

  test('off: dense from here on, and masks of an older checkpoint in the same folder go', async () => {
    await run(`${train} --weights sparse --sparsity kept --save over`);
    assert.ok((await readdir(join(root, 'over'))).includes('sparsity.safetensors'));
    await run(`${train} --weights over --sparsity off --learning-rate 0.01 --save over`);
    assert.ok(!(await readdir(join(root, 'over'))).includes('sparsity.safetensors'));
    const { weights, masks } = await checkpoint('over');
    assert.deepEqual(masks, []);
    assert.ok(weights.filter(({ name }) => weightNames.includes(name)).every(({ data }) => data.filter((value) => value === 0).length < data.length / 10));
  });

  test('a number with an algorithm goes on from the masks of the weights', async () => {
    await run(`train --data text.txt --batch-size 4 --steps 1 --weights sparse --sparsity 0.75 --sparsity-algorithm set --sparsity-update-every 100 --save on`);
    assert.deepEqual((await checkpoint('on')).masks, (await checkpoint('sparse')).masks);
  });

  test('a config goes on from the masks of the weights, too', async () => {
    await writeFile(join(root, 'set.yaml'), 'sparsity:\n  algorithm: set\n  sparsity: 0.75\n  update: { freq: 100 }\n');
    await run('train --data text.txt --batch-size 4 --steps 1 --weights sparse --sparsity set.yaml --save by-rules');
    assert.deepEqual((await checkpoint('by-rules')).masks, (await checkpoint('sparse')).masks);
  });

  test('verify holds a sparse model to the same bits and to the reference', async () => {
    const { stdout } = await run('verify --data text.txt --model gpt --layers 1 --heads 2 --dim 16 --context 9 --batch-size 5 --steps 2 --sparsity 0.5 --sparsity-algorithm set');
    assert.match(stdout, /the same bits on all \d+ shapes/);
    assert.match(stdout, /within the bounds of the f64 reference on all 2 steps/);
  });
});

describe('layouts on the disk', () => {
  test('compact holds the same checkpoint in fewer bytes; both generate the same text, and inspect tells the sparsity of both', async () => {
    await run(`${train} ${gpt} --sparsity 0.75 --save packed --sparse-layout compact`);
    assert.deepEqual((await readdir(join(root, 'packed'))).toSorted(), ['config.json', 'model.safetensors']);
    assert.deepEqual(await checkpoint('packed'), await checkpoint('sparse'));
    const texts = await Promise.all(['sparse', 'packed'].map((name) => run(`generate --weights ${name} --max-tokens 6 --temperature 0 --prompt`, 'She sells')));
    assert.equal(texts[0]?.stdout, texts[1]?.stdout);
    for (const [name, where] of [['sparse', 'in a file beside the weights'], ['packed', 'in the compact layout']]) {
      const { stdout } = await run(`inspect ${name}`), [found = {}] = await runJson(`inspect ${name}`), totals = found['totals'] as Record<string, unknown>;
      assert.match(stdout, new RegExp(`^4 sparse weights: 3,072 of 12,288 stored, 75\\.0 % sparse; masks ${where}$`, 'm'));
      assert.deepEqual((found['sparse'] as Record<string, unknown>[]).map((line) => [line['name'], line['sparsity']]), weightNames.map((weight) => [weight, 0.75]));
      assert.deepEqual([totals['sparseStored'], totals['sparseSize']], [size / 4, size]);
    }
  });
});

describe('waferstream prune', () => {
  test('the largest weights stay as they are; config, tokenizer and the source too', async () => {
    await run(`${train} ${gpt} --tokenizer bpe.json --save source`);
    const source = await checkpoint('source');
    const { stdout } = await run('prune --weights source --sparsity 0.5 --save pruned');
    assert.match(stdout, /^h\.0\.mlp\.c_fc\.weight +2,048 \/ 4,096 +50\.0 %$/m);
    assert.match(stdout, /^all +6,144 \/ 12,288 +50\.0 %$/m);
    assert.match(stdout, /^saved to pruned, with its config\.json and its masks$/m);
    const pruned = await checkpoint('pruned');
    assert.deepEqual(pruned.masks.map(({ name }) => name), weightNames);
    for (const [i, { name, data }] of source.weights.entries()) {
      const mask = pruned.masks.find((found) => found.name === name)?.mask, after_ = pruned.weights[i]?.data;
      assert.deepEqual(after_, mask === undefined ? data : data.map((value, j) => (mask[j] === 1 ? value : 0)));
      if (mask === undefined) continue;
      const magnitudes = [...data].map(Math.abs), stays = magnitudes.filter((_, j) => mask[j] === 1), goes = magnitudes.filter((_, j) => mask[j] === 0);
      assert.ok(Math.min(...stays) >= Math.max(...goes), name);
    }
    assert.deepEqual(await checkpoint('source'), source);
    for (const file of ['tokenizer.json', 'config.json']) assert.equal(await readFile(join(root, 'pruned', file), 'utf8'), await readFile(join(root, 'source', file), 'utf8'));
  });

  test('goes on where it ended, and writes over its own source', async () => {
    await run(`${train} ${gpt} --save again`);
    const summary = await summaryOf('prune --weights again --sparsity 0.75 --sparsity-init checkerboard --save again --sparse-layout compact --dtype bfloat16');
    assert.deepEqual([summary['schema'], (summary['sparse'] as unknown[]).length, summary['size'], summary['stored'], summary['sparsity'], summary['saved']], ['waferstream/prune/1', 4, size, size / 4, 0.75, 'again']);
    const { masks } = await checkpoint('again');
    await run(`${train} --weights again --sparsity kept --save again`);
    assert.deepEqual((await checkpoint('again')).masks, masks);
  });

  test('a config: the largest stay where it says nothing of first masks; what it or an option says counts', async () => {
    const config = { algorithm: 'static', sparsity: 0.5, param_filter: '*mlp*weight' };
    await writeFile(join(root, 'mlp.json'), JSON.stringify(config));
    const magnitudes = async (more: string): Promise<readonly (readonly [string, boolean])[]> => {
      await run(`prune --weights dense --sparsity mlp.json --save by-config${more}`);
      const source = await checkpoint('dense'), { masks } = await checkpoint('by-config');
      return masks.map(({ name, mask }) => {
        const values = [...source.weights.find((tensor) => tensor.name === name)?.data ?? []].map(Math.abs);
        return [name, Math.min(...values.filter((_, i) => mask[i] === 1)) >= Math.max(...values.filter((_, i) => mask[i] === 0))] as const;
      });
    };
    const names = weightNames.slice(2);
    assert.deepEqual(await magnitudes(''), names.map((name) => [name, true]));
    assert.deepEqual(await magnitudes(' --sparsity-init random'), names.map((name) => [name, false]));
    await writeFile(join(root, 'mlp.json'), JSON.stringify({ ...config, init_method: 'Checkerboard' }));
    assert.deepEqual(await magnitudes(''), names.map((name) => [name, false]));
  });

  test('some of so many', async () => {
    await run('prune --weights dense --sparsity 0.5 --sparsity-pattern 2:4 --save some');
    for (const { shape: [inputs = 0, outputs = 0], mask } of (await checkpoint('some')).masks) {
      for (let output = 0; output < outputs; output++) {
        for (let first = 0; first < inputs; first += 4) assert.equal([0, 1, 2, 3].reduce((sum, i) => sum + (mask[(first + i) * outputs + output] ?? 0), 0), 2);
      }
    }
  });
});
