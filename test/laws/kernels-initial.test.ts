/**
 * Law (a) for first weights: the kernels equal their scalar twins and the model's own initializer to the bit, for both builds, for any range of a parameter.
 *
 * After each call the kernel's whole memory is compared with the twin's, so stray writes fail too.
 * Not here: the other kernels (kernels.test.ts), the distributions (test/unit/model/graph.test.ts), the generator (test/unit/util/prng.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ParameterSpec } from '../../src/model/graph.js';
import { initialize } from '../../src/model/init.js';
import { purposes, randomUnit, streamKey } from '../../src/util/prng.js';
import { builds } from '../support/kernel-law.js';
import { Arena } from '../unit/kernels/arena.js';

const seed = 20_261_126;
const aSeed = fc.oneof(fc.nat(1000), fc.maxSafeNat());
const anIndex = fc.nat(2000);
const aWord = fc.nat(0xff_ff_ff_ff);
const aCount = fc.oneof(fc.nat(9), fc.nat(200));
const aFirst = fc.oneof(fc.nat(50), fc.nat(2 ** 31), fc.constantFrom(2 ** 31 - 3, 2 ** 32 - 2));
/** Also factors that f32 does not hold, that end among its denormals or beyond its largest. */
const aFactor = fc.oneof(fc.constantFrom(0.02, 1, 1 / Math.sqrt(50), 1e-39, 1e38, 0), fc.double({ min: 1e-3, max: 2, noNaN: true }));
const kinds = ['uniform', 'normal'] as const;
const aKind = fc.constantFrom(...kinds);

const spec = (kind: (typeof kinds)[number], factor: number, index: number, size: number): ParameterSpec =>
  ({ index, name: 'drawn', shape: [size], size, init: kind === 'uniform' ? { kind, bound: factor } : { kind, std: factor } }) as unknown as ParameterSpec;

/** One value, from the public generator alone. */
const valueOf = (kind: (typeof kinds)[number], factor: number, runSeed: number, index: number, at: number): number => {
  const unit = (k: number): number => randomUnit(runSeed, purposes.init, at, k, index);
  if (kind === 'uniform') return Math.fround((2 * unit(0) - 1) * factor);
  return Math.fround(factor * (Array.from({ length: 12 }, (_, k) => unit(k)).reduce((sum, term) => sum + term, 0) - 6));
};

for (const build of builds) {
  const arena = new Arena(build.plan);
  /** Draws into a block among drawn floats and gives back what both sides then hold. */
  const drawn = (kind: (typeof kinds)[number], first: number, count: number, key0: number, key1: number, factor: number, offset = 0): Float32Array => {
    const dst = arena.floats(count + 8) + offset * 4;
    arena.both((k) => (kind === 'uniform' ? k.initUniform : k.initNormal)(dst, first, count, key0, key1, factor), `${kind} ${first} … +${count}`);
    return arena.read(dst, count);
  };

  test(`${build.name}: first weights under any keys equal their twins`, () => {
    fc.assert(
      fc.property(aKind, aFirst, aCount, aWord, aWord, aFactor, fc.nat(3), (kind, first, count, key0, key1, factor, offset) => {
        arena.reset(1, 0);
        drawn(kind, first, count, key0, key1, factor, offset);
      }),
      { seed, numRuns: 200, examples: [['normal', 2 ** 31, 5, 0xff_ff_ff_ff, 0xff_ff_ff_ff, 0.02, 0], ['uniform', 0, 0, 1, 2, 1, 0]] },
    );
  });

  test(`${build.name}: first weights are those of the model's initializer, in pieces`, () => {
    fc.assert(
      fc.property(aKind, aSeed, anIndex, fc.integer({ min: 1, max: 200 }), fc.nat(), aFactor, (kind, runSeed, index, size, cut, factor) => {
        arena.reset(2, 0);
        const want = new Float32Array(size), { key0, key1 } = streamKey(runSeed, purposes.init, index), middle = cut % (size + 1);
        initialize(spec(kind, factor, index, size), runSeed, want);
        const pieces = [...drawn(kind, 0, middle, key0, key1, factor), ...drawn(kind, middle, size - middle, key0, key1, factor)];
        assert.deepEqual(new Int32Array(new Float32Array(pieces).buffer), new Int32Array(want.buffer));
      }),
      { seed, numRuns: 100 },
    );
  });

  test(`${build.name}: first weights far into a parameter are those of the generator`, () => {
    fc.assert(
      fc.property(aKind, aSeed, anIndex, fc.nat(2 ** 31), fc.integer({ min: 1, max: 9 }), aFactor, (kind, runSeed, index, first, count, factor) => {
        arena.reset(3, 0);
        const { key0, key1 } = streamKey(runSeed, purposes.init, index);
        const want = Float32Array.from({ length: count }, (_, i) => valueOf(kind, factor, runSeed, index, first + i));
        assert.deepEqual(drawn(kind, first, count, key0, key1, factor), want);
      }),
      { seed, numRuns: 100 },
    );
  });
}

test('the initializer gives what the generator gives one value at a time', () => {
  fc.assert(
    fc.property(aKind, aSeed, anIndex, aFactor, (kind, runSeed, index, factor) => {
      const out = new Float32Array(7);
      initialize(spec(kind, factor, index, out.length), runSeed, out);
      assert.deepEqual(out, Float32Array.from(out, (_, i) => valueOf(kind, factor, runSeed, index, i)));
    }),
    { seed, numRuns: 50 },
  );
});
