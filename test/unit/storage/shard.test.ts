/** One shard: what it refuses, zeros and scratch, threads that have it open together. Not here: crashes (laws/storage-crashes.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardChecksums } from '../../../src/storage/checksums.js';
import type { FileSystem } from '../../../src/storage/file-system.js';
import { layoutOf } from '../../../src/storage/layout.js';
import { createShard, openShard, shardBytes, type Shard } from '../../../src/storage/shard.js';
import { CorruptFile, DoesNotFit, EmulatorBug, InvalidConfig } from '../../../src/util/errors.js';
import { SimulatedDisk } from '../../support/simulated-disk.js';

const plan = { blocks: [8, 5000, 4096], scratchBytes: 3 * 4096, identity: 'ab'.repeat(32) };
const path = '/s';
const filled = (block: number, value: number): Uint8Array => new Uint8Array(plan.blocks[block] ?? 0).fill(value);
const made = (): { readonly fs: FileSystem; readonly disk: SimulatedDisk; readonly shard: Shard } => {
  const disk = new SimulatedDisk(1), fs = disk.start();
  createShard(fs, path, plan);
  return { fs, disk, shard: openShard(fs, path, { mode: 'write', plan }) };
};
const step = (shard: Shard, at: number, value = at): void => {
  plan.blocks.forEach((_, block) => shard.write(at, block, filled(block, value)));
  shard.commit(at, `state ${at}`, 'power');
  shard.acknowledge(at);
};
const read = (shard: Shard, at: number, block: number): Uint8Array => {
  const bytes = filled(block, 0xdd);
  shard.read(at, block, bytes);
  return bytes;
};
const bug = (run: () => void, says: RegExp): void => assert.throws(run, (error) => error instanceof EmulatorBug && says.test(error.message));

test('two steps are kept, the newest first, with their states; a new opening finds them', () => {
  const { fs, shard } = made();
  assert.deepEqual(shard.committed, []);
  for (const at of [4, 5, 6]) step(shard, at);
  const expected = [{ step: 6, state: 'state 6', first: false }, { step: 5, state: 'state 5', first: false }];
  assert.deepEqual(shard.committed, expected);
  shard.close();
  const again = openShard(fs, path, { mode: 'read' });
  assert.deepEqual(again.committed, expected);
  assert.deepEqual(again.plan, plan);
  plan.blocks.forEach((_, block) => {
    assert.deepEqual(read(again, 6, block), filled(block, 6));
    assert.deepEqual(read(again, 5, block), filled(block, 5));
  });
  bug(() => again.write(7, 0, filled(0, 1)), /opened for writing/);
  bug(() => read(again, 4, 0), /read and was not written/);
});

test('nothing is written over a step that is still needed', () => {
  const { shard } = made();
  shard.write(4, 0, filled(0, 1));
  bug(() => shard.write(5, 0, filled(0, 1)), /before step 4, the first/);
  bug(() => shard.commit(4, '', 'process'), /block 1 of step 4 was not written/);
  shard.write(4, 1, filled(1, 1));
  shard.write(4, 2, filled(2, 1));
  shard.commit(4, '', 'process');
  bug(() => shard.write(4, 0, filled(0, 2)), /step 4 is the newest/);
  bug(() => shard.write(5, 0, filled(0, 2)), /before step 4 is acknowledged/);
  bug(() => shard.acknowledge(5), /is the newest/);
  shard.acknowledge(4);
  shard.write(5, 0, filled(0, 2));
  bug(() => shard.write(6, 0, filled(0, 2)), /step 4 is the newest/);
  assert.deepEqual(read(shard, 4, 0), filled(0, 1));
  assert.deepEqual(read(shard, 5, 0), filled(0, 2));
  bug(() => shard.commit(5, '', 'process'), /block 1 of step 5/);
  bug(() => shard.write(5, 3, filled(0, 2)), /block 3 is one of the 3/);
  bug(() => shard.write(5, 1, filled(0, 2)), /has its 5000 bytes, not 8/);
});

test('the older step goes when the next begins, the newest when it is taken back', () => {
  const { shard } = made();
  for (const at of [4, 5]) step(shard, at);
  shard.write(6, 0, filled(0, 6));
  assert.deepEqual(shard.committed.map((one) => one.step), [5]);
  bug(() => shard.forget(4), /is the newest/);
  shard.forget(5);
  assert.deepEqual(shard.committed, []);
  step(shard, 9);
  assert.deepEqual(shard.committed, [{ step: 9, state: 'state 9', first: true }]);
});

test('zeros leave holes as they are, and overwrite what was there', () => {
  const { disk, fs, shard } = made();
  let writes = 0;
  disk.faults = { before: (operation) => void (writes += operation === 'writing' ? 1 : 0) };
  plan.blocks.forEach((_, block) => shard.writeZeros(0, block));
  assert.equal(writes, 0);
  shard.commit(0, '', 'power');
  shard.acknowledge(0);
  for (const at of [1, 2]) step(shard, at, 7);
  shard.writeZeros(3, 1);
  for (const block of [0, 2]) shard.write(3, block, filled(block, 3));
  shard.commit(3, '', 'power');
  const again = openShard(fs, path, { mode: 'read' });
  assert.deepEqual(read(again, 3, 1), filled(1, 0));
  assert.deepEqual(read(again, 3, 2), filled(2, 3));
  assert.deepEqual(read(again, 2, 1), filled(1, 7));
});

test('scratch comes back as it was written, or not at all', () => {
  const { fs, shard } = made(), there = new Uint8Array(5000).fill(9), back = new Uint8Array(5000);
  shard.writeScratch(4096, there);
  shard.readScratch(4096, back);
  assert.deepEqual(back, there);
  bug(() => shard.readScratch(0, back), /were not written in one piece/);
  bug(() => shard.readScratch(4096, back.subarray(4)), /4996 bytes .* not written in one piece/);
  bug(() => shard.readScratch(8192, back.subarray(0, 904)), /not written in one piece/);
  bug(() => shard.writeScratch(8192, there), /lie in the 12288 bytes/);
  bug(() => shard.writeScratch(100, there.subarray(0, 8)), /lie in/);
  const raw = fs.open(path, 'write');
  raw.write(Uint8Array.of(1), layoutOf(plan).scratch + 4096);
  assert.throws(() => shard.readScratch(4096, back), (error) => error instanceof CorruptFile && /5000 bytes of scratch at 4096/.test(error.message));
});

test('threads with one memory of checksums write one step together', () => {
  const disk = new SimulatedDisk(1), fs = disk.start(), checksums = shardChecksums(plan);
  createShard(fs, path, plan);
  const [one, two] = [0, 1].map(() => openShard(fs, path, { mode: 'write', checksums })) as [Shard, Shard];
  one.write(0, 0, filled(0, 1));
  two.write(0, 1, filled(1, 1));
  bug(() => one.commit(0, '', 'power'), /block 2/);
  two.writeZeros(0, 2);
  one.writeScratch(0, filled(1, 4));
  one.commit(0, 'by one', 'power');
  assert.deepEqual(two.committed, [{ step: 0, state: 'by one', first: true }]);
  assert.deepEqual([read(two, 0, 0), read(one, 0, 1)], [filled(0, 1), filled(1, 1)]);
  bug(() => two.write(1, 0, filled(0, 2)), /acknowledged/);
  two.acknowledge(0);
  one.write(1, 0, filled(0, 2));
  assert.deepEqual(read(two, 1, 0), filled(0, 2));
  const back = filled(1, 0);
  two.readScratch(0, back);
  assert.deepEqual(back, filled(1, 4));
  assert.throws(() => openShard(fs, path, { mode: 'write', checksums: new SharedArrayBuffer(8) }), InvalidConfig);
});

test('creating refuses what exists and what does not fit, opening what is another plan or no shard', () => {
  const disk = new SimulatedDisk(1, { capacityBytes: shardBytes(plan) - 1 }), fs = disk.start();
  assert.throws(() => createShard(fs, path, plan), (error) => error instanceof DoesNotFit && error.needBytes === shardBytes(plan) && error.haveBytes === shardBytes(plan) - 1);
  assert.equal(fs.kind(path), null);
  disk.faults = {};
  createShard(fs, path, plan);
  assert.throws(() => createShard(fs, path, plan), (error) => error instanceof InvalidConfig && /exists already/.test(error.message));
  for (const [other, says] of [
    [{ blocks: [8, 5000] }, /another number of blocks \(got 3, limit 2\)/], [{ blocks: [8, 5000, 8192] }, /size of block 2 \(got 4096, limit 8192\)/],
    [{ scratchBytes: 0 }, /other scratchBytes/], [{ identity: 'cd'.repeat(32) }, /belongs to another store or configuration/],
  ] as const) assert.throws(() => openShard(fs, path, { mode: 'read', plan: { ...plan, ...other } }), (error) => error instanceof InvalidConfig && says.test(error.message) && error.message.startsWith('/s:'));
  const file = fs.open(path, 'write');
  file.truncate(shardBytes(plan) - 4096);
  assert.throws(() => openShard(fs, path, { mode: 'read' }), (error) => error instanceof CorruptFile && /the shard is cut/.test(error.message));
  file.truncate(100);
  assert.throws(() => openShard(fs, path, { mode: 'read' }), CorruptFile);
  assert.throws(() => openShard(fs, '/none', { mode: 'read' }), (error) => error instanceof CorruptFile && /\/none: opening: no such file/.test(error.message));
});
