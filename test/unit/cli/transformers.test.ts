/** Transformers from the command line: train, save, go on, inspect, write, verify; with shapes that do not show, and folders that name their own model. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { jsonDocument, jsonLines, waferstream, type Ended } from './child.js';
import { gpt2Like } from '../formats/tokenizer-files.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-cli-'));
  const line = 'She sells sea shells by the sea shore. ';
  await writeFile(join(root, 'text.txt'), line.repeat(60));
  await writeFile(join(root, 'lines.jsonl'), Array.from({ length: 40 }, (_, i) => `${JSON.stringify({ id: i, body: line.repeat(2) })}\n`).join(''));
  await writeFile(join(root, 'tokens.u16'), Uint8Array.from({ length: 2000 }, (_, i) => (i % 2 === 0 ? (i / 2) % 7 : 1)));
  await writeFile(join(root, 'prompts.txt'), 'She sells\r\n\nsea sh\n');
  await writeFile(join(root, 'bpe.json'), JSON.stringify(gpt2Like()));
  const trained = await run('train --data text.txt --model gpt --layers 1 --heads 2 --dim 32 --context 24 --batch-size 8 --steps 60 --learning-rate 0.02 --schedule linear --warmup-steps 5 --clip-norm 1 --save gpt');
  assert.deepEqual([trained.code, trained.stderr], [0, ''], trained.stderr);
});
after(() => rm(root, { recursive: true }));

const run = (line: string, ...more: string[]): Promise<Ended> => waferstream([...line.split(' '), ...more], { cwd: root });
const runJson = async (line: string, ...more: string[]): Promise<Record<string, unknown>[]> => {
  const ended = await run(line, ...more, '--json');
  assert.deepEqual([ended.code, ended.stderr], [0, ''], `${line}: ${ended.stderr}`);
  return jsonLines(ended);
};
const of = (lines: readonly Record<string, unknown>[], type: string): Record<string, unknown>[] => lines.filter((line) => line['type'] === type);
const small = '--layers 1 --heads 2 --dim 32 --context 24 --batch-size 8 --steps 4';

describe('training', () => {
  test('shows tokens, held-out loss and perplexity, and where the weights went', async () => {
    const ended = await run(`train --data text.txt --model gpt ${small} --evaluation-split 0.2 --evaluate-every 2 --evaluation-batches 1 --save shown --dtype bfloat16`);
    assert.deepEqual([ended.code, ended.stderr], [0, '']);
    for (const said of [/gpt: [\d,]+ parameters; 2340 bytes from 1 document/, /8 samples of 24 tokens a step/, /step 2\/4 {2}held out: loss .* perplexity \d/, /step 4\/4 {2}held out/, /tokens\/s/, /saved to shown, with its config\.json/]) {
      assert.match(ended.stdout, said);
    }
  });

  test('neither CS-2, threads, micro-batches nor recomputation show in the bits', async () => {
    const line = `train --data text.txt --model llama --kv-heads 1 ${small} --clip-norm 0.5 --seed 3`;
    const runs = await Promise.all(['', ' --num-csx 3 --threads 1', ' --num-csx 2 --grad-accum-steps 2 --recompute block', ' --micro-batch-size 3 --recompute none'].map((more) => runJson(line + more)));
    const digests = runs.map((lines) => of(lines, 'summary')[0]?.['weightsDigest']);
    assert.equal(new Set(digests).size, 1, digests.join(' '));
    assert.deepEqual([of(runs[2] ?? [], 'summary')[0]?.['microBatches'], of(runs[2] ?? [], 'summary')[0]?.['microBatchSize']], [2, 2]);
    assert.ok(of(runs[0] ?? [], 'step').every((step) => step['tokens'] === 8 * 24 && Number(step['gradientNorm']) > 0));
  });

  test('the batch follows from micro-batches, CS-2 and accumulation', async () => {
    const [summary] = of(await runJson('train --data text.txt --model gpt --layers 1 --heads 2 --dim 16 --context 8 --steps 1 --num-csx 2 --micro-batch-size 3 --grad-accum-steps 4'), 'summary');
    assert.deepEqual([summary?.['samples'], summary?.['microBatches'], summary?.['microBatchSize']], [24, 4, 3]);
  });

  test('goes on from saved weights: the first loss is that of what was trained', async () => {
    const lines = await runJson('train --data text.txt --weights gpt --batch-size 8 --steps 2');
    assert.ok(Number(of(lines, 'step')[0]?.['loss']) < 2.5, JSON.stringify(lines[0]));
    const config = await runJson('train --data text.txt --config gpt/config.json --weights gpt/model.safetensors --batch-size 8 --steps 2');
    assert.equal(of(config, 'summary')[0]?.['weightsDigest'], of(lines, 'summary')[0]?.['weightsDigest']);
    const shorter = await runJson('train --data text.txt --weights gpt --context 12 --batch-size 8 --steps 1');
    assert.equal(of(shorter, 'step')[0]?.['tokens'], 96);
  });

  test('ends early where the held-out loss no longer falls', async () => {
    const [summary] = of(await runJson('train --data text.txt --weights gpt --batch-size 4 --steps 40 --optimizer sgd --learning-rate 0 --evaluation-split 0.2 --evaluate-every 2 --patience 2'), 'summary');
    assert.equal(summary?.['steps'], 6);
  });

  test('reads JSON lines with a tokenizer of its own, which then lies beside the weights; and 16-bit tokens', async () => {
    const lines = await runJson(`train --data lines.jsonl --field body --tokenizer bpe.json --model gpt ${small} --save bpe`);
    assert.equal(of(lines, 'summary')[0]?.['entropy'], null);
    assert.equal(await readFile(join(root, 'bpe/tokenizer.json'), 'utf8'), await readFile(join(root, 'bpe.json'), 'utf8'));
    assert.equal((await run('generate --weights bpe --prompt She --max-tokens 3')).code, 0);
    assert.equal(of(await runJson(`train --data tokens.u16 --vocab 300 --model gpt ${small}`), 'step').length, 4);
  });

  test('saves a byte-lm under its own names, as one file, and goes on from it', async () => {
    const line = 'train --data text.txt --model byte-lm --hidden 16 --layers 1 --embed 4 --context 4 --batch-size 64 --steps 2';
    await runJson(`${line} --save lm.safetensors`);
    assert.ok(!(await readdir(root)).includes('config.json'));
    const [first] = await runJson(`${line} --weights lm.safetensors`), [fresh] = await runJson(line);
    assert.ok(Number(first?.['loss']) < Number(fresh?.['loss']));
  });
});

describe('waferstream inspect', () => {
  test('lists tensors, types, shapes and sizes; --json all of it in one document', async () => {
    const table = await run('inspect gpt');
    assert.deepEqual([table.code, table.stderr], [0, '']);
    assert.match(table.stdout, /^tensor +dtype +shape/);
    assert.match(table.stdout, /^transformer\.h\.0\.attn\.c_attn\.weight +F32 +\[32, 96\] +3,072 +12\.0 KiB$/m);
    const found = jsonDocument(await run('inspect gpt/model.safetensors --json')), tensors = found['tensors'] as Record<string, unknown>[];
    assert.deepEqual(tensors.find(({ name }) => name === 'transformer.wpe.weight')?.['shape'], [24, 32]);
    assert.deepEqual([found['kind'], (found['totals'] as Record<string, unknown>)['tensors']], ['weights', tensors.length]);
  });
});

describe('waferstream generate', () => {
  test('a folder of weights is enough; one prompt comes as bare text', async () => {
    const ended = await run('generate --weights gpt --max-tokens 8 --temperature 0 --prompt', 'She sells');
    assert.deepEqual([ended.code, ended.stderr], [0, '']);
    assert.equal(ended.stdout.length, 'She sells'.length + 8);
    assert.ok(ended.stdout.startsWith('She sells'));
  });

  test('neither shape nor companions show in a text; the seed does', async () => {
    const line = 'generate --weights gpt --max-tokens 12 --temperature 1.5 --top-k 20 --top-p 0.95 --seed 5 --prompt';
    const texts = async (...more: string[]): Promise<unknown[]> => (jsonDocument(await run(line, ...more, '--json'))['texts'] as Record<string, unknown>[]).map((found) => found['text']);
    const [alone, wide, companions, other] = await Promise.all([texts('She'), texts('She', '--num-csx', '2', '--threads', '1'), texts('She', '--prompt', 'sea shells'), texts('She', '--seed', '6')]);
    assert.deepEqual(wide, alone);
    assert.equal(companions?.length, 2);
    assert.equal(companions?.[0], alone?.[0]);
    assert.notDeepEqual(other, alone);
  });

  test('reads a file of prompts, blank lines passed over, and gives whole texts', async () => {
    const ended = await run('generate --weights gpt --config gpt --prompts prompts.txt --max-tokens 5');
    assert.equal(ended.code, 0);
    assert.match(ended.stdout, /^── 1 ─+\nShe sells[\s\S]*^── 2 ─+\nsea sh/m);
    assert.doesNotMatch(ended.stdout, /\r|── 3/);
  });

  test('weights in one file, with the model named beside them', async () => {
    const model = '--model llama --layers 1 --heads 2 --dim 16 --context 16';
    await runJson(`train --data text.txt ${model} --steps 1 --batch-size 4 --save one.safetensors --dtype float16`);
    const [written] = await runJson(`generate ${model} --weights one.safetensors --prompt a`);
    assert.equal(written?.['tokens'], 15);
  });
});

describe('waferstream verify', () => {
  test('holds a transformer to the same bits and to the reference', async () => {
    const ended = await run('verify --data text.txt --model gpt --layers 1 --heads 2 --dim 16 --context 9 --batch-size 5 --steps 2 --clip-norm 1');
    assert.deepEqual([ended.code, ended.stderr], [0, '']);
    assert.match(ended.stdout, /the same bits on all \d+ shapes/);
    assert.match(ended.stdout, /within the bounds of the f64 reference on all 2 steps/);
  });
});
