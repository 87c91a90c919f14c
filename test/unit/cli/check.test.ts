/** `inspect` and `check` on checkpoints of a training, folders of them, and stores: what they say, and how they end. */
import assert from 'node:assert/strict';
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeSafetensors } from '../../../src/formats/safetensors/write.js';
import { realFileSystem as fs } from '../../../src/storage/real-file-system.js';
import { createStore, openStore } from '../../../src/storage/store.js';
import { writeWhole } from '../../support/checkpoints.js';
import { childBlock } from '../../support/storage-contents.js';
import { jsonDocument, jsonLines, waferstream } from './child.js';

const root = mkdtempSync(join(tmpdir(), 'waferstream-check-'));
after(() => rmSync(root, { recursive: true }));

/** Changes the byte at `at`, from the end if below 0. */
const flip = (path: string, at: number): void => {
  const file = openSync(path, 'r+'), byte = new Uint8Array(1), position = at < 0 ? statSync(path).size + at : at;
  readSync(file, byte, 0, 1, position);
  writeSync(file, Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, position);
  closeSync(file);
};

test('checkpoints: told of, found whole, found damaged', async () => {
  const dir = join(root, 'run'), one = writeWhole(dir, 3, fs);
  writeWhole(dir, 12, fs);
  const told = await waferstream(['inspect', one]);
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stdout, /^a model after step 3: 2 parameters, 1,230 values, 15\.\d KiB in 3 files$/m);
  assert.match(told.stdout, /^layers\.0\.weight +\[40, 30\] +1,200 +\d{3} +\d\d\.\d % +exp_avg, exp_avg_sq$/m);
  assert.match(told.stdout, /^optimizer +\{"kind":"adamW"/m);
  assert.match(told.stdout, /^samples seen +96$/m);
  assert.match(told.stdout, /^masks\.safetensors +1\.\d KiB +1 +[0-9a-f]{8}$/m);
  const asJson = jsonDocument(await waferstream(['inspect', one, '--json'])), [parameter, ...parameters] = asJson['parameters'] as Record<string, unknown>[];
  assert.deepEqual([asJson['kind'], asJson['step'], asJson['clipNorm'], parameter?.['moments'], parameters.length, (asJson['files'] as unknown[]).length], ['checkpoint', 3, 1, ['exp_avg', 'exp_avg_sq'], 1, 3]);
  const listed = await waferstream(['inspect', dir]);
  assert.match(listed.stdout, /^ +3 +15\.\d KiB +1\.6667 +a model +.*step-00000003\n +12 .*\n\n2 checkpoints, /m);
  const listedJson = jsonDocument(await waferstream(['inspect', dir, '--json']));
  assert.deepEqual([listedJson['kind'], (listedJson['checkpoints'] as Record<string, unknown>[]).map(({ step }) => step), listedJson['weights']], ['checkpoints', [3, 12], null]);
  await writeSafetensors(join(dir, 'model.safetensors'), [{ name: 'at the end', shape: [3], data: new Float32Array(3) }]);
  assert.match((await waferstream(['inspect', dir])).stdout, /2 checkpoints[\s\S]*^at the end +F32 +\[3\]/m);
  assert.equal((jsonDocument(await waferstream(['inspect', dir, '--json']))['weights'] as { readonly totals: { readonly elements: number } }).totals.elements, 3);

  const whole = await waferstream(['check', dir]);
  assert.deepEqual([whole.code, whole.stderr, whole.stdout.split('\n').length], [0, '', 9]);
  assert.match(whole.stdout, /^ok {7}.*step-00000012.optimizer\.safetensors$[\s\S]*^run: 8 files, no damage$/m);
  flip(join(one, 'optimizer.safetensors'), -1);
  flip(join(one, 'masks.safetensors'), 20);
  const damaged = await waferstream(['check', dir]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stdout, /^DAMAGED {2}.*step-00000003.optimizer\.safetensors\n {9}.*tensor 'layers\.0\.weight\.exp_avg_sq' is not what was written.*\nDAMAGED {2}.*masks\.safetensors\n/m);
  assert.match(damaged.stderr, /^waferstream: .*2 of 8 files are damaged; go back to an older checkpoint, or to a copy\n$/);
  const lines = jsonLines(await waferstream(['check', one, '--json']));
  assert.deepEqual(lines.map(({ type, damage, tensor }) => [type, damage ?? tensor]), [['file', 0], ['file', 0], ['file', 1], ['damage', 'layers.0.weight.exp_avg_sq'], ['file', 1], ['damage', null], ['summary', undefined], ['error', undefined]]);
  flip(join(one, 'state.json'), 40);
  assert.match((await waferstream(['inspect', dir])).stdout, /DAMAGED.*step-00000003\n.*\n\n.*state\.json: field crc32/);
  assert.match((await waferstream(['check', one])).stderr, /1 of 1 files are damaged/);
  assert.match((await waferstream(['inspect', one])).stderr, /state\.json: field crc32: the file is not what was written/);
});

test('stores: told of, found whole, found damaged in the newest step alone', async () => {
  const folder = join(root, 'store'), blocks = [[4000, 100_000], [12_000]];
  createStore(fs, folder, { identity: 'ab'.repeat(32), shards: blocks.map((some) => ({ blocks: some, scratchBytes: 4096 })), pieces: [{ name: 'weight', bytes: 16_000, parts: [{ shard: 0, block: 0, offset: 0, bytes: 4000 }, { shard: 1, block: 0, offset: 0, bytes: 12_000 }] }], about: { model: 'a gpt', seed: 3 } });
  assert.match((await waferstream(['inspect', folder])).stdout, /^store of 2 shards: nothing committed yet$/m);
  const store = openStore(fs, folder, { mode: 'write' });
  for (const step of [0, 1]) {
    blocks.forEach((some, s) => some.forEach((bytes, block) => store.shards[s]?.write(step, block, childBlock(step, s, block, bytes))));
    store.commit(step, ['', ''], 'power');
  }
  store.close();
  const told = await waferstream(['inspect', folder]);
  assert.match(told.stdout, /^store of 2 shards: committed steps 1 and 0\n\nmodel +a gpt\nseed +3\n\n/);
  assert.match(told.stdout, /^ +1 +1 +11\.7 KiB +4\.0 KiB +.*shard-1.state\.bin$/m);
  assert.match(told.stdout, /^weight +15\.6 KiB +2$/m);
  const storeJson = jsonDocument(await waferstream(['inspect', folder, '--json']));
  assert.deepEqual([storeJson['kind'], storeJson['steps'], (storeJson['shards'] as unknown[]).length, (storeJson['pieces'] as unknown[]).length, storeJson['about']], ['store', [1, 0], 2, 1, { model: 'a gpt', seed: 3 }]);
  const whole = await waferstream(['check', folder]);
  assert.deepEqual([whole.code, whole.stdout.split('\n').at(-1)], [0, 'store: 2 shards, no damage']);

  // A process killed while it writes step 2 leaves a part of it where step 0 was.
  const next = openStore(fs, folder, { mode: 'write' });
  next.shards[0]?.write(2, 0, childBlock(2, 0, 0, 4000));
  next.close();
  const half = await waferstream(['check', folder]);
  assert.equal(half.code, 0, half.stdout + half.stderr);
  assert.match(half.stdout, /^ok .*shard-0.state\.bin\n {9}1 blocks of a step beside the newest are overwritten: no loss$/m);

  const again = openStore(fs, folder, { mode: 'write' });
  blocks.forEach((some, s) => some.forEach((bytes, block) => again.shards[s]?.write(2, block, childBlock(2, s, block, bytes))));
  again.commit(2, ['', ''], 'power');
  again.close();
  const path = join(folder, 'shard-0', 'state.bin'), at = ((): number => {
    const file = fs.open(path, 'read'), bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    file.close();
    return Buffer.from(bytes).indexOf(childBlock(2, 0, 1, 100_000));
  })();
  assert.ok(at > 0);
  flip(path, at + 5000);
  const damaged = await waferstream(['check', folder, '--json']);
  assert.equal(damaged.code, 1);
  assert.deepEqual(jsonLines(damaged).map(({ type, step, block, damage }) => [type, step ?? damage, block]), [['shard', 1, undefined], ['damage', 2, 1], ['shard', 0, undefined], ['summary', undefined, undefined], ['error', undefined, undefined]]);
  assert.match(damaged.stderr, /1 of 2 shards are damaged; go back to a checkpoint or to a copy\n$/);
  writeFileSync(path, '');
  const emptied = await waferstream(['check', folder]);
  assert.equal(emptied.code, 1);
  assert.match(emptied.stdout, /^DAMAGED {2}.*shard-0.state\.bin\n {9}.*\nok .*shard-1.state\.bin$/m);
  assert.match(emptied.stderr, /1 of 2 shards are damaged/);
});

test('a path at which nothing has checksums', async () => {
  mkdirSync(join(root, 'none'));
  const nothing = await waferstream(['check', join(root, 'none')]), nowhere = await waferstream(['check', join(root, 'nowhere')]), without = await waferstream(['check']);
  assert.deepEqual([nothing.code, nowhere.code, without.code], [78, 1, 78]);
  assert.match(nothing.stderr, /^waferstream: .*none: neither a checkpoint of a training, nor a folder of them, nor a store; /);
  assert.match(nowhere.stderr, /^waferstream: .*nowhere: no such file or folder; check the path\n$/);
});
