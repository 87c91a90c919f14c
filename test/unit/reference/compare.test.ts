/** The verdict: the worst element by index and value, and what NaN and infinity mean. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeVerdict, worstWithin } from '../../../src/reference/compare.js';
import { InvalidConfig } from '../../../src/util/errors.js';

const expected = (value: number[], bound: number[]): { value: Float64Array; bound: Float64Array } => ({ value: Float64Array.from(value), bound: Float64Array.from(bound) });

test('within: ok, with the nearest element to its bound', () => {
  const v = worstWithin('w', Float32Array.of(1, 2, 3.25), expected([1, 2.5, 3], [0, 1, 1]));
  assert.deepEqual(v, { name: 'w', ok: true, count: 0, elements: 3, worstIndex: 1, actual: 2, expected: 2.5, bound: 1, ratio: 0.5 });
  assert.match(describeVerdict(v), /^w: within the bound; worst at \[1\]: 2, reference 2\.5 ± 1/);
});

test('outside: counted, the worst by its share of its own bound', () => {
  const v = worstWithin('w', Float32Array.of(5, 2, 1), expected([0, 0, 0], [4, 1, 2]));
  assert.deepEqual([v.ok, v.count, v.worstIndex, v.ratio], [false, 2, 1, 2]);
});

test('a bound of zero asks for the very value', () => {
  assert.equal(worstWithin('w', Float32Array.of(0), expected([0], [0])).ok, true);
  assert.equal(worstWithin('w', Float32Array.of(1e-45), expected([0], [0])).ratio, Infinity);
});

test('NaN and infinity never pass for numbers, nor numbers for them', () => {
  for (const actual of [NaN, Infinity, -Infinity]) assert.equal(worstWithin('w', Float32Array.of(0, actual), expected([0, 1], [1, 1e30])).worstIndex, 1, String(actual));
  assert.equal(worstWithin('w', Float32Array.of(1), expected([NaN], [1])).ok, false);
  assert.equal(worstWithin('w', Float32Array.of(NaN), expected([NaN], [NaN])).ok, true);
  for (const bound of [NaN, Infinity]) assert.equal(worstWithin('w', Float32Array.of(1), expected([1], [bound])).ok, false, 'a bound that judges nothing is no pass');
});

test('empty tensors pass, other lengths are refused', () => {
  assert.deepEqual([worstWithin('w', new Float32Array(0), expected([], [])).ok, worstWithin('w', new Float32Array(0), expected([], [])).worstIndex], [true, -1]);
  assert.throws(() => worstWithin('w', new Float32Array(1), expected([], [])), InvalidConfig);
});
