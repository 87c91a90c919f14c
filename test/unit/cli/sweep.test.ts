/** `waferstream sweep`: the same table however many processes and however often it was stopped; files, flags, machines; what is refused. Not here: the engine (unit/sweep/). */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { lockFolder } from '../../../src/storage/lock.js';
import { jsonLines, waferstream, type Ended } from './child.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-cli-'));
  await writeFile(join(root, 'text.txt'), 'She sells sea shells by the sea shore. '.repeat(30));
  await writeFile(join(root, 'plans.yaml'), 'base: { model: gpt, layers: 2, heads: 2, dim: 64, context: 64, vocab: 512, batchSize: 96 }\ngrid:\n  numCsx: 1..8*2\n  sparsity: [0, 0.9]\n  machine: { swarmX: { nodeLatencySeconds: 1e-6..1e-5*10 } }\n');
  await writeFile(join(root, 'runs.json'), JSON.stringify({
    kind: 'train', base: { data: 'text.txt', model: 'gpt', layers: 1, heads: 2, dim: 32, context: 16, batchSize: 8, steps: 3 },
    list: [{ numCsx: 1, rectangle: 'auto' }, { numCsx: 3, rectangle: '16x4' }, { numCsx: 1, rectangle: '1x1' }], grid: { learningRate: [0.01, 0.001], seed: '1,2' },
  }));
});
after(() => rm(root, { recursive: true }));

const run = async (line: string, code = 0): Promise<Ended> => {
  const ended = await waferstream(line.split(' '), { cwd: root });
  assert.equal(ended.code, code, `${line}: ${ended.stderr}`);
  return ended;
};
interface Point {
  readonly type: string;
  readonly parameters: Record<string, unknown>;
  readonly figures?: Record<string, number | string | null>;
  readonly refusal?: { readonly kind: string };
}
const pointsOf = (ended: Ended): readonly Point[] => (jsonLines(ended) as unknown as Point[]).filter(({ type }) => type === 'point');
/** Without what this host needed. */
const everywhere = (points: readonly Point[]) => points.map(({ parameters, figures, refusal }) => ({ parameters, refusal, figures: figures === undefined ? undefined : { ...figures, hostSeconds: 0 } }));

describe('planned points', () => {
  test('a grid from a file: a row a point in order; processes and a second call do not show, byte for byte', async () => {
    const [one, two] = await Promise.all([run('sweep plans.yaml --folder one --csv one.csv'), run('sweep plans.yaml --folder two --jobs 2 --csv two.csv')]);
    assert.equal(two.stdout, one.stdout);
    assert.equal(await readFile(join(root, 'two.csv'), 'utf8'), await readFile(join(root, 'one.csv'), 'utf8'));
    const [head = '', ...rows] = one.stdout.split('\n');
    assert.match(head, /^numCsx +sparsity +machine\.swarmX\.nodeLatencySeconds +microBatchSize .*secondsAStep +tokensPerSecond +utilization .*boundBy$/);
    assert.equal(rows.length, 16);
    assert.deepEqual(rows.slice(0, 5).map((row) => row.trim().split(/ {2,}/).slice(0, 3)), [['1', '0', '1e-6'], ['1', '0', '1e-5'], ['1', '0.9', '1e-6'], ['1', '0.9', '1e-5'], ['2', '0', '1e-6']]);
    const before = await readFile(join(root, 'one/results.jsonl'));
    await appendFile(join(root, 'one/results.jsonl'), '{"key":"torn');
    const again = await run('sweep plans.yaml --folder one');
    assert.equal(again.stdout, `1 damaged line taken out of results.jsonl: those points are done again\n${one.stdout}`);
    assert.deepEqual(await readFile(join(root, 'one/results.jsonl')), before);
  });

  test('options, --set and --zip; a wider sweep does only what is missing', async () => {
    const base = 'sweep --model gpt --layers 1 --heads 2 --dim 32 --context 32 --batch-size 64 --folder flags --json';
    const first = await run(`${base} --set numCsx=1,2 --set precision=float32,bfloat16`), wider = await run(`${base} --set numCsx=1..3 --set precision=float32,bfloat16`);
    assert.deepEqual(pointsOf(first).map(({ parameters }) => parameters), [1, 2].flatMap((numCsx) => ['float32', 'bfloat16'].map((precision) => ({ numCsx, precision }))));
    assert.deepEqual(jsonLines(wider).at(-1)?.['reused'], 4);
    assert.deepEqual(pointsOf(wider).slice(0, 4), pointsOf(first));
    const zipped = pointsOf(await run(`${base} --set numCsx=1,2,4 --set batchSize=32,64,128 --zip`.replace(' --batch-size 64', '')));
    assert.deepEqual(zipped.map(({ parameters }) => parameters), [[1, 32], [2, 64], [4, 128]].map(([numCsx, batchSize]) => ({ numCsx, batchSize })));
  });

  test('a machine by name and by constant; a slower edge is never faster', async () => {
    const found = pointsOf(await run('sweep --model 111m --batch-size 64 --set machine=wse2,wse3 --set machine.wafer.ioBytesPerSecond=1e9,1e11 --json'));
    const seconds = found.map(({ figures }) => Number(figures?.['secondsAStep']));
    assert.equal(seconds.length, 4);
    assert.ok((seconds[0] ?? 0) > (seconds[1] ?? 0) && (seconds[2] ?? 0) > (seconds[3] ?? 0), seconds.join(' '));
  });

  test('a point that cannot be is a row that says why; where none can be, the sweep is refused', async () => {
    const some = await run('sweep --model gpt2 --set rectangle=2x2,whole --csv some.csv');
    assert.match(some.stdout.split('\n')[1] ?? '', /^2x2 .*DoesNotFit: .* needs \d+ bytes and 49152 are there/);
    assert.match(await readFile(join(root, 'some.csv'), 'utf8'), /,refusal\r\n2x2,.*DoesNotFit/);
    const none = await run('sweep --model gpt2 --set rectangle=2x2,1x1', 78);
    assert.match(none.stderr, /^waferstream: all 2 points are refused, the first: [^\n]+\n$/);
  });

  test('a report with the table', async () => {
    await run('sweep --model gpt --dim 32 --heads 2 --batch-size 32 --set numCsx=1,2,4 --report sweep.html');
    const page = await readFile(join(root, 'sweep.html'), 'utf8');
    assert.match(page, /^<!doctype html>[\s\S]*sweep of 3 points/);
    assert.ok(page.includes('tokensPerSecond'));
  });
});

describe('trained points', () => {
  test('processes do not show, weights do not depend on shapes, what does not fit is a row', async () => {
    const [one, two] = await Promise.all([run('sweep runs.json --folder runs1 --json'), run('sweep runs.json --folder runs2 --json --jobs 2')]);
    assert.deepEqual(everywhere(pointsOf(two)), everywhere(pointsOf(one)));
    const points = pointsOf(one), digests = points.map(({ figures }) => figures?.['weightsDigest']);
    assert.equal(points.length, 12);
    assert.deepEqual(digests.slice(4, 8), digests.slice(0, 4));
    assert.equal(new Set(digests.slice(0, 4)).size, 4);
    assert.ok(points.slice(8).every(({ refusal }) => refusal?.kind === 'DoesNotFit'));
    assert.ok(points.slice(0, 8).every(({ figures }) => Number(figures?.['predictedSeconds']) > 0 && Number(figures?.['hostSeconds']) > 0));
  });

  test('Ctrl-C stops at the edge of a point; the same call goes on, and ends with the table of a sweep that was never stopped', async () => {
    const results = join(root, 'stopped/results.jsonl'), linesIn = (): number => (existsSync(results) ? readFileSync(results, 'utf8').split('\n').length - 2 : 0);
    const line = 'sweep runs.json --folder stopped --jobs 2';
    const ended = await waferstream(line.split(' '), { cwd: root, onSpawn: async (child) => {
      while (linesIn() < 2) await wait(5);
      child.kill('SIGINT');
    } });
    assert.deepEqual([ended.code, ended.signal, ended.stderr], [130, null, 'waferstream: interrupted\n']);
    const kept = linesIn();
    assert.ok(kept >= 2 && kept < 12, `${kept}`);
    assert.match(ended.stdout, new RegExp(`^${kept} of 12 points done, kept in stopped: the same call goes on from there$`));
    const resumed = await run(`${line} --json`);
    assert.equal(jsonLines(resumed).at(-1)?.['reused'], kept);
    assert.deepEqual(everywhere(pointsOf(resumed)), everywhere(pointsOf(await run('sweep runs.json --folder runs1 --json'))));
  });
});

test('two sweeps at once in a folder are refused', async () => {
  await run('sweep plans.yaml --folder held');
  const lock = lockFolder(join(root, 'held'));
  const ended = await run('sweep plans.yaml --folder held', 78);
  lock.release();
  assert.match(ended.stderr, /process \d+ .*writes here/);
});
