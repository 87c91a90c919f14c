/** A store: what it says of itself, what it refuses, shards that are ahead, disks that are full or broken. Not here: crashes at any operation (laws/storage-crashes.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileSystem } from '../../../src/storage/file-system.js';
import { layoutOf } from '../../../src/storage/layout.js';
import { describeStore, verifyShard, verifyStore } from '../../../src/storage/look.js';
import { openShard } from '../../../src/storage/shard.js';
import { createStore, openStore, type Store, type StorePlan } from '../../../src/storage/store.js';
import { CorruptFile, DoesNotFit, InvalidConfig, StorageFailed } from '../../../src/util/errors.js';
import { Crash, SimulatedDisk } from '../../support/simulated-disk.js';

const plan: StorePlan = {
  identity: 'ab'.repeat(32),
  shards: [{ blocks: [8, 4096], scratchBytes: 0 }, { blocks: [5000], scratchBytes: 4096, folder: '/other/disk' }],
  pieces: [
    { name: 'weight', bytes: 1004, parts: [{ shard: 1, block: 0, offset: 4000, bytes: 1000 }, { shard: 0, block: 0, offset: 4, bytes: 4 }] },
    { name: 'moment', bytes: 4096, parts: [{ shard: 0, block: 1, offset: 0, bytes: 4096 }] },
  ],
  about: { model: 'gpt', seed: 3 },
};
const folder = '/run/store', first = '/run/store/shard-0/state.bin', second = '/other/disk/shard-1.bin';

const write = (store: Store, step: number): void => store.shards.forEach((shard) => shard.plan.blocks.forEach((bytes, block) => shard.write(step, block, new Uint8Array(bytes).fill(step * 16 + block))));
const make = (disk = new SimulatedDisk(1)): { readonly disk: SimulatedDisk; readonly fs: FileSystem } => {
  const fs = disk.start();
  createStore(fs, folder, plan);
  return { disk, fs };
};
const withSteps = (count: number): { readonly disk: SimulatedDisk; readonly fs: FileSystem } => {
  const made = make(), store = openStore(made.fs, folder, { mode: 'write' });
  for (let step = 1; step <= count; step++) {
    write(store, step);
    store.commit(step, ['{}', `{"step":${step}}`], 'power');
  }
  store.close();
  return made;
};
const throwsOf = (kind: new (...parts: never[]) => Error, says: RegExp, run: () => void): void =>
  assert.throws(run, (error) => error instanceof kind && says.test(error.message));
const damage = (fs: FileSystem, path: string, at: number): void => {
  const file = fs.open(path, 'write'), byte = new Uint8Array(1);
  file.read(byte, at);
  file.write(Uint8Array.of((byte[0] ?? 0) ^ 0x10), at);
};

test('a store says what it is, where its shards are, and gives steps, states and pieces', () => {
  const { fs } = withSteps(3), { manifest, paths, steps } = describeStore(fs, folder);
  assert.deepEqual([paths, steps, manifest.about, manifest.pieces], [[first, second], [3, 2], plan.about, plan.pieces]);
  const store = openStore(fs, folder, { mode: 'read', expect: plan });
  assert.deepEqual(store.states(3), ['{}', '{"step":3}']);
  assert.deepEqual(store.readPiece(3, 'weight'), new Uint8Array(1004).fill(48));
  assert.deepEqual(store.readPiece(2, 'moment'), new Uint8Array(4096).fill(33));
  throwsOf(InvalidConfig, /no such piece \(got 'bias', limit \["weight","moment"\]\)/, () => store.readPiece(3, 'bias'));
  throwsOf(CorruptFile, /step 1 is not there/, () => store.states(1));
  assert.deepEqual(verifyStore(fs, folder), []);
});

test('threads open the shards of the one open store by path and checksums, and it acknowledges for all', () => {
  const { fs } = withSteps(1), store = openStore(fs, folder, { mode: 'write' });
  const lanes = describeStore(fs, folder).paths.map((path, i) => openShard(fs, path, { mode: 'write', checksums: store.shards[i]?.checksums ?? new SharedArrayBuffer(0) }));
  for (const step of [2, 3]) {
    lanes.forEach((lane) => {
      lane.plan.blocks.forEach((bytes, block) => lane.write(step, block, new Uint8Array(bytes).fill(step)));
      lane.commit(step, '', 'process');
    });
    store.acknowledge(step);
  }
  assert.deepEqual(store.committedSteps(), [3, 2]);
  assert.deepEqual(store.readPiece(3, 'weight'), new Uint8Array(1004).fill(3));
});

test('one writer at a time; readers beside it', () => {
  const { fs } = withSteps(1), store = openStore(fs, folder, { mode: 'write' });
  throwsOf(InvalidConfig, /writes here/, () => openStore(fs, folder, { mode: 'write' }));
  assert.deepEqual(openStore(fs, folder, { mode: 'read' }).committedSteps(), [1]);
  store.close();
  openStore(fs, folder, { mode: 'write' }).close();
});

test('a store of another configuration is refused by the names of what differs, and leaves no lock', () => {
  const { fs } = withSteps(1), expect = { identity: 'cd'.repeat(32), about: { model: 'gpt', seed: 4, steps: 9 } };
  throwsOf(InvalidConfig, /\/run\/store: the store was made for other seed, steps /, () => openStore(fs, folder, { mode: 'write', expect }));
  throwsOf(InvalidConfig, /made for another identity/, () => openStore(fs, folder, { mode: 'write', expect: { identity: expect.identity } }));
  openStore(fs, folder, { mode: 'write' }).close();
});

test('files of two stores do not mix, even of the same configuration', () => {
  const { fs } = withSteps(2), otherFolder = '/run/other';
  createStore(fs, otherFolder, { ...plan, shards: plan.shards.map(({ blocks, scratchBytes }) => ({ blocks, scratchBytes })) });
  fs.rename(`${otherFolder}/shard-0/state.bin`, first);
  throwsOf(InvalidConfig, /shard-0\/state\.bin: the shard belongs to another store/, () => openStore(fs, folder, { mode: 'read' }));
  assert.deepEqual(verifyStore(fs, folder).map(({ shard, step }) => [shard, step]), [[folder, null]]);
});

test('damage is found where it is', () => {
  const { fs } = withSteps(3), { slots, tables } = layoutOf({ blocks: [8, 4096], scratchBytes: 0, identity: plan.identity });
  damage(fs, first, slots[1][1] as number);
  damage(fs, first, slots[0][0] as number);
  const found = verifyShard(fs, first);
  assert.deepEqual(found.map(({ step, block }) => [step, block]), [[3, 1], [2, 0]]);
  assert.match(found[0]?.what ?? '', /shard-0\/state\.bin: block 1 of step 3 is not what was written/);
  assert.deepEqual(verifyStore(fs, folder), found);
  throwsOf(CorruptFile, /shard-0\/state\.bin: block 1 of step 3/, () => openStore(fs, folder, { mode: 'read' }).readPiece(3, 'moment'));
  damage(fs, first, tables[1]);
  assert.deepEqual(describeStore(fs, folder).steps, [2]);
  damage(fs, first, 20);
  throwsOf(CorruptFile, /head is damaged/, () => openStore(fs, folder, { mode: 'write' }));
  assert.deepEqual(verifyStore(fs, folder).map(({ shard, step }) => [shard, step]), [[first, null]]);
  fs.remove(second);
  assert.match(verifyStore(fs, folder)[1]?.what ?? '', /shard-1\.bin: opening: no such file/);
});

test('from a damaged step one can go back, and from a shard that is ahead the step is taken back', () => {
  const { fs } = withSteps(3);
  let store = openStore(fs, folder, { mode: 'write' });
  store.goBack();
  assert.deepEqual(store.committedSteps(), [2]);
  throwsOf(CorruptFile, /no older step/, () => store.goBack());
  write(store, 3);
  store.shards[0]?.commit(3, 'alone', 'power');
  store.close();
  store = openStore(fs, folder, { mode: 'write' });
  assert.deepEqual([store.committedSteps(), store.shards[0]?.committed.map(({ step }) => step)], [[2], [2]]);
  assert.deepEqual(store.readPiece(2, 'moment'), new Uint8Array(4096).fill(33));
});

test('shards that cannot be of one history are refused, not settled', () => {
  const { fs } = withSteps(3), { superblocks } = layoutOf({ blocks: [5000], scratchBytes: 4096, identity: plan.identity });
  for (const at of superblocks) damage(fs, second, at + 17);
  throwsOf(CorruptFile, /no step is there in all shards/, () => openStore(fs, folder, { mode: 'write' }));
  assert.deepEqual(openShard(fs, first, { mode: 'read' }).committed.map(({ step }) => step), [3, 2]);
});

test('a full disk, a broken one and a read-only one say so, and the last step stays', () => {
  const { disk, fs } = withSteps(2);
  for (const [faults, code, hint] of [
    [{ capacityBytes: 0 }, 'ENOSPC', /no space is left.*free space/], [{ readOnly: true }, 'EROFS', /read-only/], [{ brokenFrom: 0 }, 'EIO', /the disk failed/],
  ] as const) {
    const store = openStore(fs, folder, { mode: 'write' });
    const scratch = store.shards[1];
    disk.faults = faults;
    assert.throws(() => (code === 'ENOSPC' ? scratch?.writeScratch(0, new Uint8Array(4096)) : write(store, 3)), (error) =>
      error instanceof StorageFailed && error.code === code && hint.test(error.message) && /^\/(run|other)\/.*writing/.test(error.message));
    disk.faults = {};
    store.close();
    assert.deepEqual([describeStore(fs, folder).steps, verifyStore(fs, folder)[0]?.step ?? 2], [[2, 1], 2]);
  }
});

test('making refuses what is there, what does not fit on the disk of all its shards, and pieces outside of blocks', () => {
  const { disk, fs } = make();
  throwsOf(InvalidConfig, /store\.json: it exists already/, () => createStore(fs, folder, plan));
  disk.faults = { capacityBytes: 6 * 2 ** 20 };
  // Each shard alone would fit.
  throwsOf(DoesNotFit, /needs \d+ bytes/, () => createStore(fs, '/new', { ...plan, shards: [0, 1].map(() => ({ blocks: [2 ** 20], scratchBytes: 0 })), pieces: [] }));
  for (const [part, says] of [
    [{ shard: 0, block: 2, offset: 0, bytes: 4 }, /a part of piece p lies in no block/], [{ shard: 0, block: 0, offset: 8, bytes: 4 }, /lies in no block/],
    [{ shard: 0, block: 0, offset: 0, bytes: 8 }, /other bytes than it \(got 8, limit 4\)/],
  ] as const) throwsOf(InvalidConfig, says, () => createStore(fs, '/p', { ...plan, pieces: [{ name: 'p', bytes: 4, parts: [part] }] }));
  throwsOf(InvalidConfig, /two pieces have one name/, () => createStore(fs, '/p', { ...plan, pieces: [{ name: 'p', bytes: 0, parts: [] }, { name: 'p', bytes: 0, parts: [] }] }));
  assert.equal(fs.kind('/p'), null);
});

test('a making that crashes anywhere leaves a whole store or none', () => {
  let whole = 0, none = 0;
  for (let at = 0, done = false; !done; at++) {
    for (const power of [false, true]) {
      const disk = new SimulatedDisk(at * 2 + Number(power));
      disk.crashAt = at;
      done = true;
      try {
        createStore(disk.start(), folder, plan);
      } catch (error) {
        assert.ok(error instanceof Crash);
        done = false;
      }
      disk.crashAt = Infinity;
      const fs = power ? disk.cutPower() : disk.kill();
      try {
        assert.deepEqual(openStore(fs, folder, { mode: 'write' }).committedSteps(), []);
        whole++;
      } catch (error) {
        assert.ok(error instanceof CorruptFile && /no store/.test(error.message) && !done, String(error));
        none++;
      }
    }
  }
  assert.ok(whole >= 2 && none > 30, `${whole} whole, ${none} none`);
});

test('a damaged description is refused', () => {
  const { fs } = make(), path = `${folder}/store.json`;
  const put = (text: string): void => {
    fs.remove(path);
    fs.open(path, 'create').write(new TextEncoder().encode(text), 0);
  };
  const good = JSON.stringify(describeStore(fs, folder).manifest);
  for (const [text, says] of [
    [good.slice(0, 40), /not valid JSON/], ['{}', /not the description of a store/], [good.replace('"version":1', '"version":2'), /another format \(got 2, limit 1\)/],
    [good.replace('"bytes":4096', '"bytes":"x"'), /is damaged/], [good.replace('"offset":4000', '"offset":4004'), /contradicts itself/],
  ] as const) {
    put(text);
    throwsOf(CorruptFile, says, () => openStore(fs, folder, { mode: 'read' }));
  }
});
