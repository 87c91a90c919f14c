/** Masks, counts and schedules against PyTorch's (test/golden/make_masks.py): the project's own algorithms and its oracle. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Hyperparameter, MaskBalance, MaskPattern, SparseParameter, SparsityAlgorithm } from '../../../src/model/sparsity.js';
import { hyperparameterAt } from '../../../src/model/sparsity-values.js';
import { referenceFirstMask, referenceNextMask } from '../../../src/reference/sparsity.js';
import { nextMask } from '../../../src/sparsity/algorithms.js';
import { storedCount } from '../../../src/sparsity/cells.js';
import { firstMask } from '../../../src/sparsity/init.js';
import { projectRoot } from '../../support/golden.js';

interface GoldenCase {
  readonly name: string;
  readonly algorithm: SparsityAlgorithm;
  readonly init: 'random' | 'topk';
  readonly pattern: MaskPattern;
  readonly balance: MaskBalance | null;
  readonly inputs: number;
  readonly outputs: number;
  readonly seed: number;
  readonly parameter: number;
  readonly sparsity: number;
  readonly weights: readonly number[];
  readonly first: string;
  readonly updates: readonly { readonly version: number; readonly sparsity: number; readonly dropFraction: number; readonly weights: readonly number[]; readonly gradient?: readonly number[]; readonly mask: string }[];
}
interface GoldenMasks {
  readonly cases: readonly GoldenCase[];
  readonly schedules: readonly { readonly schedule: Hyperparameter; readonly values: readonly (readonly [number, number])[] }[];
  readonly counts: readonly (readonly [sparsity: number, numel: number, stored: number])[];
}

const golden = JSON.parse(readFileSync(join(projectRoot(), 'test/golden/masks.json'), 'utf8')) as GoldenMasks;
const text = (mask: Uint8Array): string => mask.join('');

for (const c of golden.cases) {
  test(`masks as PyTorch makes them: ${c.name}`, () => {
    const { algorithm, pattern, balance, inputs, outputs, parameter, init, sparsity, seed } = c;
    const plan: SparseParameter = { parameter, inputs, outputs, algorithm, pattern, balance, updates: [], storedMax: inputs * outputs };
    const weights = Float32Array.from(c.weights), constant: Hyperparameter = { kind: 'constant', value: sparsity };
    const group = { algorithm, params: null, sparsity: constant, init, update: { kind: 'every', freq: 1, start: 0, stop: null }, dropFraction: constant, pattern, balance } as const;
    let mask = firstMask(group, { ...plan, name: 'w', shape: [inputs, outputs] }, weights, sparsity, seed);
    assert.equal(text(mask), c.first);
    assert.equal(text(referenceFirstMask(init, plan, weights, sparsity, seed)), c.first, 'the oracle');
    for (const update of c.updates) {
      const before = mask, dense = Float32Array.from(update.weights, (w, i) => (before[i] === 1 ? w : 0));
      const state = { mask, weights: dense, gradient: update.gradient === undefined ? null : Float32Array.from(update.gradient) };
      mask = nextMask(plan, update, state, seed);
      assert.equal(text(mask), update.mask, `version ${update.version}`);
      assert.equal(text(referenceNextMask(plan, update, state, seed)), update.mask, `the oracle, version ${update.version}`);
    }
  });
}

test('the number of stored positions is PyTorch’s, which in f64 would be another', () => {
  for (const [sparsity, numel, stored] of golden.counts) assert.equal(storedCount(sparsity, numel), stored, `${sparsity} of ${numel}`);
  assert.ok(golden.counts.some(([sparsity, numel, stored]) => Math.trunc((1 - sparsity) * numel) !== stored));
});

test('schedules are PyTorch’s in f32 within 1e-6: it rounds each operation to f32, this project once', () => {
  for (const { schedule, values } of golden.schedules) {
    for (const [step, value] of values) {
      const own = hyperparameterAt(schedule, step, 0, 'sparsity');
      assert.ok(Math.abs(own - value) <= 1e-6, `${JSON.stringify(schedule)} at ${step}: ${own} and ${value}`);
    }
  }
});
