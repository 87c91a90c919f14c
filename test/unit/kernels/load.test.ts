/**
 * Plans: every plan serves kernels that compute the same, a plan survives the way to a worker, and the wide build is refused where it must be.
 *
 * Not here: agreement of each kernel with its twin (test/laws/kernels.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { exercise, exercisePages } from '../../../src/kernels/exercise.js';
import { createKernels, kernelPlan, twinPlan, type KernelPlan } from '../../../src/kernels/load.js';
import { planOf } from './arena.js';

const run = (plan: KernelPlan): Int32Array => {
  const memory = new WebAssembly.Memory({ initial: exercisePages, maximum: exercisePages, shared: true });
  const kernels = createKernels(plan, memory);
  assert.equal(kernels.packWidth, plan.packWidth);
  return exercise(kernels, memory);
};

test('twins, both builds and the chosen plan leave the same bits', () => {
  const expected = run(twinPlan);
  assert.ok(new Set(expected).size > 5000, 'the exercise leaves many different values');
  for (const plan of [planOf('128'), planOf('256'), kernelPlan({ revectorize: 'off' }), kernelPlan()]) assert.deepEqual(run(plan), expected, plan.name);
});

test('without pairing the plan is the 128-bit build', () => {
  assert.equal(kernelPlan({ revectorize: 'off' }).name, 'simd128');
  if (Number.parseInt(process.versions.node, 10) < 24) assert.equal(kernelPlan().name, 'simd128');
});

test('a plan survives postMessage', () => {
  const { port1, port2 } = new MessageChannel();
  for (const plan of [twinPlan, kernelPlan({ revectorize: 'off' })]) {
    port1.postMessage(plan);
    const arrived = (receiveMessageOnPort(port2) as { message: KernelPlan }).message;
    assert.equal(arrived.name, plan.name);
    assert.deepEqual(run(arrived), run(plan));
  }
  port1.close();
});
