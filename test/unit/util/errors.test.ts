/** What errors say, and the small arithmetic of units. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as promise, DoesNotFit, EmulatorBug, InvalidConfig, WaferstreamError } from '../../../src/util/errors.js';
import { ceilDiv, formatBytes, roundUp } from '../../../src/util/units.js';

test('an error names where, what, value, limit and hint in one line, and keeps them as data', () => {
  const error = new InvalidConfig({ what: 'numCsx', where: 'options', value: 0, limit: '1 to 192', hint: 'use one' });
  assert.equal(error.message, "options: numCsx (got 0, limit '1 to 192'); use one");
  assert.equal(error.name, 'InvalidConfig');
  assert.deepEqual(error.details.limit, '1 to 192');
  assert.ok(error instanceof WaferstreamError && error instanceof Error);
  assert.equal(new InvalidConfig({ what: 'x', limit: 3 }).message, 'x (limit 3)');
  assert.equal(new InvalidConfig({ what: 'x', value: { a: [1] } }).message, 'x (got {"a":[1]})');
});

test('what does not fit says need and limit in bytes', () => {
  const error = new DoesNotFit({ what: 'a tile', needBytes: 60_000, haveBytes: 49_152, hint: 'halve microBatchSize' });
  assert.match(error.message, /a tile needs 60000 bytes and 49152 are there; halve microBatchSize/);
  assert.deepEqual([error.needBytes, error.haveBytes], [60_000, 49_152]);
});

test('a broken promise is a bug of the emulator', () => {
  promise(1, 'fine');
  assert.throws(() => promise(0, 'credits come back'), EmulatorBug);
});

test('units', () => {
  assert.deepEqual([ceilDiv(0, 4), ceilDiv(1, 4), ceilDiv(4, 4), ceilDiv(5, 4)], [0, 1, 1, 2]);
  assert.deepEqual([roundUp(0, 16), roundUp(1, 16), roundUp(16, 16)], [0, 16, 16]);
  assert.deepEqual([formatBytes(3), formatBytes(1536), formatBytes(3 * 2 ** 20), formatBytes(2 ** 31)], ['3 B', '1.5 KiB', '3.0 MiB', '2.0 GiB']);
});
