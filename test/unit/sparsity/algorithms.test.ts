/** Masks step by step against the oracle, bit for bit; what each update leaves; faults that the comparison sees. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SparseParameter } from '../../../src/model/sparsity.js';
import { referenceFirstMask, referenceNextMask } from '../../../src/reference/sparsity.js';
import { nextMask } from '../../../src/sparsity/algorithms.js';
import { firstMask } from '../../../src/sparsity/init.js';
import { storedAtMost, storedBy } from '../../../src/sparsity/plan.js';
import { aMaskCase, valuesOf, type MaskCase } from './mask-cases.js';
import { storedOf } from './stored.js';

const inits = ['random', 'topk', 'checkerboard', 'from_zeros'] as const;

const firstOf = ({ plan, seed, sparsity }: MaskCase, init: (typeof inits)[number], weights: Float32Array): Uint8Array =>
  firstMask({ algorithm: plan.algorithm, params: null, sparsity: { kind: 'constant', value: sparsity }, init, update: { kind: 'every', freq: 1, start: 0, stop: null }, dropFraction: { kind: 'constant', value: 0.3 }, pattern: plan.pattern, balance: plan.balance },
    { ...plan, name: 'w', shape: [plan.inputs, plan.outputs] }, weights, sparsity, seed);

/** Runs the updates of a case one after the other; `each` sees every mask with what was before it. */
const runUpdates = (c: MaskCase, each: (before: Parameters<typeof nextMask>, after: Uint8Array) => void): void => {
  const { plan, seed, values, later } = c, size = plan.inputs * plan.outputs, dense = valuesOf(size, values, seed, 0);
  let mask = firstOf(c, 'random', dense);
  later.forEach((numbers, step) => {
    const weights = dense.map((w, i) => (mask[i] === 1 ? w : 0));
    const given: Parameters<typeof nextMask> = [plan, { version: step + 1, ...numbers }, { mask, weights, gradient: valuesOf(size, values, seed, step + 1) }, seed];
    const after = nextMask(...given);
    each(given, after);
    mask = after;
  });
};

test('any parameter, any values: every update leaves the mask of the oracle, and the old one as it was', () => {
  fc.assert(
    fc.property(aMaskCase(), (c) => {
      runUpdates(c, ([plan, update, state, seed], after) => {
        const old = state.mask.slice();
        assert.deepEqual(after, referenceNextMask(plan, update, state, seed));
        assert.deepEqual(state.mask, old);
      });
    }),
    { seed: 1, numRuns: 600 },
  );
});

test('first masks by every rule are those of the oracle', () => {
  let refused = 0;
  fc.assert(
    fc.property(aMaskCase(), fc.constantFrom(...inits), (c, init) => {
      const { plan, seed, sparsity, values } = c, size = plan.inputs * plan.outputs;
      // Zeros are many, so that a pattern N:M finds enough of them now and then.
      const weights = valuesOf(size, values, seed, 0).map((w, i) => (init === 'from_zeros' && (i * 7 + seed) % 3 > 0 ? 0 : w));
      const wanted = referenceFirstMask(init, plan, weights, sparsity, seed);
      try {
        assert.deepEqual(firstOf(c, init, weights), wanted);
      } catch (error) {
        if (!(error instanceof Error && error.name === 'InvalidConfig' && init === 'from_zeros' && (plan.balance !== null || typeof plan.pattern === 'object'))) throw error;
        refused++;
      }
    }),
    { seed: 2, numRuns: 600 },
  );
  assert.ok(refused > 0 && refused < 100, `${refused} refused`);
});

test('as many are stored as are counted, and never more than foretold', () => {
  fc.assert(
    fc.property(aMaskCase(), (c) => {
      const { plan, later } = c, updates = later.map((numbers, step) => ({ version: step + 1, ...numbers }));
      const most = storedAtMost({ ...plan, updates }, storedBy(plan, c.sparsity));
      assert.equal(storedOf(firstOf(c, 'random', new Float32Array(plan.inputs * plan.outputs))), storedBy(plan, c.sparsity));
      runUpdates(c, ([, { sparsity }], after) => {
        assert.ok(storedOf(after) <= most, `${storedOf(after)} of ${most}`);
        assert.ok(storedOf(after) >= storedBy(plan, sparsity));
        if (plan.algorithm === 'gmp') assert.equal(storedOf(after), storedBy(plan, sparsity));
      });
    }),
    { seed: 3, numRuns: 300 },
  );
});

test('growing is a function of seed, parameter and version', () => {
  const plan: SparseParameter = { parameter: 3, inputs: 20, outputs: 30, algorithm: 'set', pattern: 'unstructured', balance: null, updates: [], storedMax: 600 };
  const state = { mask: Uint8Array.from({ length: 600 }, (_, i) => i % 3 % 2), weights: new Float32Array(600).fill(1), gradient: null };
  const at = (p: SparseParameter, version: number, seed: number): string => nextMask(p, { version, sparsity: 0.5, dropFraction: 0.5 }, state, seed).join('');
  assert.equal(at(plan, 4, 5), at(plan, 4, 5));
  assert.equal(new Set([at(plan, 4, 5), at(plan, 5, 5), at(plan, 4, 6), at({ ...plan, parameter: 4 }, 4, 5), at(plan, 4, 5 + 2 ** 32)]).size, 5);
});

/** A fault in the oracle's place: does the comparison of this file see it? */
const seen = (fault: (...given: Parameters<typeof nextMask>) => Uint8Array): boolean => {
  const result = fc.check(
    fc.property(aMaskCase(), (c) => {
      runUpdates(c, (given, after) => assert.deepEqual(after, fault(...given)));
    }),
    { seed: 1, numRuns: 600 },
  );
  return result.failed;
};

test('planted faults are seen: the tie rule, the count, the candidates, the version of the random words, NaN', () => {
  assert.ok(!seen(referenceNextMask), 'without a fault there is none');
  const turned = (mask: Uint8Array): Uint8Array => Uint8Array.from(mask).toReversed();
  const faults: Readonly<Record<string, (...given: Parameters<typeof nextMask>) => Uint8Array>> = {
    // Everything back to front: of equal scores the highest index then comes first.
    ties: (plan, update, { mask, weights, gradient }, seed) => {
      if (plan.algorithm === 'set' || plan.pattern !== 'unstructured') return referenceNextMask(plan, update, { mask, weights, gradient }, seed);
      return turned(referenceNextMask(plan, update, { mask: turned(mask), weights: weights.toReversed(), gradient: gradient?.toReversed() ?? null }, seed));
    },
    'one more is kept': (plan, update, state, seed) => {
      const after = referenceNextMask(plan, update, state, seed), absent = after.indexOf(0);
      return absent < 0 || plan.pattern !== 'unstructured' ? after : after.with(absent, 1);
    },
    'a little sparser': (plan, update, state, seed) => referenceNextMask(plan, { ...update, sparsity: Math.min(1, update.sparsity + 1e-3) }, state, seed),
    'the dropped cannot grow': (plan, update, state, seed) => {
      if (plan.algorithm !== 'rigl') return referenceNextMask(plan, update, state, seed);
      const gradient = state.gradient?.map((g, i) => (state.mask[i] === 1 ? 0 : g)) ?? null;
      return referenceNextMask(plan, update, { ...state, gradient }, seed);
    },
    'absent weights are candidates': (plan, update, state, seed) => referenceNextMask(plan, update, { ...state, mask: new Uint8Array(state.mask.length).fill(1) }, seed),
    'last step’s random words': (plan, update, state, seed) => referenceNextMask(plan, { ...update, version: update.version - 1 }, state, seed),
    'NaN is smallest': (plan, update, state, seed) => referenceNextMask(plan, update, { ...state, weights: state.weights.map((w) => (Number.isNaN(w) ? 0 : w)) }, seed),
    'another seed': (plan, update, state, seed) => referenceNextMask(plan, update, state, seed + 1),
  };
  for (const [name, fault] of Object.entries(faults)) assert.ok(seen(fault), name);
});
