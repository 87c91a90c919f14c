/** `waferstream plan`: words, figures, curves and files of what is never run; and `train --report`. Not here: whether the figures are right (plan/, timing/), the page itself (report/). */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allSystems, gpt, gptShape, machines, plan, price, someSparsities, withOverride } from '../../../src/index.js';
import { jsonLines, waferstream, type Ended } from './child.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-cli-'));
  await writeFile(join(root, 'slow.yaml'), 'base: wse2\nname: slow edge\nwafer: { ioBytesPerSecond: 1.5e+10 }\n');
  await writeFile(join(root, 'text.txt'), 'She sells sea shells by the sea shore. '.repeat(30));
});
after(() => rm(root, { recursive: true }));

const run = async (line: string): Promise<Ended> => {
  const ended = await waferstream(line.split(' '), { cwd: root });
  assert.deepEqual([ended.code, ended.stderr], [0, ''], `${line}: ${ended.stderr}`);
  return ended;
};
const small = '--model gpt --layers 2 --heads 2 --dim 64 --context 64 --vocab 512 --batch-size 64';

describe('waferstream plan', () => {
  test('GPT-3 175B on 192 CS-2: what fits, how long, how busy, what binds', async () => {
    const { stdout } = await run('plan --model gpt3-175b --num-csx 192 --precision float16 --activations float16 --machine wse2');
    for (const said of [
      /^model +gpt3-175b: 174,\d{3},\d{3},\d{3} parameters, weights in float16, activations in float16$/m, /^machine +WSE-2: 192 CS-2 of 994 × 750 tiles at 850 MHz, [\d,]+ tiles at work$/m,
      /^batch +2,112 samples of 2,048 tokens a step in \d+ micro-batch(es)?: \d+ a CS-2 at a time.*; .* computed again/m, /^SRAM +[\d.]+ KiB of 48\.0 KiB in the fullest tile: activations /m,
      /^MemoryX +[\d.]+ TiB of state: [\d.]+ TiB in DRAM, /m, /^step +[\d.]+ s, [\d,.e]+ tokens\/s, /m, /^arithmetic +[\d.]+ [PE]FLOP\/s, [\d.]+ % of the peak of [\d.]+ [PE]FLOP\/s$/m, /^energy +.* J a token/m,
      /^bound by +\w.* [\d.]+ %/m, /^ {12}[A-Z].*\.$/m,
    ]) assert.match(stdout, said);
  });

  test('its figures are those of plan and price, on the machine that is named', async () => {
    const model = gpt({ ...gptShape('111m'), context: 128 }), options = { batchSize: 24, numCsx: 2, dramBytes: machines.wse2.memoryX.dramBytes };
    for (const [name, machine] of [['wse3', machines.wse3], ['slow.yaml', withOverride(machines.wse2, 'wafer.ioBytesPerSecond', 1.5e10)]] as const) {
      const { counts, work } = plan(model, { ...options, spec: machine.wafer }), { step, flops, energy } = price(work, machine);
      const [found] = jsonLines(await run(`plan --model 111m --context 128 --batch-size 24 --num-csx 2 --machine ${name} --json`));
      const { price: priced, ...planned } = found as { readonly price: Record<string, unknown>; readonly counts: unknown };
      assert.deepEqual({ counts: planned.counts, step: priced['step'], flops: priced['flops'], energy: priced['energy'] }, { counts, step, flops, energy });
    }
  });

  test('curves over systems and sparsity, in the terminal, as JSON and as CSV', async () => {
    const line = `plan ${small} --scaling --sparsity-curve`, [text, json] = await Promise.all([run(`${line} --csv plan.csv`), run(`${line} --json`)]);
    assert.match(text.stdout, /more systems, each with the same work\nsystems +batch +s\/step +tokens\/s +speed-up +efficiency +utilization\n +1 +\d/);
    assert.match(text.stdout, /more systems, the same batch for all\n[\s\S]*absent weights\nsparsity .*\n0\.0 % /);
    const lines = jsonLines(json);
    assert.deepEqual(lines.map(({ type, mode }) => [type, mode]), [['plan', undefined], ['scaling', 'weak'], ['scaling', 'strong'], ['sparsity', undefined]]);
    const points = lines.map((one) => (one['points'] ?? []) as readonly { readonly x: number }[]);
    assert.deepEqual(points[1]?.map(({ x }) => x), [...allSystems]);
    assert.deepEqual([points[3]?.[0]?.x, points[3]?.at(-1)?.x], [0, 0.99]);
    const tables = await Promise.all(['plan.csv', 'plan.scaling-weak.csv', 'plan.scaling-strong.csv', 'plan.sparsity.csv'].map((name) => readFile(join(root, name), 'utf8')));
    assert.match(tables[0] ?? '', /^pass,op,phase,/);
    for (const [i, rows] of [[1, allSystems.length], [2, allSystems.length], [3, someSparsities.length]] as const) assert.equal(tables[i]?.trimEnd().split('\r\n').length, 1 + rows);
  });

  test('a report and a trace', async () => {
    await run(`plan ${small} --num-csx 4 --scaling strong --report plan.html --trace plan.json`);
    const [page, trace] = await Promise.all(['plan.html', 'plan.json'].map((name) => readFile(join(root, name), 'utf8')));
    assert.match(page ?? '', /^<!doctype html>[\s\S]*plan of gpt on 4 CS-2/);
    assert.ok((JSON.parse(trace ?? '') as { readonly traceEvents: readonly unknown[] }).traceEvents.length > 10);
  });

  test('generation, a rectangle, less DRAM than state', async () => {
    const [generated, cut] = await Promise.all([run('plan --model 111m --generate 4x32+16 --num-csx 2'), run(`plan ${small} --rectangle 64x32 --dram 1M --optimizer sgd --momentum 0.9`)]);
    assert.match(generated.stdout, /^prompts +4 prompts of 32 tokens, 16 new ones each, in \d+ steps$/m);
    assert.match(cut.stdout, /1 CS-2 of 64 × 32 tiles/);
    assert.match(cut.stdout, /^MemoryX +[\d.]+ MiB of state: 1\.0 MiB in DRAM, [\d.]+ (K|M)iB on flash$/m);
  });

  test('what does not fit is said on one line, with what would help', async () => {
    for (const [line, says] of [
      ['--model 120t --recompute none', /a tile of WSE-2's 994 × 750 rectangle.* needs \d+ bytes and 49152 are there; .*recompute/],
      ['--model gpt2 --rectangle 2x2', /the fullest tile.* needs \d+ bytes and 49152 are there/],
    ] as const) {
      const ended = await waferstream(['plan', ...line.split(' ')], { cwd: root });
      assert.deepEqual([ended.code, ended.stdout], [78, '']);
      assert.match(ended.stderr, /^waferstream: [^\n]+\n$/);
      assert.match(ended.stderr, says);
    }
  });
});

test('waferstream train --report: the run’s own figures on a machine', async () => {
  const line = 'train --data text.txt --model gpt --layers 1 --heads 2 --dim 32 --context 16 --batch-size 8 --steps 3 --num-csx 2 --seed 5';
  const [text, json] = await Promise.all([run(`${line} --report run.html --machine wse3`), run(`${line} --report other.html --json`)]);
  assert.match(text.stdout, /^on WSE-3: [\d.e-]+ s a step, [\d,]+ tokens\/s; .+\.\nreport in run\.html$/m);
  const page = await readFile(join(root, 'run.html'), 'utf8'), summary = jsonLines(json).at(-1) ?? {};
  assert.match(page, /^<!doctype html>[\s\S]*gpt, 3 steps on 2 CS-2/);
  assert.ok(page.includes(String(summary['weightsDigest'])), 'the record is in the page');
  assert.equal(summary['report'], 'other.html');
  assert.ok((summary['predicted'] as { readonly secondsAStep: number }).secondsAStep > 0);
});
