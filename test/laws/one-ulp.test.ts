/**
 * Planted fault: one unit in the last place, in one element of one kernel's output. The scalar twins catch it, since they are held to the bit; the
 * reference's bounds, honest about rounding, cannot. This is why there are two oracles.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createKernels, kernelPlan, twinPlan } from '../../src/kernels/load.js';
import { assertSameBits } from '../../src/testing/index.js';
import { MemoryPlan, floats } from '../../src/tensor/shared-memory.js';

const [n, m] = [70, 12];

/** The output of `linear` on two panels of drawn numbers. */
const linearOn = (plan: typeof twinPlan, values: readonly number[]): Float32Array => {
  const layout = new MemoryPlan('a test');
  const [weight, packed, inp, out] = [layout.reserve(n * m * 4), layout.reserve(n * m * 4), layout.reserve(2 * n * 128), layout.reserve(2 * m * 128)] as [number, number, number, number];
  const memory = layout.create();
  const kernels = createKernels(plan, memory);
  floats(memory, weight, n * m).forEach((_, i, all) => (all[i] = values[i % values.length] as number));
  floats(memory, inp, 2 * n * 32).forEach((_, i, all) => (all[i] = values[(i * 7 + 3) % values.length] as number));
  kernels.packForward(packed, weight, n, m, 0, m);
  kernels.linear(out, m * 128, inp, n * 128, packed, n, m, 2);
  return new Float32Array(floats(memory, out, 2 * m * 32));
};

test('one unit in the last place of one element is caught by the twin', () => {
  const plan = kernelPlan();
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true, min: -4, max: 4 }), { minLength: 5, maxLength: 90 }), fc.nat({ max: 2 * m * 32 - 1 }), (values, index) => {
      const name = 'out', shape = [2, m, 32];
      const kernel = linearOn(plan, values), twin = linearOn(twinPlan, values);
      assertSameBits([{ name, shape, data: kernel }], [{ name, shape, data: twin }]);
      const bits = new Int32Array(kernel.buffer);
      bits[index] = (bits[index] as number) + 1;
      assert.throws(() => assertSameBits([{ name, shape, data: kernel }], [{ name, shape, data: twin }]), /out/);
    }),
    { seed: 20210824, numRuns: 25 },
  );
});
