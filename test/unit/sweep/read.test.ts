/** Sweeps out of files: grids, lists in both forms, bases in place and beside, blocks as paths; what is wrong is named by file and field. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readSweep, type SweepFile } from '../../../src/sweep/read.js';
import { WaferstreamError } from '../../../src/util/errors.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-sweep-'));
  await mkdir(join(root, 'deep'));
  await writeFile(join(root, 'base.yaml'), 'model: gpt\ndim: 64\n');
});
after(() => rm(root, { recursive: true }));

const read = async (text: string, name = 'sweep.yaml'): Promise<SweepFile> => {
  const path = join(root, name);
  await writeFile(path, text);
  return readSweep(path);
};
const refused = (text: string, says: RegExp): Promise<void> => assert.rejects(read(text), (error) => error instanceof WaferstreamError && says.test(error.message) && error.message.includes(root), String(says));

test('kind, base, grid and list, in YAML and in JSON', async () => {
  const expected = {
    kind: 'train', base: { model: 'gpt', 'machine.swarmX.nodeLatencySeconds': 1e-6, nesterov: true },
    grid: [{ path: 'numCsx', values: [1, 2, 4] }, { path: 'machine.core.x', values: [0.5] }, { path: 'precision', values: ['float32', 'float16'] }], list: [{ layers: 2, dim: 8 }, { layers: 3, dim: 16 }],
  };
  assert.deepEqual(await read(`
kind: train
base: { model: gpt, machine: { swarmX: { nodeLatencySeconds: 1e-6 } }, nesterov: true }
grid:
  numCsx: 1..4*2
  machine: { core: { x: 0.5 } }
  precision: [float32, float16]
list:
  - { layers: 2, dim: 8 }
  - layers: 3
    dim: 16
`), expected);
  const { grid, ...json } = expected;
  assert.deepEqual(await read(JSON.stringify({ ...json, grid: Object.fromEntries(grid.map(({ path, values }) => [path, values])) }), 'sweep.json'), expected);
  assert.deepEqual((await read('list: { layers: [2, 3], dim: "8,16" }')).list, expected.list);
  assert.deepEqual(await read('{}'), { base: {}, grid: [], list: [] });
});

test('a base may be a file beside the sweep', async () => {
  assert.deepEqual((await read('base: base.yaml')).base, { model: 'gpt', dim: 64 });
  assert.deepEqual((await read('base: ../base.yaml', 'deep/sweep.yaml')).base, { model: 'gpt', dim: 64 });
});

test('everything else is refused: where, what, and what is accepted', async () => {
  for (const [text, says] of [
    ['grid: 3', /field grid.*parameters and their values/], ['grids: {}', /field grids.*did you mean grid\?/], ['kind: run', /field kind.*plan or train/], ['- 1', /the whole of it/], ['3', /the whole of it/],
    ['list: 3', /field list/], ['list: [3]', /field list\[0\]/], ['base: missing.yaml', /missing\.yaml: no such file/], ['a: b: c', /neither YAML nor JSON/], ['grid: { a: 1, a: 2 }', /line 1, column/],
    [`base: ${'{ a: '.repeat(12)}1${' }'.repeat(12)}`, /inside each other/],
  ] as const) await refused(text, says);
  await assert.rejects(read('grid: { numCsx: 4..1 }'), /range of numCsx: it begins above its end/);
  await assert.rejects(read('base: { numCsx: [1, 2] }'), /the value of numCsx/);
});
