/**
 * Law: a disk that fails, fills up, lies, or belongs to somebody else ends a run with a typed error that names what and where; nothing is trained on what is wrong, and when the disk is
 * well again the run goes on from the last acknowledged step to the same bits.
 *
 * Disks of the host where it lets itself be asked; else operations that fail by plan, on the local dispatcher. Not here: losses of power (storage-crashes.test.ts).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, mock, test } from 'node:test';
import { adamW, Cluster, CorruptFile, DoesNotFit, mlp, StorageFailed, type ClusterOptions, type Model, type RunResult, type TrainOptions } from '../../src/index.js';
import { Ledger } from '../../src/cluster/coordinator/ports.js';
import type { OpenFile } from '../../src/storage/file-system.js';
import { layoutOf } from '../../src/storage/layout.js';
import { realFileSystem } from '../../src/storage/real-file-system.js';
import { openStore } from '../../src/storage/store.js';
import { assertSameBits } from '../../src/testing/index.js';
import { budgetOf, freshFolder } from '../support/tiers.js';

const features = 300, samples = 64;
const data: TrainOptions['data'] = { kind: 'features', inputs: Float32Array.from({ length: samples * features }, (_, i) => ((i * 31) % 17) / 17 - 0.5), labels: Int32Array.from({ length: samples }, (_, i) => i % 5) };
const net = mlp([features, 400, 200, 5]);
const options: TrainOptions = { data, optimizer: adamW(), steps: 4, batchSize: samples, seed: 5 };
const { least } = budgetOf({ model: net, options: { ...options, seed: 5 } }, { threads: 1 });
const local: ClusterOptions = { dispatcher: 'local', threads: 1 };

const trainOnce = async (memoryX: ClusterOptions['memoryX'], more: Partial<TrainOptions> = {}, model: Model = net, onBegun: () => void = () => {}): Promise<RunResult & { readonly acknowledged: number }> => {
  await using cluster = await Cluster.start({ ...local, ...(memoryX === undefined ? {} : { memoryX }) });
  const run = cluster.train(model, { ...options, ...more });
  onBegun();
  let acknowledged = 0;
  run.steps$.subscribe({ next: ({ step }) => (acknowledged = step + 1), error: () => {} });
  try {
    return { ...(await run.finished), acknowledged };
  } catch (error) {
    throw Object.assign(error as Error, { acknowledged });
  }
};
const acknowledgedBy = (error: unknown): number => (error as { readonly acknowledged?: number }).acknowledged ?? 0;

const calm = await trainOnce(undefined);
const same = (result: RunResult): void => assertSameBits(calm.weights, result.weights);

/** The newest step of a store; −1 where there is none. */
const newest = (folder: string): number => {
  const store = openStore(realFileSystem, folder, { mode: 'read' });
  try {
    return store.committedSteps()[0] ?? -1;
  } finally {
    store.close();
  }
};

/** Ends well after a fault: what was acknowledged is there, and the run goes on to the right bits. */
const goesOn = async (flashDir: string, acknowledged: number, shards = 1): Promise<void> => {
  const there = newest(flashDir);
  assert.ok(there >= acknowledged - (acknowledged === 0 ? 1 : 0) && there <= acknowledged + 1, `step ${there} is there and ${acknowledged} was acknowledged`);
  same(await trainOnce({ flashDir, dramBytes: least, shards }, there < 0 ? {} : { resume: flashDir }));
};

/** All files of the flash tier, with what happens at each operation. */
const meddle = (at: (operation: 'read' | 'write' | 'sync', file: OpenFile, bytes: Uint8Array | null, offset: number) => void): { restore(): void } => {
  const { open } = realFileSystem;
  const one = mock.method(realFileSystem, 'open', (...call: Parameters<typeof open>): OpenFile => {
    const file = open(...call);
    return {
      path: file.path, size: () => file.size(), close: () => file.close(), truncate: (bytes) => file.truncate(bytes),
      read(into, from) {
        file.read(into, from);
        at('read', file, into, from);
      },
      write(from, to) {
        at('write', file, from, to);
        file.write(from, to);
      },
      sync() {
        at('sync', file, null, 0);
        file.sync();
      },
    };
  });
  return { restore: () => one.mock.restore() };
};

test('a disk that fails at any of its operations: StorageFailed, and the run goes on when it is well', async () => {
  const flashDir = freshFolder('failing');
  let recovered = 0;
  const failingAt = async (number: number, durability: 'process' | 'power'): Promise<boolean> => {
    rmSync(flashDir, { recursive: true, force: true });
    let count = 0, hasFailed = false, isOn = false;
    const meddled = meddle((operation, { path }) => {
      if (!isOn || ++count !== number) return;
      hasFailed = true;
      throw new StorageFailed({ what: `${operation}: the disk failed`, where: path, value: 'EIO' });
    });
    let acknowledged = 0;
    try {
      const result = await trainOnce({ flashDir, dramBytes: least, shards: 2, durability }, {}, net, () => (isOn = true));
      acknowledged = result.acknowledged;
      // Weights are read when they are looked at: that, too, may fail.
      same(result);
      if (!hasFailed) return false;
      // A lane that cannot open its file is made anew, as after a death.
      recovered++;
    } catch (error) {
      assert.ok(error instanceof StorageFailed, String(error));
      assert.equal(error.code, 'EIO');
      acknowledged = Math.max(acknowledged, acknowledgedBy(error));
    } finally {
      meddled.restore();
    }
    if (hasFailed) await goesOn(flashDir, acknowledged, 2);
    return hasFailed;
  };
  let number = 1, failures = 0;
  for (; await failingAt(number, number % 2 === 0 ? 'power' : 'process'); number += 9) failures++;
  assert.ok(failures > 20 && recovered < 6, `${failures} failures in ${number} operations, ${recovered} recovered from`);
});

test('a byte that comes back changed is CorruptFile with shard, block and step, and no step is trained on it', async () => {
  const flashDir = freshFolder('lying');
  await trainOnce({ flashDir, dramBytes: least, shards: 2 });
  const store = openStore(realFileSystem, flashDir, { mode: 'read' }), layouts = store.shards.map(({ plan }) => layoutOf(plan));
  store.close();
  /** Behind heads, superblocks and tables; gradients have the least of these. */
  const contentsFrom = new Map([['state.bin', Math.max(...layouts.map(({ slots }) => slots[0][0] as number))], ['gradients.bin', layoutOf({ blocks: [4], scratchBytes: 4096, identity: '00'.repeat(32) }).scratch]]);
  let found = 0;
  for (let number = 1; ; number += 2) {
    rmSync(flashDir, { recursive: true, force: true });
    let reads = 0, isOn = false, hasLied = false;
    const meddled = meddle((operation, file, bytes, offset) => {
      if (!isOn || operation !== 'read' || bytes === null || offset < (contentsFrom.get(basename(file.path)) ?? Infinity) || ++reads !== number) return;
      hasLied = true;
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 16;
    });
    let acknowledged = 0;
    const outcome = await trainOnce({ flashDir, dramBytes: least, shards: 2 }, {}, net, () => (isOn = true)).then((result) => {
      ({ acknowledged } = result);
      result.weights.forEach(({ data: values }) => void values);
    }).catch((error: unknown) => error);
    meddled.restore();
    if (!hasLied) break;
    if (outcome === undefined) continue;
    assert.ok(outcome instanceof CorruptFile && /(shard-\d.*block \d+ of step \d+|gradients\.bin)/.test(outcome.message), String(outcome));
    found++;
    await goesOn(flashDir, Math.max(acknowledged, acknowledgedBy(outcome)), 2);
  }
  assert.ok(found > 5, `${found} lies found`);
});

test('a byte that was changed on the disk is found by whoever goes on, in place or elsewhere', async () => {
  const flashDir = freshFolder('flipped'), step = 2;
  await trainOnce({ flashDir, dramBytes: least, shards: 2 }, { steps: step });
  const store = openStore(realFileSystem, flashDir, { mode: 'read' });
  const places = store.shards.flatMap(({ path, plan }, shard) => plan.blocks.map((bytes, block) => ({ path, shard, block, at: (layoutOf(plan).slots[step % 2 === 0 ? 0 : 1][block] as number) + (bytes >> 1) })));
  store.close();
  assert.ok(places.length >= 4);
  for (const { path, block, at } of places) {
    const bytes = readFileSync(path), flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 1;
    writeFileSync(path, flipped);
    const named = (error: unknown): boolean => error instanceof CorruptFile && error.message.includes(path) && error.message.includes(`block ${block} of step ${step}`);
    await assert.rejects(trainOnce({ flashDir, dramBytes: least, shards: 2 }, { resume: flashDir }), named);
    assert.equal(newest(flashDir), step, 'no step was trained on it');
    await assert.rejects(async () => trainOnce(undefined, { resume: flashDir }), named);
    writeFileSync(path, bytes);
  }
  same(await trainOnce({ flashDir, dramBytes: least, shards: 2 }, { resume: flashDir }));
});

test('a slow disk shows in no bit: answers come hundreds of turns of the event loop late', async () => {
  const flashDir = freshFolder('slow'), { ask } = Ledger.prototype;
  for (const [commits, others] of [[300, 0], [0, 60], [300, 60]] as const) {
    rmSync(flashDir, { recursive: true, force: true });
    const slow = mock.method(Ledger.prototype, 'ask', async function (this: Ledger, ...call: Parameters<typeof ask>) {
      const answer = await ask.apply(this, call), { type } = call[1] as { readonly type: string };
      for (let turn = type === 'flash.commit' ? commits : type.startsWith('flash.') ? others : 0; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      return answer;
    });
    try {
      same(await trainOnce({ flashDir, dramBytes: least, shards: 2 }));
      assert.ok(slow.mock.callCount() > 20);
    } finally {
      slow.mock.restore();
    }
  }
});

/** A small disk of its own; null where the host does not let us mount. */
const smallDisk = (bytes: number): string | null => {
  let folder = '';
  // Before the folder is removed, by the order of the hooks.
  after(() => spawnSync('umount', ['-l', folder]));
  folder = dirname(freshFolder('disk'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]).status !== 0) return null;
  return folder;
};
const noMount = 'this host does not let a test mount a disk';

test('a disk that fills up: StorageFailed, and with room again the run goes on', async (context) => {
  const disk = smallDisk(12 * 2 ** 20);
  if (disk === null) return context.skip(noMount);
  const flashDir = join(disk, 'run'), ballast = join(disk, 'ballast');
  let failures = 0, resumed = 0;
  for (let room = 0; ; room += 300 * 1024) {
    rmSync(flashDir, { recursive: true, force: true });
    const error: unknown = await trainOnce({ flashDir, dramBytes: least }, {}, net, () => {
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - room)));
    }).then(() => null, (reason: unknown) => reason);
    rmSync(ballast);
    if (error === null) break;
    assert.ok(error instanceof StorageFailed && error.code === 'ENOSPC', String(error));
    failures++;
    if (newest(flashDir) >= 0) resumed++;
    await goesOn(flashDir, acknowledgedBy(error));
  }
  assert.ok(failures > 5 && resumed > 2, `${failures} runs found the disk full, ${resumed} of them with something to go on from`);
  rmSync(flashDir, { recursive: true, force: true });
  writeFileSync(ballast, Buffer.alloc(10 * 2 ** 20));
  await assert.rejects(trainOnce({ flashDir, dramBytes: least }), (error) => error instanceof DoesNotFit && error.needBytes > error.haveBytes);
});

test('a folder that is read-only: StorageFailed; its state can be gone on from elsewhere', async (context) => {
  const disk = smallDisk(24 * 2 ** 20);
  if (disk === null) return context.skip(noMount);
  const flashDir = join(disk, 'run');
  await trainOnce({ flashDir, dramBytes: least }, { steps: 2 });
  assert.equal(spawnSync('mount', ['-o', 'remount,ro', disk]).status, 0);
  const isReadOnly = (error: unknown): boolean => error instanceof StorageFailed && error.code === 'EROFS';
  await assert.rejects(trainOnce({ flashDir, dramBytes: least }, { resume: flashDir }), isReadOnly);
  await assert.rejects(trainOnce({ flashDir: join(disk, 'other') }), isReadOnly);
  same(await trainOnce(undefined, { resume: flashDir }));
});
