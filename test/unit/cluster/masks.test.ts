/** Masks in time, and blocks as they lie in a slot: which version reads which mask, when gradients are formed everywhere, where the parts of a block lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SparsePlace } from '../../../src/cluster/layout.js';
import type { MaskStreams } from '../../../src/cluster/mask-streams.js';
import { makeMaskTable, MaskTable, updateAt, wantsDenseGradient } from '../../../src/cluster/masks.js';
import { readSparseBlock, sparseBlockAt, storedInSlot, weightBytes, writeHead } from '../../../src/cluster/sparse-block.js';
import type { SparseParameter, SparsityAlgorithm } from '../../../src/model/sparsity.js';

const planOf = (algorithm: SparsityAlgorithm, versions: readonly number[]): SparseParameter =>
  ({ parameter: 0, inputs: 3, outputs: 4, algorithm, pattern: 'unstructured', balance: null, storedMax: 12, updates: versions.map((version) => ({ version, sparsity: version / 100, dropFraction: 0 })) });

test('the update of a version is found, and none where none is', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 60 })), (versions) => {
      const plan = planOf('rigl', versions.toSorted((a, b) => a - b));
      for (let version = 0; version <= 61; version++) {
        assert.equal(updateAt(plan, version)?.sparsity, versions.includes(version) ? version / 100 : undefined);
        assert.equal(wantsDenseGradient(plan, version), versions.includes(version + 1));
        assert.equal(wantsDenseGradient({ ...plan, algorithm: 'set' }, version), false);
      }
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('versions alternate between two masks, and an update changes the mask of the next version alone', () => {
  const table = new MaskTable(makeMaskTable(2));
  const place = (number: number): SparsePlace => ({ number, masks: [{ positions: 10 + number }, { positions: 20 + number }] }) as unknown as SparsePlace;
  const [one, other] = [place(0), place(1)];
  const streams = (n: number): MaskStreams => ({ forwardWavelets: n, forwardBytes: n + 1, deltaWavelets: n + 2, deltaBytes: n + 3, gradientWavelets: n + 4, gradientBytes: n + 5 });
  for (const [sparse, first, second] of [[one, 5, 7], [other, 2, 3]] as const) {
    table.setStored(sparse, 0, first, streams(first));
    table.setStored(sparse, 1, second, streams(second));
    table.use(sparse, 0, 0);
    table.use(sparse, 1, 1);
  }
  assert.deepEqual([0, 1, 2, 3].map((version) => table.at(one, version).stored), [5, 7, 5, 7]);
  assert.deepEqual([table.streams(one, 0), table.streams(one, 1), table.streams(other, 1)], [streams(5), streams(7), streams(3)]);
  table.use(one, 2, 1);
  assert.deepEqual([table.at(one, 1), table.at(one, 2)].map(({ buffer, stored }) => [buffer, stored]), [[1, 7], [1, 7]]);
  assert.deepEqual([table.at(other, 2).stored, table.at(other, 2).place.positions], [2, 11]);
});

test('the parts of a block lie one behind the other, each from a cache line on, and its head says what it is', () => {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  fc.assert(
    fc.property(
      fc.record({ n: fc.integer({ min: 1, max: 600 }), groups: fc.integer({ min: 1, max: 9 }), lanes: fc.constantFrom(1, 4), entries: fc.nat({ max: 300 }), values: fc.boolean(), bias: fc.boolean(), dense: fc.boolean() }),
      ({ n, groups, lanes, entries, values, bias, dense }) => {
        const shape = { n, m: groups * lanes, stored: entries * lanes, lanes, values, bias, dense }, block = sparseBlockAt(128, shape);
        const { valuesAt, biasAt, indicesAt, startsAt, denseAt, end } = block, places = [128 + 12, valuesAt, biasAt, indicesAt, startsAt, denseAt, end];
        const bytes = [0, values ? shape.stored * 4 : 0, bias ? shape.m * 4 : 0, entries * 2, (Math.ceil(n / 256) * groups + 1) * 4, dense && values ? n * shape.m * 4 : 0];
        bytes.forEach((size, i) => assert.ok((places[i + 1] as number) % 64 === 0 && (places[i + 1] as number) >= (places[i] as number) + size));
        writeHead(memory, 128, shape);
        assert.deepEqual(readSparseBlock(memory, 128, shape), block);
        assert.equal(storedInSlot(memory, 128), shape.stored);
      },
    ),
    { seed: 1, numRuns: 200 },
  );
});

test('a stored weight travels with its index, those of a full block without', () => {
  assert.deepEqual([weightBytes(0, 10, 2), weightBytes(9, 10, 2), weightBytes(10, 10, 2), weightBytes(0, 0, 2)], [0, 54, 40, 0]);
});
