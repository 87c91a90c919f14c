/** The rows that the model may be calibrated on (docs/timing.md §9): single tiles by their formulas, and one whole training. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machines, withOverride } from '../../../src/spec/machine.js';
import { instructionTrace, matrixVectorCycles } from '../../../src/timing/cycles.js';
import { price } from '../../../src/timing/price.js';
import { llamaWork } from '../../support/llama-work.js';

const { wse2 } = machines;

test('products of a matrix and a vector on one tile, within 1 %', () => {
  const measured = { 10: 169.8, 20: 458.8, 30: 1029.8, 40: 1678.8, 50: 2692.8, 60: 3701.8, 70: 5152.8, 80: 6521.8, 90: 8412.8, 100: 10_144.8 };
  for (const [n, cycles] of Object.entries(measured)) {
    const predicted = matrixVectorCycles(Number(n), Number(n), wse2);
    assert.ok(Math.abs(predicted / cycles - 1) < (Number(n) < 30 ? 0.01 : 0.0016), `N = ${n}: ${predicted} against ${cycles}`);
  }
});

test('instruction traces, exactly', () => {
  assert.deepEqual(instructionTrace({ issue: 2094, elements: 5, conflict: false }, wse2), [2096, 2097, 2098, 2099, 2100]);
  assert.deepEqual(instructionTrace({ issue: 2160, elements: 5, conflict: true }, wse2), [2163, 2165, 2167, 2169, 2171]);
  assert.deepEqual(instructionTrace({ issue: 7, elements: 0, conflict: true }, wse2), []);
});

test('Llama-7B on one system, within 10 %: one constant, and all of its range', () => {
  const work = llamaWork(), measured = 20.45;
  assert.ok(Math.abs(work.model.parameterCount / 6.74e9 - 1) < 0.001);
  const at = (path: string, value: number, machine = wse2): number => price(work, withOverride(machine, path, value)).step.samplesPerSecond / measured - 1;
  assert.ok(Math.abs(price(work, wse2).step.samplesPerSecond / measured - 1) < 0.01, 'at the constant');
  for (const bound of wse2.about['core.streamedEfficiency']?.range ?? [0]) assert.ok(Math.abs(at('core.streamedEfficiency', bound)) < 0.1, `at ${bound}: ${at('core.streamedEfficiency', bound)}`);
  // What the row does tell: sums of 32 bits in a tile cannot reach it.
  assert.ok(at('core.sumBits', 32, withOverride(wse2, 'core.streamedEfficiency', 1)) < -0.25);
});

test('the power of a busy system lies where the vendor puts it', () => {
  const { watts } = price(llamaWork(), wse2).energy;
  assert.ok(watts > 15e3 && watts < 30e3, `${watts} W with MemoryX and SwarmX`);
});
