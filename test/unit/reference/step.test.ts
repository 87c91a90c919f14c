/** Single values of the oracle's layers that can be worked out by hand, and what it refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { model } from '../../../src/model/build.js';
import { mlp } from '../../../src/model/presets/small.js';
import { features, linear } from '../../../src/model/layers.js';
import { geluAt, geluSecondMax, geluThirdMax } from '../../../src/reference/activations.js';
import { growth, treeDepth, ulp } from '../../../src/reference/bounded.js';
import { referenceForward, referenceStep } from '../../../src/reference/step.js';
import { gatherBatch } from '../../../src/reference/train.js';
import { InvalidConfig } from '../../../src/util/errors.js';

test('gelu: the derivatives are derivatives, and the suprema hold and are near', () => {
  let second = 0, third = 0;
  const h = 2 ** -12;
  for (let x = -12; x <= 12; x += 2 ** -8) {
    const [, d1, d2] = geluAt(x);
    const [up, upFirst, upSecond] = geluAt(x + h), [down, downFirst, downSecond] = geluAt(x - h);
    // Central differences err by h²/6 times a derivative below 3.
    assert.ok(Math.abs((up - down) / (2 * h) - d1) < h * h && Math.abs((upFirst - downFirst) / (2 * h) - d2) < h * h, `at ${x}`);
    second = Math.max(second, Math.abs(d2));
    third = Math.max(third, Math.abs(upSecond - downSecond) / (2 * h));
  }
  assert.ok(second <= geluSecondMax && second > 0.9 * geluSecondMax, `${second}`);
  assert.ok(third <= geluThirdMax && third > 0.9 * geluThirdMax, `${third}`);
});

test('pieces of the bounds', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 8, 9].map(treeDepth), [0, 0, 1, 2, 2, 3, 3, 4]);
  assert.deepEqual([1, 1.5, 2, 0.75].map(ulp), [2 ** -23, 2 ** -23, 2 ** -22, 2 ** -24]);
  for (const depth of [1, 256, 2 ** 16]) assert.ok(growth(depth) >= (1 + 2 ** -24) ** depth);
});

test('equal logits: loss ln C, delta (1/C − [label]) over the valid labels', () => {
  const m = model({ input: features(2), layers: [linear(4, { bias: false })] });
  const step = referenceStep(m, [new Float32Array(8)], { inputs: Float32Array.of(1, 2, 3, 4, 5, 6), labels: Int32Array.of(0, -1, 3) });
  assert.ok(Math.abs((step.loss.value[0] as number) - Math.log(4)) < 1e-15);
  assert.deepEqual([...(step.deltas[1]?.value ?? [])], [-0.375, 0.125, 0.125, 0.125, 0, 0, 0, 0, 0.125, 0.125, 0.125, -0.375]);
  assert.deepEqual([...(step.deltas[1]?.bound.subarray(4, 8) ?? [])], [0, 0, 0, 0], 'a masked token has the delta +0, exactly');
  assert.deepEqual([...(step.gradients[0]?.value ?? [])], [-0.375 + 5 * 0.125, 0.75, 0.75, 0.125 - 5 * 0.375, -0.75 + 6 * 0.125, 1, 1, 0.25 - 6 * 0.375]);
});

test('logits far apart neither overflow nor lose the loss', () => {
  const m = model({ input: features(1), layers: [linear(2, { bias: false })] });
  const { loss } = referenceForward(m, [Float32Array.of(1000, -1000)], { inputs: Float32Array.of(1), labels: Int32Array.of(1) });
  assert.equal(loss.value[0], 2000);
  assert.ok((loss.bound[0] as number) < 2000 * 2 ** -20);
});

test('a batch or parameters of other sizes are refused', () => {
  const m = mlp([2, 3]);
  const parameters = [new Float32Array(6), new Float32Array(3)];
  assert.throws(() => referenceStep(m, [new Float32Array(6)], { inputs: new Float32Array(2), labels: new Int32Array(1) }), InvalidConfig);
  assert.throws(() => referenceStep(m, parameters, { inputs: new Float32Array(3), labels: new Int32Array(1) }), InvalidConfig);
  assert.throws(() => referenceStep(m, parameters, { inputs: new Int32Array(2), labels: new Int32Array(1) }), InvalidConfig);
});

test('a batch of text reads a window and labels it with the byte behind; an epoch draws every sample once', () => {
  const m = model({ input: { kind: 'tokens', vocabulary: 256, context: 3 }, layers: [{ kind: 'embedding', dim: 1 }, linear(256)] });
  const bytes = Uint8Array.from({ length: 11 }, (_, i) => 10 * i);
  const { inputs, labels } = gatherBatch(m, { kind: 'text', bytes }, 8, 0, 7);
  for (let i = 0; i < 8; i++) assert.deepEqual([...inputs.subarray(3 * i, 3 * i + 3)], [30, 20, 10].map((back) => (labels[i] as number) - back));
  assert.deepEqual([...labels].toSorted((a, b) => a - b), [30, 40, 50, 60, 70, 80, 90, 100]);
});

test('logits whose errors say nothing keep finite bounds: a probability errs by 1 at most', () => {
  // Products cancel in each of ten layers, so that errors grow by some 2000 a layer and values do not.
  const m = model({ input: features(2), layers: Array.from({ length: 10 }, () => linear(2, { bias: false })) });
  const step = referenceStep(m, m.parameters.map(() => Float32Array.of(1000, -999, -998, 1000)), { inputs: Float32Array.of(1, 1), labels: Int32Array.of(0) });
  const bounds = [step.loss, ...step.gradients, ...step.deltas].flatMap((b) => [...b.bound]);
  assert.ok(step.activations[10]?.bound.every((b) => b > 1e6), 'e to the logits\' bounds overflows');
  assert.ok(bounds.every(Number.isFinite));
  assert.ok(step.activations[11]?.bound.every((b) => b <= 1.001));
});
