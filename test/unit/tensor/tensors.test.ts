/** Named tensors: digest and first difference; plans of shared memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, firstDifference, type NamedTensor } from '../../../src/tensor/named.js';
import { floats, MemoryPlan, memoryBytesMax, words } from '../../../src/tensor/shared-memory.js';
import { DoesNotFit } from '../../../src/util/errors.js';

const tensor = (name: string, ...values: number[]): NamedTensor => ({ name, shape: [values.length], data: Float32Array.from(values) });
const nan = (bits: number): NamedTensor => ({ name: 'n', shape: [1], data: new Float32Array(Int32Array.of(bits).buffer) });

test('every NaN is one; the two zeros are two', () => {
  assert.equal(firstDifference([nan(0x7fc00001)], [nan(0x7f800abc)]), null);
  assert.equal(digest([nan(0x7fc00001)]), digest([nan(-1)]));
  assert.deepEqual(firstDifference([tensor('z', 1, 0)], [tensor('z', 1, -0)]), { tensor: 'z', index: 1, a: 0, b: -0 });
  assert.notEqual(digest([tensor('z', 0)]), digest([tensor('z', -0)]));
});

test('the first difference is named by tensor and index; lists of another make differ at −1', () => {
  const a = [tensor('x', 1, 2), tensor('y', 3, 4)];
  assert.equal(firstDifference(a, [tensor('x', 1, 2), tensor('y', 3, 4)]), null);
  assert.deepEqual(firstDifference(a, [tensor('x', 1, 2), tensor('y', 3, 5)]), { tensor: 'y', index: 1, a: 4, b: 5 });
  assert.equal(firstDifference(a, [tensor('x', 1, 2)])?.index, -1);
  assert.equal(firstDifference(a, [tensor('w', 1, 2), tensor('y', 3, 4)])?.index, -1);
  assert.equal(firstDifference([tensor('x', 1)], [tensor('x', 1, 2)])?.index, -1);
});

test('a digest is sixteen hexadecimal digits of names, shapes and bits', () => {
  const of = (t: NamedTensor): string => digest([t]);
  assert.match(of(tensor('x', 1)), /^[0-9a-f]{16}$/);
  assert.equal(of(tensor('x', 1)), of(tensor('x', 1)));
  assert.equal(new Set([of(tensor('x', 1)), of(tensor('y', 1)), of(tensor('x', 1 + 2 ** -23)), of({ ...tensor('x', 1), shape: [1, 1] })]).size, 4);
});

test('regions start on cache lines, do not overlap, and make a shared memory that holds them', () => {
  const plan = new MemoryPlan('test');
  const sizes = [1, 64, 65, 100_000, 0, 7];
  const starts = sizes.map((bytes) => plan.reserve(bytes));
  starts.forEach((start, i) => {
    assert.equal(start % 64, 0);
    if (i > 0) assert.ok(start >= (starts[i - 1] as number) + (sizes[i - 1] as number));
  });
  const memory = plan.create();
  assert.ok(memory.buffer instanceof SharedArrayBuffer && memory.buffer.byteLength >= plan.bytes);
  floats(memory, starts[3] as number, 25_000).fill(1);
  assert.equal(words(memory, starts[3] as number, 1)[0], 0x3f800000);
});

test('a memory ends below 4 GiB: more is refused with need and limit', () => {
  const plan = new MemoryPlan('the wafers');
  plan.reserve(3 * 2 ** 30);
  assert.throws(() => plan.reserve(2 ** 30), (e) => e instanceof DoesNotFit && e.haveBytes === memoryBytesMax && e.needBytes > memoryBytesMax && /the wafers/.test(e.message));
});
