/** Values, ranges, grids and lists: sizes and order are what the words say, numbers are the decimal ones, and what makes no sense is refused by name. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { nearest } from '../../../src/util/nearest.js';
import { checkPaths, pointsMax, sweepPoints, variedPaths, zipped, type Axis } from '../../../src/sweep/points.js';
import { valuesMax, valuesOf, type Parameters, type Value } from '../../../src/sweep/values.js';
import { InvalidConfig } from '../../../src/util/errors.js';

const refused = (run: () => unknown, says: RegExp): void => assert.throws(run, (error) => error instanceof InvalidConfig && says.test(error.message), String(says));

const always = (context: string) => () => context;

describe('values', () => {
  test('lists, factors, steps and words', () => {
    for (const [text, values] of [
      ['1,2,4', [1, 2, 4]], ['1..192*2', [1, 2, 4, 8, 16, 32, 64, 128]], ['0..0.9+0.1', [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]], ['3..6', [3, 4, 5, 6]], ['5..5', [5]],
      ['1e-6..1e-3*10', [1e-6, 1e-5, 1e-4, 1e-3]], ['-1..1+0.5', [-1, -0.5, 0, 0.5, 1]], ['1..2.5*1.5', [1, 1.5, 2.25]], ['wse2,wse3', ['wse2', 'wse3']], ['true,false', [true, false]],
      ['1, 8..16*2', [1, 8, 16]], ['007', ['007']], ['1e999', ['1e999']], ['8x8,16x16', ['8x8', '16x16']], ['../up,a..b', ['../up', 'a..b']],
    ] as const) assert.deepEqual(valuesOf('p', text), values, text);
    assert.deepEqual(valuesOf('p', [1, '2..4', 'x', true]), [1, 2, 3, 4, 'x', true]);
    assert.deepEqual(valuesOf('p', 0.5), [0.5]);
  });

  test('what does not rise, is empty, comes twice or has no end is refused', () => {
    for (const [given, says] of [
      ['5..1', /begins above/], ['1..8*1', /does not rise/], ['1..8*0.5', /does not rise/], ['1..8+0', /does not rise/], ['1..8+-1', /does not rise/], ['0..8*2', /begins above 0/], ['-4..8*2', /begins above 0/],
      ['1,,2', /empty value of p/], ['', /empty value of p/], [[], /no values/], ['1,1', /value twice/], ['1..3,2', /value twice/], [['a', 'a'], /value twice/], [`1..${valuesMax + 1}`, /more than 10000/], ['0..1+1e-300', /more than 10000/],
      [[[1]], /the value of p/], [null, /the value of p/], [[null], /the value of p/], [{}, /the value of p/], [Number.NaN, /the value of p/],
    ] as const) refused(() => valuesOf('p', given), says);
  });

  test('numbers of a range are the nearest to the decimal ones, wherever it begins', () =>
    fc.assert(fc.property(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 6 }), (from, step, count, digits) => {
      const text = (units: number): string => (units < 0 ? '-' : '') + (digits === 0 ? String(Math.abs(units)) : `${Math.floor(Math.abs(units) / 10 ** digits)}.${String(Math.abs(units) % 10 ** digits).padStart(digits, '0')}`);
      const expected = Array.from({ length: count + 1 }, (_, i) => Number(text(from + i * step)));
      assert.deepEqual(valuesOf('p', `${text(from)}..${text(from + count * step)}+${text(step)}`).map((value) => value === 0 ? 0 : value), expected.map((value) => value === 0 ? 0 : value));
    }), { seed: 41 }));
});

const value: fc.Arbitrary<Value> = fc.oneof(fc.integer(), fc.boolean(), fc.stringMatching(/^[a-z]{1,4}$/));
const axis = (path: string): fc.Arbitrary<Axis> => fc.uniqueArray(value, { minLength: 1, maxLength: 4 }).map((values) => ({ path, values }));
const grids = fc.integer({ min: 0, max: 4 }).chain((count) => fc.tuple(...Array.from({ length: count }, (_, i) => axis(`g${i}`))));
const lists = fc.uniqueArray(fc.integer(), { maxLength: 5 }).map((all): readonly Parameters[] => all.map((number) => ({ l0: number, l1: `x${number}` })));

describe('points', () => {
  test('a grid has every combination once, the last parameter fastest; a list stands outside of it', () =>
    fc.assert(fc.property(grids, lists, (grid, list) => {
      const points = sweepPoints({ base: { fixed: 1, g0: 'base' }, grid, list }, always(''));
      assert.equal(points.length, grid.reduce((size, { values }) => size * values.length, Math.max(1, list.length)));
      points.forEach(({ parameters }, i) => {
        let rest = i;
        for (const { path, values } of grid.toReversed()) {
          assert.equal(parameters[path], values[rest % values.length]);
          rest = Math.floor(rest / values.length);
        }
        for (const [path, one] of Object.entries(list[rest] ?? {})) assert.equal(parameters[path], one);
        assert.equal(parameters['fixed'], 1);
      });
      assert.equal(new Set(points.map(({ key }) => key)).size, points.length);
      assert.ok(points.every(({ key }) => /^[0-9a-f]{32}$/.test(key)));
    }), { seed: 42 }));

  test('a key follows from the parameters and the context alone, whatever the sweep and the order of names', () => {
    const one = sweepPoints({ base: { a: 1 }, grid: [{ path: 'b', values: [2, 3] }], list: [] }, always('v1')), other = sweepPoints({ base: {}, grid: [{ path: 'b', values: [3] }], list: [{ a: 1 }] }, always('v1'));
    assert.equal(other[0]?.key, one[1]?.key);
    const keys = ['v1', 'v2'].flatMap((context) => [{ a: 1 }, { a: '1' }, { a: true }, { b: 1 }, {}].map((base) => sweepPoints({ base: base as Parameters, grid: [], list: [] }, always(context))[0]?.key));
    assert.equal(new Set(keys).size, keys.length);
  });

  test('a list takes the n-th value of each', () => {
    assert.deepEqual(zipped([{ path: 'a', values: [1, 2] }, { path: 'b', values: ['x', 'y'] }]), [{ a: 1, b: 'x' }, { a: 2, b: 'y' }]);
    assert.deepEqual(zipped([]), []);
    refused(() => zipped([{ path: 'a', values: [1, 2] }, { path: 'b', values: ['x'] }]), /values of b in a list.*1.*2, as a has/);
  });

  test('what varies twice, points that are the same, and too many are refused', () => {
    const a: Axis = { path: 'a', values: [1, 2] };
    refused(() => sweepPoints({ base: {}, grid: [a, a], list: [] }, always('')), /a varies twice/);
    refused(() => sweepPoints({ base: {}, grid: [a], list: [{ a: 3 }] }, always('')), /a varies twice/);
    refused(() => sweepPoints({ base: { b: 1 }, grid: [], list: [{ b: 1 }, {}] }, always('')), /two points are the same/);
    const many = Array.from({ length: 400 }, (_, i) => i);
    refused(() => sweepPoints({ base: {}, grid: [{ path: 'a', values: many }, { path: 'b', values: many }], list: [] }, always('')), new RegExp(`160000.*${pointsMax}`));
  });

  test('unknown parameters are refused with the nearest that there is', () => {
    const known = ['numCsx', 'batchSize', 'machine.swarmX.nodeLatencySeconds'];
    for (const [path, near] of [['numcsx', 'numCsx'], ['batch-size', 'batchSize'], ['machine.swarmx.nodeLatency', 'machine.swarmX.nodeLatencySeconds']] as const) {
      refused(() => checkPaths({ base: {}, grid: [{ path, values: [1] }], list: [] }, known), new RegExp(`unknown parameter.*'${path}'.*did you mean ${near}\\?`));
      refused(() => checkPaths({ base: { [path]: 1 }, grid: [], list: [] }, known), /unknown parameter/);
      refused(() => checkPaths({ base: {}, grid: [], list: [{}, { [path]: 1 }] }, known), /unknown parameter/);
    }
    checkPaths({ base: { numCsx: 1 }, grid: [{ path: 'batchSize', values: [1] }], list: [] }, known);
    assert.deepEqual([nearest('sede', ['steps', 'seed']), nearest('', ['abc', 'ab']), nearest('x', [])], ['seed', 'ab', null]);
    assert.deepEqual(variedPaths({ base: { z: 1 }, grid: [{ path: 'b', values: [1] }], list: [{ a: 1 }, { c: 2, a: 2 }] }), ['a', 'c', 'b']);
  });
});
