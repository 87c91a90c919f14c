/** Checksums of parts put together are those of the whole, in whatever order the parts come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addRange, combineCrc, crcText, type Range } from '../../../../src/formats/checkpoint/checksum.js';
import { crc32, crcOfZeros } from '../../../../src/storage/crc.js';
import { GiB } from '../../../../src/util/units.js';

test('the CRC of two parts put together is that of both in a row', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), fc.uint8Array({ maxLength: 3000 }), (a, b) => {
    assert.equal(combineCrc(crc32(a), crc32(b), b.length), crc32(Buffer.concat([a, b])));
  }));
  assert.equal(crcText(crc32(Buffer.from('123456789'))), 'cbf43926');
});

test('also over lengths that 32 bits do not hold', () => {
  const quarter = crcOfZeros(GiB / 4), doubled = Array.from({ length: 6 }).reduce<{ crc: number; bytes: number }>(({ crc, bytes }) => ({ crc: combineCrc(crc, crc, bytes), bytes: bytes * 2 }), { crc: quarter, bytes: GiB / 4 });
  assert.equal(doubled.bytes, 16 * GiB);
  // A shift over the whole is the shifts over its parts in a row.
  let inParts = 0x1234_5678;
  for (let i = 0; i < 64; i++) inParts = combineCrc(inParts, quarter, GiB / 4);
  assert.equal(combineCrc(0x1234_5678, doubled.crc, doubled.bytes), inParts);
});

/** Cut at these places, in this order; some of it perhaps twice. */
const aCut = fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 500 }), cuts: fc.array(fc.nat(499), { maxLength: 12 }), order: fc.array(fc.nat(), { minLength: 14, maxLength: 14 }) });
const partsOf = (bytes: Uint8Array, cuts: readonly number[], order: readonly number[]): Range[] => {
  const edges = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b);
  return edges.slice(1).map((end, i): Range => ({ first: edges[i] ?? 0, end, crc: crc32(bytes.subarray(edges[i], end)) }))
    .map((part, i) => ({ part, at: order[i] ?? 0 })).toSorted((a, b) => a.at - b.at).map(({ part }) => part);
};

test('ranges in any order become one, with the CRC of all', () => {
  fc.assert(fc.property(aCut, ({ bytes, cuts, order }) => {
    const ranges = partsOf(bytes, cuts, order).reduce<readonly Range[]>(addRange, []);
    assert.deepEqual(ranges, [{ first: 0, end: bytes.length, crc: crc32(bytes) }]);
  }));
});

test('what is written twice has no CRC but the file knows, and what is missing stays a gap', () => {
  fc.assert(fc.property(aCut, fc.nat(499), fc.integer({ min: 1, max: 500 }), ({ bytes, cuts, order }, first, length) => {
    const end = Math.min(bytes.length, first + length), parts = partsOf(bytes, cuts, order);
    if (first >= end) return;
    const twice: Range = { first, end, crc: crc32(bytes.subarray(first, end)) };
    for (const all of [[...parts, twice], [twice, ...parts]]) assert.deepEqual(all.reduce<readonly Range[]>(addRange, []), [{ first: 0, end: bytes.length, crc: null }]);
    const without = parts.filter((part) => part.end > part.first).slice(1), covered = new Set(without.flatMap((part) => Array.from({ length: part.end - part.first }, (_, i) => part.first + i)));
    const left = without.reduce<readonly Range[]>(addRange, []);
    assert.equal(left.reduce((sum, range) => sum + range.end - range.first, 0), covered.size);
    for (const range of left) assert.equal(range.crc, crc32(bytes.subarray(range.first, range.end)));
  }));
});
