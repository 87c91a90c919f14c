/** Activation sparsity in a sweep: which panels are worked off by their live features alone, and that no bit tells. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BandContext, Share } from '../../../src/cluster/tile/band.js';
import { liveSweep } from '../../../src/cluster/tile/sweep-live.js';
import { createKernels, kernelPlan } from '../../../src/kernels/load.js';
import { liveListBytes, panelRowBytes, slabTokens, type Kernels } from '../../../src/kernels/types.js';
import { floats, MemoryPlan } from '../../../src/tensor/shared-memory.js';
import { roundUp } from '../../../src/util/units.js';

const seed = 20_261_126;

/** Panels of n features of which those that `isDead` are zero, and one product over them both ways; says how many panels went by their lists. */
const sweep = (n: number, m: number, slabs: number, isDead: (p: number, feature: number) => boolean, weight: (i: number) => number) => {
  const plan = new MemoryPlan('live');
  const [x, packed, out, plain, lists] = [slabs * n * panelRowBytes, n * m * 4, slabs * m * panelRowBytes, slabs * m * panelRowBytes, slabs * roundUp(liveListBytes(n), 16)].map((bytes) => plan.reserve(bytes)) as [number, number, number, number, number];
  const memory = plan.create(), kernels = createKernels(kernelPlan({ revectorize: 'off' }), memory);
  const activations = floats(memory, x, slabs * n * slabTokens);
  activations.forEach((_, i) => (activations[i] = isDead(Math.floor(i / (n * slabTokens)), Math.floor(i / slabTokens) % n) ? (i % 2 === 0 ? 0 : -0) : Math.fround(((i * 7919) % 1013) / 500 - 1)));
  floats(memory, packed, n * m).forEach((_, i, w) => (w[i] = weight(i)));
  let listed = 0;
  const counting: Kernels = { ...kernels, linearListed: (...args) => { listed++; kernels.linearListed(...args); } };
  const panels = (address: number, features: number) => ({ address, stride: features * panelRowBytes });
  liveSweep({ kernels: counting, band: { live: lists } } as unknown as BandContext).product({ slabs } as Share, { first: 0, count: m }, packed, n, panels(out, m), panels(x, n));
  kernels.linear(plain, m * panelRowBytes, x, n * panelRowBytes, packed, n, m, slabs);
  const bits = (address: number): Int32Array => new Int32Array(memory.buffer.slice(address, address + slabs * m * panelRowBytes));
  return { listed, same: Buffer.compare(Buffer.from(bits(out).buffer), Buffer.from(bits(plain).buffer)) === 0, values: floats(memory, out, slabs * m * slabTokens) };
};

test('panels with enough dead features go by their lists, with the bits of all features', () => {
  const seen = { listed: 0, plain: 0 };
  fc.assert(fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 23 }), fc.integer({ min: 1, max: 4 }), fc.array(fc.constantFrom(0, 0.1, 0.5, 0.9, 1), { minLength: 4, maxLength: 4 }), (n, m, slabs, dead) => {
    const { listed, same } = sweep(n, m, slabs, (p, feature) => ((feature * 2_654_435_761) % 1000) / 1000 < (dead[p] ?? 0), (i) => Math.fround(((i * 31) % 97) / 50 - 1));
    seen.listed += listed;
    seen.plain += slabs - listed;
    assert.ok(same);
  }), { seed, numRuns: 60 });
  assert.ok(seen.listed > 20 && seen.plain > 20, JSON.stringify(seen));
});

test('a weight that is not finite meets the zeros too', () => {
  const { listed, values } = sweep(40, 8, 2, () => true, (i) => (i === 3 ? Infinity : 1));
  assert.equal(listed, 0);
  assert.ok(values.some(Number.isNaN));
});
