/** Plans: which parameters a description makes sparse, when and with what numbers; what is refused; how much is stored at most. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { model } from '../../../src/model/build.js';
import { embedding, features, gelu, linear, relu, sequence } from '../../../src/model/layers.js';
import type { Model } from '../../../src/model/graph.js';
import { sparsity, type SparsityOptions } from '../../../src/model/sparsity.js';
import { matchesGlob } from '../../../src/sparsity/glob.js';
import { maskUpdatesMax, resolveSparsity, type ResolvedParameter } from '../../../src/sparsity/plan.js';
import { InvalidConfig, NotEmulated } from '../../../src/util/errors.js';

const mlp = model({ input: features(12), layers: [linear(20), relu(), linear(16, { name: 'embedding_out' }), gelu(), linear(8, { name: 'middle' }), linear(8, { name: 'lm_head' })] });
const lm = model({ input: sequence({ vocabulary: 10, context: 4 }), layers: [embedding({ dim: 6 }), linear(6), linear(10, { tied: true, bias: false })] });

const resolve = (options: SparsityOptions | readonly SparsityOptions[], steps = 10, m: Model = mlp): ResolvedParameter[] => resolveSparsity(m, sparsity(options), steps);
const names = (resolved: readonly ResolvedParameter[], m: Model = mlp): (string | undefined)[] => resolved.map(({ plan }) => m.parameters[plan.parameter]?.name);

test('globs: * is any run, ? is one character, the whole name matches', () => {
  const matches: readonly (readonly [string, string, boolean])[] = [
    ['*', '', true], ['*', 'a.weight', true], ['a', 'ab', false], ['a*', 'ab', true], ['*b', 'ab', true], ['*b*', 'abc', true], ['a?c', 'abc', true], ['a?c', 'ac', false], ['?', '', false],
    ['h.*.mlp.*.weight', 'h.3.mlp.up.weight', true], ['h.*.mlp.*.weight', 'h.3.attention.weight', false], ['*a*a*b', 'aaaaab', true], ['*a*a*b', 'aaaa', false], ['a.c', 'abc', false], ['a**c', 'ac', true], ['[ab]', 'a', false], ['A', 'a', false],
  ];
  for (const [glob, name, wanted] of matches) assert.equal(matchesGlob(glob, name), wanted, `${glob} ${name}`);
  assert.equal(matchesGlob(`${'*a'.repeat(40)}*b`, 'a'.repeat(4000)), false);
});

test('without a filter: weights of linear layers whose names hold none of embedding, norm, lm_head', () => {
  assert.deepEqual(names(resolve({ sparsity: 0.5 })), ['linear0.weight', 'middle.weight']);
  assert.deepEqual(names(resolve({ sparsity: 0.5 }, 10, lm), lm), ['linear0.weight']);
  const [first] = resolve({ sparsity: 0.5 });
  assert.deepEqual(first, {
    plan: { parameter: 0, inputs: 12, outputs: 20, algorithm: 'static', pattern: 'unstructured', balance: null, updates: [], storedMax: 120 },
    group: sparsity({ sparsity: 0.5 })[0], startSparsity: 0.5, startsDense: false,
  });
});

test('filters ask for any weight; the first group that a parameter belongs to decides; plans stand in graph order', () => {
  assert.deepEqual(names(resolve({ sparsity: 0.5, params: ['lm_head.weight', 'embedding_*.weight'] })), ['embedding_out.weight', 'lm_head.weight']);
  const two = resolve([{ sparsity: 0.9, params: 'm*.weight' }, { sparsity: 0.5 }]);
  assert.deepEqual(names(two), ['linear0.weight', 'middle.weight']);
  assert.deepEqual(two.map(({ startSparsity }) => startSparsity), [0.5, Math.fround(0.9)]);
});

test('what cannot be is refused, with what would help', () => {
  const refused: readonly (readonly [SparsityOptions | readonly SparsityOptions[], RegExp])[] = [
    [{ sparsity: 0.5, params: 'nothing*' }, /a filter that matches no parameter \(got 'nothing\*'/],
    [{ sparsity: 0.5, params: ['middle.weight', 'midle.weight'] }, /matches no parameter \(got 'midle.weight'/],
    [{ sparsity: 0.5, params: 'middle.*' }, /middle\.bias of shape \[8\] cannot be sparse.*end the filter/],
    [[{ sparsity: 0.5 }, { sparsity: 0.1, params: 'middle.weight' }], /every parameter of this group belongs to one before it/],
    [{ sparsity: 0.5, pattern: 'blocks', params: 'linear0.weight', balance: { axis: 'outputs', groups: 2 } }, /outputs of a balance group, in blocks of 4 \(got 10/],
    [{ pattern: { n: 2, m: 8 } }, /linear0\.weight: inputs in groups of 8 \(got 12/],
    [{ sparsity: 0.5, balance: { axis: 'inputs', groups: 5 } }, /linear0\.weight: inputs in 5 groups of one size \(got 12/],
    [{ algorithm: 'gmp', sparsity: (step) => step / 5, update: { steps: [2, 7] } }, /sparsity\.sparsity at step 7.*got 1.4/],
    [{ algorithm: 'gmp', sparsity: () => NaN }, /sparsity\.sparsity at step 0.*got NaN/],
    [{ algorithm: 'set', sparsity: 0.5, dropFraction: () => -1 }, /sparsity\.dropFraction at step 1.*got -1/],
  ];
  for (const [options, message] of refused) assert.throws(() => resolve(options), (e) => e instanceof InvalidConfig && message.test(e.message), String(message));
  assert.throws(() => resolve({ sparsity: 0.5, params: '*' }, 10, lm), NotEmulated);
  assert.throws(() => resolve({ sparsity: 0.5 }, 10, model({ input: features(3), layers: [linear(3, { name: 'norm' })] })), /no parameter of the model is sparse/);
  const odd = model({ input: features(3), layers: [linear(6)] });
  assert.throws(() => resolve({ sparsity: 0.5, pattern: 'blocks' }, 10, odd), /linear0\.weight: outputs in blocks of 4 \(got 6/);
  assert.throws(() => resolve({ algorithm: 'gmp', sparsity: 0.5 }, maskUpdatesMax + 1), /updates of a mask in 1000001 steps/);
});

test('updates: versions 1 to the last step, with f32 numbers; a schedule without version 0 starts dense', () => {
  const only = (options: SparsityOptions, steps = 10): ResolvedParameter => resolve({ params: 'middle.weight', ...options }, steps)[0] as ResolvedParameter;
  const versions = (options: SparsityOptions, steps?: number): number[] => only(options, steps).plan.updates.map(({ version }) => version);
  const gmp = { algorithm: 'gmp', sparsity: 0.5 } as const;
  assert.deepEqual(versions(gmp, 3), [1, 2, 3]);
  assert.deepEqual(versions({ ...gmp, update: { freq: 4 } }), [4, 8]);
  assert.deepEqual(versions({ ...gmp, update: { freq: 4, start: 2 } }), [2, 6, 10]);
  assert.deepEqual(versions({ ...gmp, update: { freq: 4, start: 2, stop: 10 } }), [2, 6]);
  assert.deepEqual(versions({ ...gmp, update: { steps: [7, 0, 3, 3, 11] } }), [3, 7]);
  assert.deepEqual([gmp, { ...gmp, update: { freq: 4, start: 2 } }, { ...gmp, update: { steps: [5] } }, { ...gmp, update: { steps: [0, 5] } }, { sparsity: 0.5 }].map((o) => only(o).startsDense), [false, true, true, false, false]);
  assert.equal(only({ ...gmp, update: { start: 1 } }).startSparsity, 0);

  const cycling = { algorithm: 'set', sparsity: [0.5, 0.75, 0.25], dropFraction: [0.5, 0.25] } as const;
  const numbers = (options: SparsityOptions): unknown => only(options, 4).plan.updates.map(({ sparsity: s, dropFraction }) => [s, dropFraction]);
  // A sparse start has used 0.5; a dense one has not.
  assert.deepEqual([only(cycling).startSparsity, numbers(cycling)], [0.5, [[0.75, 0.5], [0.25, 0.25], [0.5, 0.5], [0.75, 0.25]]]);
  assert.deepEqual(numbers({ ...cycling, update: { start: 2 } }), [[0.5, 0.5], [0.75, 0.25], [0.25, 0.5]]);
  assert.deepEqual(only({ algorithm: 'gmp', sparsity: { kind: 'linear', init: 0.1, slope: 0.5 } }, 3).plan.updates, [
    { version: 1, sparsity: Math.fround(0.6), dropFraction: 0 }, { version: 2, sparsity: 1, dropFraction: 0 }, { version: 3, sparsity: 1, dropFraction: 0 },
  ]);
});

test('most stored positions: dense starts and masks not known yet count all; else what counts and drops leave', () => {
  const most = (options: SparsityOptions): number | undefined => resolve({ params: 'middle.weight', ...options })[0]?.plan.storedMax;
  const size = 16 * 8;
  assert.equal(most({ sparsity: 0.75 }), size / 4);
  assert.equal(most({ init: 'from_zeros' }), size);
  assert.equal(most({ init: () => new Uint8Array() }), size);
  assert.equal(most({ algorithm: 'gmp', sparsity: 0.75, update: { start: 1 } }), size);
  assert.equal(most({ algorithm: 'gmp', sparsity: [0.75, 0.5] }), size / 2);
  assert.equal(most({ pattern: { n: 1, m: 4 } }), size / 4);
  assert.equal(most({ sparsity: 0.9, balance: { axis: 'outputs', groups: 8 } }), 8 * 1);
  assert.equal(most({ sparsity: 0.9, pattern: 'blocks' }), 4 * 3);
  // More is kept than is wanted: what is kept stays.
  assert.equal(most({ algorithm: 'set', sparsity: [0.5, 0.75], dropFraction: 0.25 }), size / 2);
  assert.equal(most({ algorithm: 'rigl', sparsity: 1, dropFraction: 0 }), 0);
});
