/**
 * The oracle against PyTorch in float64: gradients of the first step, losses of 20 steps, final weights.
 *
 * Both compute in f64, so only f64 rounding and its growth over 20 steps stand between them: 1e-10 of the largest value is some 10^5 roundings.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceStep } from '../../../src/reference/step.js';
import { referenceTrain } from '../../../src/reference/train.js';
import { loadGolden } from '../../support/golden.js';

const close = (what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, relative: number): void => {
  assert.equal(actual.length, expected.length, what);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i] as number));
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    assert.ok(difference <= relative * largest, `${what}[${i}]: ${actual[i]} and torch ${expected[i]}`);
  }
};

for (const name of ['mlp', 'lm'] as const) {
  const golden = loadGolden(name);
  const batch = { inputs: golden.inputs, labels: golden.labels };

  test(`${name}: the gradients of the first step are PyTorch's`, () => {
    const step = referenceStep(golden.model, golden.parameters, batch);
    for (const spec of golden.model.parameters) close(spec.name, step.gradients[spec.index]?.value ?? [], golden.gradients[spec.index] ?? [], 1e-13);
  });

  for (const run of golden.runs) {
    test(`${name}: 20 steps of ${run.name} follow PyTorch`, () => {
      const ours = referenceTrain({ model: golden.model, parameters: golden.parameters, optimizer: run.optimizer, steps: run.losses64.length, batchAt: () => batch });
      close('losses', ours.losses, run.losses64, 1e-10);
      for (const spec of golden.model.parameters) close(spec.name, ours.parameters[spec.index] ?? [], run.final64[spec.index] ?? [], 1e-10);
      // PyTorch's own float32 run stays near its float64 run: the file pairs the right numbers.
      close('float32 losses', run.losses32, run.losses64, 1e-5);
    });
  }
}
