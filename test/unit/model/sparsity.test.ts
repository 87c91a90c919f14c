/** Descriptions of sparsity: defaults, friendly forms, what is refused; values of step-aware numbers and of schedules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkSparsity, sparsity, type Hyperparameter, type Sparsity, type SparsityOptions, type UpdateSchedule } from '../../../src/model/sparsity.js';
import { hyperparameterAt, updatesAt, updatesUpTo } from '../../../src/model/sparsity-values.js';
import { InvalidConfig } from '../../../src/util/errors.js';

test('a description has every field, with the ecosystem’s defaults', () => {
  const every = { kind: 'every', freq: 1, start: 0, stop: null }, third = { kind: 'constant', value: 0.3 };
  assert.deepEqual(sparsity({ sparsity: 0.9 }), [{ algorithm: 'static', params: null, sparsity: { kind: 'constant', value: 0.9 }, init: 'random', update: every, dropFraction: third, pattern: 'unstructured', balance: null }]);
  assert.equal(sparsity({ algorithm: 'gmp', sparsity: 0.9 })[0]?.init, 'topk');
  assert.deepEqual(sparsity({ algorithm: 'set', sparsity: [0.1, 0.2], dropFraction: { kind: 'cosine', init: 0.3, halfPeriod: 10, minimum: 0 }, params: 'a*', update: { freq: 5, stop: 20 } })[0], {
    algorithm: 'set', params: ['a*'], sparsity: { kind: 'cycling', values: [0.1, 0.2] }, init: 'random', update: { kind: 'every', freq: 5, start: 0, stop: 20 },
    dropFraction: { kind: 'cosine', init: 0.3, halfPeriod: 10, minimum: 0 }, pattern: 'unstructured', balance: null,
  });
  const at = (step: number): number => step / 100;
  assert.deepEqual(sparsity({ algorithm: 'rigl', sparsity: at, update: { steps: [3, 5] } })[0]?.sparsity, { kind: 'function', at });
  assert.deepEqual(sparsity({ pattern: { n: 1, m: 4 } })[0]?.sparsity, { kind: 'constant', value: 0.75 });
  assert.equal(sparsity([{ sparsity: 0.1, params: 'a' }, { sparsity: 0.2 }]).length, 2);
  const plain = sparsity([{ algorithm: 'rigl', sparsity: 0.5, balance: { axis: 'inputs', groups: 2 } }, { pattern: { n: 2, m: 4 } }]);
  assert.deepEqual(checkSparsity(JSON.parse(JSON.stringify(plain)) as Sparsity), plain, 'plain data');
});

test('what makes no sense is refused, naming the field', () => {
  const gmp = { algorithm: 'gmp', sparsity: 0.5 } as const;
  const refused: readonly (readonly [SparsityOptions | readonly SparsityOptions[], RegExp])[] = [
    [[], /groups of parameters/],
    [{}, /sparsity\.sparsity \(got 'nothing'/],
    [{ algorithm: 'gmp', init: 'from_zeros' }, /sparsity\.sparsity \(got 'nothing'/],
    [{ sparsity: 1.1 }, /sparsity\.sparsity \(got 1.1, limit 'a number from 0 to 1'/],
    [{ sparsity: NaN }, /sparsity\.sparsity \(got NaN/],
    [{ algorithm: 'prune' as 'gmp', sparsity: 0.5 }, /sparsity\.algorithm \(got 'prune', limit 'static, gmp, set, rigl'/],
    [{ sparsity: [0.1, 0.2] }, /sparsity\.sparsity of a static mask \(got 'cycling'/],
    [{ ...gmp, sparsity: [] }, /sparsity\.sparsity\.values/],
    [{ ...gmp, sparsity: [0.1, 2] }, /sparsity\.sparsity\.values\[1\] \(got 2/],
    [{ ...gmp, sparsity: { kind: 'linear', init: 0.5, slope: Infinity } }, /sparsity\.sparsity\.slope/],
    [{ ...gmp, sparsity: { kind: 'power', init: 0.5, beta: -1 } }, /sparsity\.sparsity\.beta \(got -1/],
    [{ ...gmp, sparsity: { kind: 'cosine', init: 0.5, halfPeriod: 0, minimum: 0 } }, /sparsity\.sparsity\.halfPeriod \(got 0/],
    [{ ...gmp, sparsity: { kind: 'exponential', init: 0, gamma: NaN, final: 1 } }, /sparsity\.sparsity\.gamma/],
    [{ ...gmp, sparsity: { kind: 'step' } as unknown as Hyperparameter }, /sparsity\.sparsity\.kind \(got 'step'/],
    [{ ...gmp, dropFraction: 0.1 }, /sparsity\.dropFraction .*gmp drops no share/],
    [{ algorithm: 'set', sparsity: 0.5, dropFraction: -0.1 }, /sparsity\.dropFraction \(got -0.1/],
    [{ sparsity: 0.5, update: { freq: 2 } }, /sparsity\.update .*static mask stays/],
    [{ ...gmp, update: { freq: 0 } }, /sparsity\.update\.freq \(got 0/],
    [{ ...gmp, update: { start: -1 } }, /sparsity\.update\.start \(got -1/],
    [{ ...gmp, update: { start: 5, stop: 5 } }, /sparsity\.update\.stop \(got 5/],
    [{ ...gmp, update: { steps: [] } }, /sparsity\.update\.steps/],
    [{ ...gmp, update: { steps: [2, 0.5] } }, /sparsity\.update\.steps\[1\] \(got 0.5/],
    [{ sparsity: 0.5, init: 'ones' as 'topk' }, /sparsity\.init \(got 'ones'/],
    [{ sparsity: 0.5, params: [] }, /sparsity\.params/],
    [{ sparsity: 0.5, params: '' }, /sparsity\.params/],
    [{ sparsity: 0.5, pattern: '8x1' as 'blocks' }, /sparsity\.pattern \(got '8x1'/],
    [{ pattern: { n: 3, m: 2 } }, /sparsity\.pattern .*1 ≤ n ≤ m/],
    [{ sparsity: 0.9, pattern: { n: 2, m: 4 } }, /sparsity\.sparsity with a pattern of 2 of 4 \(got 0.9, limit 0.5\); leave it out/],
    [{ algorithm: 'rigl', pattern: { n: 2, m: 4 } }, /sparsity\.algorithm with a pattern of 2 of 4 \(got 'rigl', limit 'static, gmp'/],
    [{ pattern: { n: 2, m: 4 }, balance: { axis: 'inputs', groups: 2 } }, /sparsity\.balance with a pattern/],
    [{ sparsity: 0.5, balance: { axis: 'rows' as 'inputs', groups: 2 } }, /sparsity\.balance\.axis \(got 'rows'/],
    [{ sparsity: 0.5, balance: { axis: 'inputs', groups: 0 } }, /sparsity\.balance\.groups \(got 0/],
    [[{ sparsity: 0.5, params: 'a' }, { sparsity: 2 }], /sparsity\[1\]\.sparsity \(got 2/],
  ];
  for (const [options, message] of refused) assert.throws(() => sparsity(options), (e) => e instanceof InvalidConfig && message.test(e.message), String(message));
});

test('values: by their formulas, clamped to 0 … 1, rounded once to f32, never NaN', () => {
  const at = (h: Hyperparameter, step: number, turn = 0): number => hyperparameterAt(h, step, turn, 'sparsity');
  assert.equal(at({ kind: 'constant', value: 0.9 }, 7), Math.fround(0.9));
  assert.equal(at({ kind: 'linear', init: 0.9, slope: -0.25 }, 2), Math.fround(0.4));
  assert.equal(at({ kind: 'linear', init: 0.9, slope: -0.25 }, 9), 0);
  assert.deepEqual([0, 1, 2, 3].map((turn) => at({ kind: 'cycling', values: [0.5, 0.25, 1] }, 99, turn)), [0.5, 0.25, 1, 0.5]);
  assert.equal(at({ kind: 'exponential', init: 1, gamma: 5, final: 1 }, 1e6), 1, 'no ∞ · 0');
  assert.equal(at({ kind: 'exponential', init: 0, gamma: -5, final: 0.75 }, 1e6), 0.75);
  assert.equal(at({ kind: 'power', init: 0, beta: 10 }, 1e6), 0, 'no 0 · ∞');
  assert.equal(at({ kind: 'power', init: 1, beta: 0 }, 0), 1);
  assert.equal(at({ kind: 'cosine', init: 0.5, halfPeriod: 10, minimum: 0.25 }, 1_000_010), 0.25);
  fc.assert(
    fc.property(fc.double({ min: -2, max: 2, noNaN: true }), fc.double({ min: -2, max: 2, noNaN: true }), fc.double({ min: -0.1, max: 0.1, noNaN: true }), fc.double({ min: 0.9, max: 1.1, noNaN: true }), fc.double({ min: 0.5, max: 1000, noNaN: true }), fc.nat({ max: 2000 }), (init, other, rate, beta, halfPeriod, step) => {
      // The engine's functions, for comparison alone.
      const wanted: readonly (readonly [Hyperparameter, number])[] = [
        [{ kind: 'exponential', init, gamma: rate, final: other }, other - (other - init) * Math.exp(step * rate)],
        [{ kind: 'power', init, beta }, init * beta ** step],
        [{ kind: 'cosine', init, halfPeriod, minimum: other }, (init + other) / 2 + (init - (init + other) / 2) * Math.cos((step * Math.PI) / halfPeriod)],
      ];
      for (const [h, value] of wanted) {
        const clamped = Math.max(0, Math.min(1, value));
        assert.ok(Math.abs(at(h, step) - clamped) <= 2 ** -24 + 1e-9 * Math.abs(value), `${JSON.stringify(h)} at ${step}: ${at(h, step)} and ${clamped}`);
        assert.equal(at(h, step), Math.fround(at(h, step)));
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('a function answers numbers from 0 to 1, or is refused', () => {
  assert.equal(hyperparameterAt({ kind: 'function', at: (step) => 1 / step }, 3, 0, 'sparsity'), Math.fround(1 / 3));
  for (const answer of [NaN, -0.1, 1.1, undefined, '0.5']) assert.throws(() => hyperparameterAt({ kind: 'function', at: () => answer as number }, 3, 0, 'sparsity'), (e) => e instanceof InvalidConfig && /sparsity at step 3/.test(e.message));
});

test('schedules: the versions up to the last are those that it updates, one by one', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.record({ kind: fc.constant('every' as const), freq: fc.integer({ min: 1, max: 9 }), start: fc.nat({ max: 20 }), stop: fc.option(fc.integer({ min: 1, max: 40 })) }),
        fc.record({ kind: fc.constant('steps' as const), steps: fc.array(fc.nat({ max: 50 }), { minLength: 1 }) }),
      ),
      fc.nat({ max: 45 }), fc.nat({ max: 60 }),
      (schedule: UpdateSchedule, last, most) => {
        const versions = Array.from({ length: last }, (_, i) => i + 1).filter((version) => updatesAt(schedule, version));
        assert.deepEqual(updatesUpTo(schedule, last, most), versions.slice(0, most));
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});
