/** The bytes of heads, superblocks and tables: they come back, no flipped bit passes, and parts of a file never meet. Not here: when they are written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32, crcOfZeros } from '../../../src/storage/crc.js';
import { checkPlan, decodeHead, decodeSuperblock, decodeTable, encodeHead, encodeSuperblock, encodeTable, layoutOf, stateBytesMax, type ShardPlan } from '../../../src/storage/layout.js';
import { CorruptFile, DoesNotFit, InvalidConfig } from '../../../src/util/errors.js';

const identity = '0123456789abcdef'.repeat(4);
const aPlan = fc.record({
  blocks: fc.array(fc.integer({ min: 1, max: 5000 }).map((words) => words * 4), { minLength: 1, maxLength: 40 }),
  scratchBytes: fc.integer({ min: 0, max: 9 }).map((pages) => pages * 4096),
  identity: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
});
const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = bytes.slice(), at = bit >> 3;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

test('parts begin at pages and follow each other, blocks in their order', () => {
  fc.assert(fc.property(aPlan, (plan) => {
    const { superblocks, tables, slots, scratch, bytes } = layoutOf(plan);
    const spans = [
      [0, 4096 + 4 * plan.blocks.length],
      ...superblocks.map((at) => [at, at + 512]),
      ...tables.map((at) => [at, at + 4 * plan.blocks.length + 4 + stateBytesMax]),
      ...slots.flatMap((slot) => slot.map((at, b) => [at, at + (plan.blocks[b] ?? 0)])),
      [scratch, scratch + plan.scratchBytes],
    ] as [number, number][];
    spans.forEach(([start, end], i) => {
      assert.equal(start % 4096, 0);
      assert.ok(start < end || plan.scratchBytes === 0);
      assert.ok(end <= (spans[i + 1]?.[0] ?? bytes));
    });
    assert.equal(bytes, scratch + plan.scratchBytes);
  }), { seed: 1, numRuns: 200 });
});

test('a head comes back; no flipped bit of it passes', () => {
  fc.assert(fc.property(aPlan, fc.nat(), (plan, bit) => {
    const bytes = encodeHead(plan);
    const read = (from: Uint8Array): ShardPlan => {
      const { sizesBytes, planOf } = decodeHead(from.subarray(0, 4096), 'f');
      assert.ok(sizesBytes === from.length - 4096);
      return planOf(from.subarray(4096));
    };
    assert.deepEqual(read(bytes), { ...plan });
    // The rest of the first page means nothing.
    const at = bit % (8 * (512 + bytes.length - 4096)), inFile = at < 4096 ? at : at - 4096 + 8 * 4096;
    assert.throws(() => read(flipped(bytes, inFile)), CorruptFile);
  }), { seed: 2, numRuns: 300 });
  assert.throws(() => decodeHead(new Uint8Array(4096), 'f'), /f: not a shard/);
});

test('a superblock comes back for its slot and identity alone; no flipped bit of it passes', () => {
  fc.assert(fc.property(aPlan, fc.maxSafeNat(), fc.boolean(), fc.nat({ max: 512 * 8 - 1 }), (plan, step, first, bit) => {
    const superblock = { step, tableBytes: 4 * plan.blocks.length + 4 + 10, tableCrc: 0xfedcba98, first }, page = encodeSuperblock(superblock, plan.identity);
    assert.deepEqual(decodeSuperblock(page, step % 2, plan), superblock);
    assert.equal(decodeSuperblock(page, 1 - (step % 2), plan), null);
    assert.equal(decodeSuperblock(page, step % 2, { ...plan, identity }), null);
    assert.equal(decodeSuperblock(flipped(page, bit), step % 2, plan), null);
  }), { seed: 3, numRuns: 300 });
});

test('a table comes back; no flipped bit of it passes', () => {
  fc.assert(fc.property(fc.array(fc.nat({ max: 0xffffffff }), { minLength: 1 }), fc.string({ unit: 'grapheme' }), fc.nat(), (crcs, state, bit) => {
    const { padded, bytes, crc } = encodeTable(Uint32Array.from(crcs), state), superblock = { step: 3, tableBytes: bytes, tableCrc: crc, first: false };
    assert.equal(padded.length % 4096, 0);
    const found = decodeTable(padded.subarray(0, bytes), superblock, crcs.length);
    assert.deepEqual([[...(found?.crcs ?? [])], found?.state], [crcs, state]);
    assert.equal(decodeTable(flipped(padded.subarray(0, bytes), bit % (8 * bytes)), superblock, crcs.length), null);
  }), { seed: 4, numRuns: 200 });
  assert.equal(encodeTable(new Uint32Array(3), 'x'.repeat(stateBytesMax)).bytes, 16 + stateBytesMax);
  assert.throws(() => encodeTable(new Uint32Array(3), 'x'.repeat(stateBytesMax + 1)), DoesNotFit);
});

test('plans that cannot be are refused by name', () => {
  const plan = { blocks: [4, 8], scratchBytes: 4096, identity };
  checkPlan(plan, 'f');
  for (const [bad, says] of [
    [{ blocks: [4, 6] }, /f: bytes of block 1 \(got 6/], [{ blocks: [0] }, /block 0/], [{ blocks: [2 ** 32] }, /block 0/], [{ blocks: [] }, /at least 1/],
    [{ scratchBytes: 100 }, /scratchBytes \(got 100/], [{ scratchBytes: -4096 }, /scratchBytes/], [{ identity: 'abc' }, /64 hexadecimal digits/],
  ] as const) assert.throws(() => checkPlan({ ...plan, ...bad }, 'f'), (error) => error instanceof InvalidConfig && says.test(error.message));
});

test('checksums: the known value, of shared memory, and of zeros without a copy of them', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
  const shared = new Uint8Array(new SharedArrayBuffer(9));
  shared.set(new TextEncoder().encode('123456789'));
  assert.equal(crc32(shared), 0xcbf43926);
  for (const bytes of [4, 4096, 2 ** 20, 3 * 2 ** 20 + 4]) assert.equal(crcOfZeros(bytes), crc32(new Uint8Array(bytes)));
});
