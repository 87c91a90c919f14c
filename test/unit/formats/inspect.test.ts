/** Inspecting a checkpoint: rows, totals, and a table that a name out of a file cannot spoil. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { describeCheckpoint, inspectCheckpoint } from '../../../src/formats/inspect.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write.js';
import { CorruptFile } from '../../../src/util/errors.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-inspect-'));
});
after(() => rm(root, { recursive: true }));

const zeros = (name: string, ...shape: number[]) => ({ name, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
const ones = (name: string, ...shape: number[]) => ({ ...zeros(name, ...shape), data: zeros(name, ...shape).data.fill(1) });

describe('inspectCheckpoint', () => {
  test('rows, totals and metadata of one file', async () => {
    const path = join(root, 'one.safetensors');
    await writeSafetensors(path, [ones('wte.weight', 50, 32), zeros('b', 32), zeros('a\u001b[2J\u202e\n')], { dtype: 'BF16', metadata: { format: 'pt' } });
    const inspection = await inspectCheckpoint(path);
    assert.equal(inspection.path, path);
    assert.deepEqual(inspection.rows.at(-1), { name: 'wte.weight', dtype: 'BF16', shape: [50, 32], elements: 1600, bytes: 3200, shard: 'one.safetensors', zeros: 0 });
    assert.deepEqual({ ...inspection.totals, fileBytes: 0 }, { tensors: 3, elements: 1633, bytes: 3266, fileBytes: 0, shards: 1, sparseSize: 0, sparseStored: 0, matrixElements: 1600, matrixZeros: 0 });
    assert.ok(inspection.totals.fileBytes > 3266);
    assert.deepEqual(inspection.metadata, { format: 'pt' });
    assert.equal(
      describeCheckpoint(inspection),
      [
        'tensor                   dtype  shape     elements     size',
        'a\\u{1b}[2J\\u{202e}\\u{a}  BF16   []               1      2 B',
        'b                        BF16   [32]            32     64 B',
        'wte.weight               BF16   [50, 32]     1,600  3.1 KiB',
        '',
        'format: pt',
        '3 tensors, 1,633 elements, 3.2 KiB in 1 file',
      ].join('\n'),
    );
  });

  test('several files are named', async () => {
    const { path } = await writeSafetensors(join(root, 'model.safetensors'), [zeros('a', 4), zeros('b', 4)], { shardBytesMax: 16 });
    const text = describeCheckpoint(await inspectCheckpoint(root));
    assert.equal((await inspectCheckpoint(path)).totals.shards, 2);
    assert.match(text, /^b +F32 +\[4\] +4 +16 B {2}model-00002-of-00002\.safetensors$/m);
    assert.match(text, /2 tensors, 8 elements, 32 B in 2 files$/);
  });

  test('a checkpoint without tensors', async () => {
    const path = join(root, 'none.safetensors');
    await writeSafetensors(path, []);
    assert.equal(describeCheckpoint(await inspectCheckpoint(path)), 'tensor  dtype  shape  elements  size\n\n0 tensors, 0 elements, 0 B in 1 file');
  });

  test('what is no checkpoint is refused', () => assert.rejects(inspectCheckpoint(join(root, 'nothing')), CorruptFile));
});
