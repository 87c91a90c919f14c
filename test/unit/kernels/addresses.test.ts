/**
 * Addresses above 2 GiB, which arrive as negative 32-bit numbers inside a kernel, work like those below.
 *
 * Memory is touched only where a kernel works, so the test needs address space and little more. Not here: addresses beyond 4 GiB, which no plan hands out.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKernels, twinPlan, type KernelPlan } from '../../../src/kernels/load.js';
import { gradientScratchBytes, panelRowBytes, slabTokens, type Kernels } from '../../../src/kernels/types.js';
import { planOf } from './arena.js';

const GiB = 2 ** 30;
const [n, m, panels, width, count] = [70, 16, 3, 16, 1001] as const;

/** Runs kernels over blocks behind `base` and returns what they leave. */
const run = (k: Kernels, memory: WebAssembly.Memory, base: number): Float32Array => {
  const blockBytes = 2 ** 18;
  const floats = new Float32Array(memory.buffer, base, (10 * blockBytes) / 4);
  floats.forEach((_, i) => (floats[i] = ((i * 2_654_435_761) % 2001) / 1000 - 1));
  const blocks = Array.from({ length: 10 }, (_, block) => base + block * blockBytes);
  const [weight, inp, packed, out, nodes, scratch, turned, next, dots, head] = blocks as [number, number, number, number, number, number, number, number, number, number];
  k.packForward(packed, weight, n, m, 0, m);
  k.linear(out, m * panelRowBytes, inp, n * panelRowBytes, packed, n, m, panels);
  for (let p = 0; p < panels; p++) k.turn(turned + p * slabTokens * width * 4, out + p * m * panelRowBytes, m);
  assert.equal(k.gradient(nodes, n * width * 4, scratch, inp, n * panelRowBytes, turned, n, width, panels, 1, 0, 9), 2);
  k.adam(next, weight, nodes, nodes + 8192, inp, count, 0.9, 0.1, 0.99, 0.01, 1e-8, 0.01, 0.5, 0.1, 0.99, 2);
  k.panelDot(dots, inp, n * panelRowBytes, weight, n, panels);
  k.attentionSoftmax(dots, head, head + panelRowBytes, panels, 0.125);
  k.slabProduct(head + 2 * panelRowBytes, inp, n * panelRowBytes, dots, n, panels, 0);
  k.scaleColumns(head + 2 * panelRowBytes, head + panelRowBytes, n);
  k.attentionDelta(dots, dots, dots, inp, head, head + panelRowBytes, 0.125, panels * slabTokens);
  k.turnBlocks(dots + panels * slabTokens * panelRowBytes, dots, panels);
  k.clear(packed, n * m * 4);
  k.clear(scratch, gradientScratchBytes(width, panels));
  return floats;
};

test('kernels and twins work above 2 GiB as below', () => {
  for (const plan of [planOf('128'), planOf('256'), twinPlan] as KernelPlan[]) {
    const memory = new WebAssembly.Memory({ initial: 3 * 16_384, maximum: 3 * 16_384, shared: true });
    const kernels = createKernels(plan, memory);
    const low = run(kernels, memory, 65_536);
    for (const base of [2 * GiB - 2 ** 19, 2 * GiB + 65_536]) assert.deepEqual(Buffer.compare(bytesOf(run(kernels, memory, base)), bytesOf(low)), 0, `${plan.name} at ${base}`);
  }
});

const bytesOf = (floats: Float32Array): Uint8Array => new Uint8Array(floats.slice().buffer);
