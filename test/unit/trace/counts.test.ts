/** Counter arrays: one for each device and parity of the step, none touching another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actions, count, counters, makeCounters, readCounts, stepCounters } from '../../../src/trace/counts.js';

test('devices and steps of either parity count apart; a step is settled on its own', () => {
  const buffer = makeCounters(3);
  for (let device = 0; device < 3; device++) for (let step = 4; step < 6; step++) count(counters(buffer, device)(step), 'macs', 10 * device + step);
  count(counters(buffer, 1)(4), 'tasks', 7);
  assert.equal(readCounts(counters(buffer, 1)(4)).macs, 14);
  assert.equal(readCounts(counters(buffer, 1)(6)).tasks, 7);
  assert.equal(readCounts(counters(buffer, 1)(5)).tasks, 0);
  const even = stepCounters(buffer, 4);
  assert.equal(even.length, 3 * actions.length);
  assert.equal(even.reduce((a, b) => a + b, 0), 4 + 14 + 24 + 7);
  even.fill(0);
  assert.equal(readCounts(counters(buffer, 2)(4)).macs, 0);
  assert.equal(readCounts(counters(buffer, 2)(5)).macs, 25);
});

test('every action has one place', () => {
  assert.equal(new Set(actions).size, actions.length);
  assert.deepEqual(Object.keys(readCounts(counters(makeCounters(1), 0)(0))), [...actions]);
});
