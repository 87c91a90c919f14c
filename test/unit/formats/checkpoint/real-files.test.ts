/** Checkpoints among the host's own files: killed processes, disks that refuse, other readers of the same files. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { latestCheckpoint, listCheckpoints, pruneCheckpoints, removeLeftovers } from '../../../../src/formats/checkpoint/folders.js';
import { readCheckpointState, verifyCheckpoint } from '../../../../src/formats/checkpoint/read.js';
import { readCheckpoint } from '../../../../src/formats/hugging-face/checkpoint.js';
import { openSafetensors } from '../../../../src/formats/safetensors/open.js';
import { mlp } from '../../../../src/model/presets/small.js';
import { crc32 } from '../../../../src/storage/crc.js';
import { realFileSystem as fs } from '../../../../src/storage/real-file-system.js';
import type { CheckpointTensor } from '../../../../src/formats/checkpoint/tensor-file.js';
import { beginCheckpoint, type WrittenRanges } from '../../../../src/formats/checkpoint/write.js';
import type { CheckpointLane } from '../../../support/checkpoint-lane.js';
import { assertWhole, bitsOf, someState, valuesOf, writeWhole } from '../../../support/checkpoints.js';

const root = mkdtempSync(join(tmpdir(), 'waferstream-checkpoints-')), child = fileURLToPath(new URL('../../../support/checkpoint-child.js', import.meta.url));
after(() => rmSync(root, { recursive: true }));
const unix = { skip: process.platform === 'win32' ? 'has no such signals and limits' : false };

test('a process killed while it writes leaves whole checkpoints, each of the steps that it told of among them', unix, async (t) => {
  const dir = join(root, 'killed');
  let newest = 0, leftovers = 0;
  for (let run = 0; run < 10; run++) {
    const writer = spawn(process.execPath, [child, dir], { stdio: ['ignore', 'pipe', 'inherit'] }), lines: string[] = [];
    for await (const line of createInterface({ input: writer.stdout })) {
      lines.push(line);
      if (lines.length === 2 + run) writer.kill('SIGKILL');
    }
    const told = Number(lines.at(-1)), found = listCheckpoints(dir);
    assert.ok(told > newest, lines.join('\n'));
    newest = found.at(-1)?.step ?? 0;
    assert.ok(newest === told || newest === told + 1, `told ${told}, found ${newest}`);
    // Three are kept, one may be there before the oldest goes.
    assert.ok(found.length >= Math.min(3, told) && found.length <= 4, `${found.length}`);
    assert.deepEqual(found.map(({ step }) => step), found.map((_, i) => newest - found.length + 1 + i));
    for (const { step, path } of found) {
      assert.deepEqual(verifyCheckpoint(path), []);
      assertWhole(path, step, fs);
    }
    leftovers += readdirSync(dir).length - found.length;
    if (run === 9) removeLeftovers(dir);
  }
  assert.deepEqual(readdirSync(dir), listCheckpoints(dir).map(({ path }) => path.slice(dir.length + 1)));
  t.diagnostic(`${newest} checkpoints, ${leftovers} leftovers`);
});

test('a file that may not grow: a typed error with its code, and the checkpoints before stay', unix, () => {
  const dir = join(root, 'limited');
  writeWhole(dir, 1, fs);
  // Units of 512 bytes; the file of moments is larger.
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -f 16; exec "$0" "$@"', process.execPath, child, dir], { encoding: 'utf8', timeout: 60_000 });
  const failure = JSON.parse(stdout.trim()) as { name: string; message: string; value: string };
  assert.deepEqual([failure.name, failure.value], ['StorageFailed', 'EFBIG']);
  assert.match(failure.message, /optimizer\.safetensors: .*the file may not grow that large/);
  assert.deepEqual(listCheckpoints(dir).map(({ step }) => step), [1]);
  assert.deepEqual(readdirSync(dir), ['step-00000001']);
});

test('threads write their parts of every tensor out of one shared memory', async () => {
  const dir = join(root, 'threads'), shape = [300, 1000], lanes = 3;
  const tensors: readonly CheckpointTensor[] = [{ file: 'model', name: 'a', shape }, { file: 'optimizer', name: 'a.exp_avg', shape }, { file: 'masks', name: 'a', shape }];
  const shared = tensors.map((tensor): CheckpointLane['tensors'][number] => {
    const bits = bitsOf(valuesOf(9, tensor)), memory = new SharedArrayBuffer(bits.length);
    new Uint8Array(memory).set(bits);
    return { ...tensor, memory };
  });
  const writer = beginCheckpoint(dir, 9, tensors), ended = await Promise.all(Array.from({ length: lanes }, (_, lane) => new Promise<WrittenRanges>((resolve, reject) => {
    const workerData: CheckpointLane = { partFolder: writer.partFolder, tensors: shared, lane, lanes };
    new Worker(new URL('../../../support/checkpoint-lane.js', import.meta.url), { workerData }).once('message', resolve).once('error', reject);
  })));
  for (const ranges of ended) writer.add(ranges);
  const path = writer.finish(someState(9, tensors));
  assert.deepEqual(verifyCheckpoint(path), []);
  assertWhole(path, 9, fs, tensors);
});

test('the files are what other programs read, and their checksums what other programs count', async () => {
  const dir = join(root, 'others'), model = mlp([6, 5, 4]);
  const weights = model.parameters.map(({ name, shape }): CheckpointTensor => ({ file: 'model', name, shape })), sparse = weights[0] as CheckpointTensor;
  const tensors: readonly CheckpointTensor[] = [...weights, { file: 'masks', name: sparse.name, shape: sparse.shape }, { file: 'optimizer', name: `${sparse.name}.row`, shape: [6] }];
  const path = writeWhole(dir, 12, fs, tensors);
  assert.deepEqual(readdirSync(path), ['masks.safetensors', 'model.safetensors', 'optimizer.safetensors', 'state.json']);
  for (const { name, bytes, crc32: sum } of readCheckpointState(path).files) {
    const whole = readFileSync(join(path, name));
    assert.deepEqual([whole.length, crc32(whole).toString(16).padStart(8, '0')], [bytes, sum], name);
  }
  const { weights: read } = await readCheckpoint(model, path);
  read.forEach(({ name, data }, i) => assert.deepEqual(bitsOf(data), bitsOf(valuesOf(12, weights[i] as CheckpointTensor)), name));
  await using masks = await openSafetensors(join(path, 'masks.safetensors'));
  assert.equal(masks.tensors.get(sparse.name)?.dtype, 'U8');
  const state: unknown = JSON.parse(readFileSync(join(path, 'state.json'), 'utf8'));
  assert.ok(typeof state === 'object' && state !== null && 'step' in state && state.step === 12);
  writeWhole(dir, 13, fs, tensors);
  pruneCheckpoints(dir, 1);
  assert.deepEqual([readdirSync(dir), latestCheckpoint(dir)?.step], [['step-00000013'], 13]);
});
