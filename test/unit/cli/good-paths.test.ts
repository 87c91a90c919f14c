/** The commands at work: what they print, that shapes do not show in it, and how they are stopped. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { jsonLines, waferstream } from './child.js';

let root = '';
/** A 3 × 3 image of class i % 3: one bright column. */
const image = (i: number): number[] => Array.from({ length: 9 }, (_, p) => (p % 3 === i % 3 ? 250 : 5));
const samples = 96;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-cli-'));
  await writeFile(join(root, 'text.txt'), 'She sells sea shells by the sea shore. '.repeat(60));
  await writeFile(join(root, 'train-images-idx3-ubyte'), Uint8Array.of(0, 0, 8, 3, 0, 0, 0, samples, 0, 0, 0, 3, 0, 0, 0, 3, ...Array.from({ length: samples }, (_, i) => image(i)).flat()));
  await writeFile(join(root, 'train-labels-idx1-ubyte'), Uint8Array.of(0, 0, 8, 1, 0, 0, 0, samples, ...Array.from({ length: samples }, (_, i) => i % 3)));
});
after(() => rm(root, { recursive: true }));

const small = ['--hidden', '24', '--layers', '1', '--embed', '8', '--context', '4', '--batch-size', '64'];
const runJson = (...more: string[]) => waferstream(['train', '--data', 'text.txt', ...small, '--steps', '5', '--seed', '7', '--json', ...more], { cwd: root });
/** What must not depend on the shape. */
const keep = (lines: Record<string, unknown>[]) => lines.map(({ step, loss, learningRate, weightsDigest }) => ({ step, loss, learningRate, weightsDigest }));

describe('waferstream train', () => {
  test('prints what it trains, its progress and a summary', async () => {
    const ended = await waferstream(['train', '--data', 'text.txt', ...small, '--steps', '40', '--num-csx', '2', '--threads', '2', '--learning-rate', '0.01'], { cwd: root });
    assert.equal(ended.stderr, '');
    assert.equal(ended.code, 0);
    const first = /step +1\/40 {2}loss ([\d.]+) nats/.exec(ended.stdout), last = /step 40\/40 {2}loss ([\d.]+) nats/.exec(ended.stdout);
    assert.ok(Number(last?.[1]) < 0.7 * Number(first?.[1]), `${first?.[1]} to ${last?.[1]}`);
    for (const line of [/byteLm: [\d,]+ parameters; 2340 bytes of text from 1 file/, /2 CS-2 of \d+ × \d+ tiles, .* SRAM a tile/, /2 threads, kernels \S+/, /entropy of single bytes/, /weights [0-9a-f]{16}; .* samples\/s/]) {
      assert.match(ended.stdout, line);
    }
  });

  test('--json gives a line a step and a summary; the weights do not depend on the shape', async () => {
    const [one, other, otherSeed] = await Promise.all([runJson(), runJson('--num-csx', '3', '--threads', '1', '--rows', '3', '--cols', '5'), runJson('--seed', '8')]);
    const lines = jsonLines(one);
    assert.deepEqual(lines.map((line) => line['type']), ['step', 'step', 'step', 'step', 'step', 'summary']);
    assert.deepEqual(lines.slice(0, 5).map((line) => line['step']), [0, 1, 2, 3, 4]);
    assert.deepEqual(keep(jsonLines(other)), keep(lines));
    assert.notEqual(jsonLines(otherSeed).at(-1)?.['weightsDigest'], lines.at(-1)?.['weightsDigest']);
  });

  test('narrow types and a loss scale show in steps and summary; steps that overflow are told', async () => {
    const of = (...more: string[]) => runJson('--precision', 'float16', '--activations', 'float16', '--seed', '7', ...more);
    const [usual, byChance, high] = await Promise.all([of(), of('--stochastic-rounding', '--loss-scale', 'none'), waferstream(['train', '--data', 'text.txt', ...small, '--steps', '3', '--precision', 'float16', '--activations', 'float16', '--loss-scale', String(2 ** 40)], { cwd: root })]);
    const lines = jsonLines(usual), summary = lines.at(-1) ?? {};
    assert.deepEqual([lines[0]?.['lossScale'], lines[0]?.['skipped'], summary['skippedSteps'], summary['lossScale']], [2 ** 15, false, 0, 2 ** 15]);
    assert.notEqual(jsonLines(byChance).at(-1)?.['weightsDigest'], summary['weightsDigest']);
    assert.equal('lossScale' in (jsonLines(byChance)[0] ?? {}), false);
    assert.match(high.stdout, /step 2\/3 .*2 steps skipped, loss scale 1099511627776/);
    assert.match(high.stdout, /^3 steps skipped, loss scale 1099511627776$/m);
  });

  test('trains a classifier on a folder of IDX files, with momentum and a falling rate', async () => {
    const ended = await waferstream(['train', '--data', '.', '--hidden', '16', '--layers', '1', '--batch-size', '96', '--steps', '30', '--optimizer', 'sgd', '--momentum', '0.9', '--nesterov', '--schedule', 'cosine', '--warmup-steps', '3', '--json'], { cwd: root });
    assert.equal(ended.stderr, '');
    const lines = jsonLines(ended);
    assert.ok(Number(lines[29]?.['loss']) < 0.2 * Number(lines[0]?.['loss']));
    const rates = lines.slice(0, 30).map((line) => Number(line['learningRate']));
    assert.deepEqual([rates[0], rates[3], rates.indexOf(Math.min(...rates))], [0.1 / 3, 0.1, 29]);
    assert.equal(lines[30]?.['entropy'], null);
  });

  test('every optimizer learns from the whole text; without a learning rate the steps of adafactor are relative', async () => {
    const first = { adafactor: 0.01, rmsprop: 0.01, lion: 1e-4, lamb: 1e-3 };
    for (const [optimizer, rate] of Object.entries(first)) {
      const ended = await waferstream(['train', '--data', 'text.txt', ...small, '--batch-size', '2336', '--optimizer', optimizer, '--steps', '6', '--json'], { cwd: root });
      assert.equal(ended.stderr, '');
      const steps = jsonLines(ended).slice(0, 6);
      assert.deepEqual(steps.map((line) => line['learningRate']), Array<number>(6).fill(rate));
      assert.ok(Number(steps[5]?.['loss']) < Number(steps[0]?.['loss']), optimizer);
    }
  });

  test('a loss that is no number ends it with one line', async () => {
    const ended = await waferstream(['train', '--data', 'text.txt', ...small, '--optimizer', 'sgd', '--learning-rate', '1000000', '--steps', '50', '--json'], { cwd: root });
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /^waferstream: the loss of step \d+ \(got '(NaN|-?Infinity)'\)[^\n]*\n$/);
    const lines = jsonLines(ended), { type, kind, exitCode } = lines.at(-1) ?? {};
    assert.deepEqual([type, kind, exitCode], ['error', 'NonFiniteLoss', 1]);
    assert.ok(lines.every((line) => line['type'] !== 'summary'));
  });

  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    test(`${signal} closes the cluster and exits with ${code}`, async () => {
      const ended = await waferstream(['train', '--data', 'text.txt', ...small, '--steps', '100000000', '--json'], { cwd: root, onLine: (line, child) => void (line.includes('"step":3,') && child.kill(signal)) });
      assert.deepEqual({ code: ended.code, signal: ended.signal }, { code, signal: null });
      assert.match(ended.stderr, /^waferstream: [a-z]+\n$/);
    });
  }

  test('it ends when nobody reads its output any more', async () => {
    const ended = await waferstream(['train', '--data', 'text.txt', ...small, '--steps', '100000000', '--json'], { cwd: root, onLine: (_, child) => child.stdout?.destroy() });
    assert.equal(ended.code, 141);
  });
});

describe('waferstream verify', () => {
  test('finds the same bits on every shape', async () => {
    const ended = await waferstream(['verify', '--data', 'text.txt', ...small, '--steps', '2'], { cwd: root });
    assert.equal(ended.stderr, '');
    assert.equal(ended.code, 0);
    const rows = ended.stdout.split('\n').filter((line) => line.endsWith(' yes'));
    assert.ok(rows.length >= 12, ended.stdout);
    const digests = new Set(rows.map((row) => /\b[0-9a-f]{16}\b/.exec(row)?.[0]));
    assert.equal(digests.size, 1);
    assert.match(ended.stdout, /the same bits on all \d+ shapes/);
  });
});

describe('waferstream demo', () => {
  test('trains on its own text with 4 CS-2 and proves the same bits', async () => {
    const ended = await waferstream(['demo', '--steps', '120', '--dim', '64', '--layers', '1', '--context', '48', '--learning-rate', '0.01', '--max-tokens', '24'], { cwd: root });
    assert.equal(ended.stderr, '');
    assert.equal(ended.code, 0);
    assert.match(ended.stdout, /^4 CS-2 of/m);
    assert.match(ended.stdout, /held out: loss .* perplexity/);
    assert.match(ended.stdout, /loss of held-out text .* % below/);
    assert.match(ended.stdout, /what it writes .*seed 0; 96 tokens/);
    assert.equal(ended.stdout.match(/^── \d /gm)?.length, 4);
    const digests = [...ended.stdout.matchAll(/^ +([14]) CS-2, 12 steps: weights ([0-9a-f]{16})$/gm)];
    assert.deepEqual(digests.map(([, numCsx]) => numCsx), ['1', '4']);
    assert.equal(digests[0]?.[2], digests[1]?.[2]);
    assert.match(ended.stdout, /the same bits$/);
  });
});

describe('waferstream --help', () => {
  test('names the commands, and each command its options', async () => {
    const [all, one, version] = await Promise.all([waferstream(['--help']), waferstream(['train', '--help']), waferstream(['--version'])]);
    assert.match(all.stdout, /train[\s\S]*generate[\s\S]*prune[\s\S]*inspect[\s\S]*verify[\s\S]*demo/);
    assert.match(one.stdout, /--num-csx[\s\S]*--seed/);
    assert.match(version.stdout, /^\d+\.\d+\.\d+$/);
    assert.deepEqual([all.code, one.code, version.code], [0, 0, 0]);
  });
});
