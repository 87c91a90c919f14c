/**
 * Law (a) for norms, gated and erf activations, rotary positions, dropout and sums of squares: the kernels equal their scalar twins to the bit, for both builds, on
 * drawn shapes with tails and on special values; segments continue what whole passes compute; dropout keeps what util/prng.ts says.
 *
 * After each call the kernel's whole memory is compared with the twin's, so stray writes fail too. NaNs count as one.
 * Not here: the other kernels (kernels.test.ts, kernels-attention.test.ts), what the twins are judged by (the f64 reference).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { panelRowBytes, slabTokens, squareLeafFloats } from '../../src/kernels/types.js';
import { purposes, randomWord, streamKey } from '../../src/util/prng.js';
import { builds, lawOf } from '../support/kernel-law.js';
import { Arena } from '../unit/kernels/arena.js';

const seed = 20_261_125;
const aSpice = fc.constantFrom(0, 200, 20, 5);
const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const features = fc.oneof({ weight: 4, arbitrary: size(80) }, { weight: 2, arbitrary: fc.constantFrom(64, 128, 255, 256, 257, 513) });
const cuts = fc.array(fc.nat(), { maxLength: 4 });
const anEpsilon = fc.constantFrom(1e-5, 1e-6, 0);

/** Neighbours among 0, the cuts and `all`. */
const pieces = (cuts: readonly number[], all: number): readonly (readonly [number, number])[] => {
  const edges = [0, ...cuts.map((cut) => cut % (all + 1)), all].toSorted((a, b) => a - b);
  return edges.slice(1).map((last, index) => [edges[index] as number, last] as const);
};

for (const build of builds) {
  const arena = new Arena(build.plan);
  const panel = (rows: number): number => arena.floats(rows * slabTokens);
  const zeroRow = (): number => arena.given(new Float32Array(slabTokens));
  const law = lawOf(build.name, arena, { seed, aSpice });

  law('sums of norms, cut anywhere,', 60, { features, cuts, rest: fc.nat(2) }, ({ features, cuts, rest }) => {
    const all = features + rest;
    const [x, d, stats, gain] = [panel(features), panel(features), panel(2), arena.floats(features)];
    /** The rows of sums and chunks of one way through the features. */
    const way = (parts: readonly (readonly [number, number])[]): number => {
      const rows = arena.given(new Float32Array(8 * slabTokens));
      const row = (index: number): number => rows + index * panelRowBytes;
      for (const [first, last] of parts) {
        const at = first * panelRowBytes, count = last - first;
        arena.both((k) => k.featureSum(row(0), row(1), x + at, first, count, all), `featureSum ${first} … ${last}`);
        arena.both((k) => k.featureSquares(row(2), row(3), x + at, stats, first, count, all), `featureSquares ${first} … ${last}`);
        arena.both((k) => k.normDeltaSums(row(4), row(5), row(6), row(7), x + at, d + at, stats, gain + 4 * first, first, count, all), `normDeltaSums ${first} … ${last}`);
      }
      return rows;
    };
    arena.assertEqual(way(pieces(cuts, features)), way([[0, features]]), 8 * slabTokens, 'segments and the whole');
  });

  law('a norm by element', 60, { features, epsilon: anEpsilon, place: fc.constantFrom('apart', 'x', 'd', 'skip') }, ({ features, epsilon, place }) => {
    const [x, d, skip, stats, gain, bias] = [panel(features), panel(features), panel(features), panel(2), arena.floats(features), arena.floats(features)];
    const [sum, a, b] = [panel(1), panel(1), panel(1)], y = panel(features);
    const dst = { apart: y, x, d, skip }[place];
    arena.both((k) => k.divideRow(a, sum, features), 'divideRow');
    arena.both((k) => k.rootRow(b, sum, features, epsilon), 'rootRow');
    arena.both((k) => k.normApply(y, x, stats, gain, bias, features), 'normApply');
    arena.both((k) => k.normApply(place === 'x' ? x : y, x, stats, gain, 0, features), 'normApply without a bias');
    arena.both((k) => k.normDelta(dst, x, d, stats, a, b, gain, skip, features), 'normDelta');
    arena.both((k) => k.normDelta(place === 'skip' ? y : dst, x, d, stats, zeroRow(), b, gain, 0, features), 'normDelta that nothing passes by');
  });

  law('leaves of gain and bias', 60, { features: fc.oneof(size(40), fc.constantFrom(128, 131)), tokens: size(slabTokens), cuts, biased: fc.boolean() }, ({ features, tokens, cuts, biased }) => {
    const [x, d, stats] = [panel(features), panel(features), panel(2)];
    const [gain, bias, gainParts, biasParts] = [arena.floats(features + 4), arena.floats(features + 4), arena.given(new Float32Array(features)), arena.given(new Float32Array(features))];
    arena.both((k) => k.normLeaf(gain, biased ? bias : 0, x, d, stats, features, tokens), 'normLeaf');
    for (const [first, last] of pieces(cuts, tokens)) arena.both((k) => k.normLeafSegment(gainParts, biased ? biasParts : 0, x, d, stats, features, first, last), `normLeafSegment ${first} … ${last}`);
    arena.assertEqual(gainParts, gain, features, 'segments and the whole, gain');
    if (biased) arena.assertEqual(biasParts, bias, features, 'segments and the whole, bias');
  });

  law('rotary positions', 60, { heads: size(5), half: fc.oneof(size(12), fc.constantFrom(16, 32)), direction: fc.constantFrom(1, -1) }, ({ heads, half, direction }) => {
    const x = panel(heads * half * 2), cos = arena.floats(slabTokens * half, 1), sin = arena.floats(slabTokens * half, 1);
    arena.both((k) => k.rotary(x, heads, half * 2, cos, sin, direction), 'rotary');
  });

  law('activations with erf and gates', 80, { vectors: size(20), range: fc.constantFrom(1, 4, 20, 200), inPlace: fc.boolean() }, ({ vectors, range, inPlace }) => {
    const count = vectors * 4;
    const [a, b, c, d, e] = [arena.floats(count, range), arena.floats(count, range), arena.floats(count, range), arena.floats(count), arena.floats(count)];
    arena.both((k) => k.geluErf(d, a, count), 'geluErf');
    arena.both((k) => k.geluErfDelta(d, b, a, count), 'geluErfDelta');
    arena.both((k) => k.swiglu(d, a, b, count), 'swiglu');
    arena.both((k) => k.swigluDelta(inPlace ? a : d, inPlace ? b : e, c, a, b, count), 'swigluDelta');
    arena.both((k) => k.geluErf(inPlace ? c : d, c, count), 'geluErf, in place or not');
  });

  const aWord = fc.nat(0xff_ff_ff_ff);
  law('dropout', 40, { features: size(20), firstFeature: fc.nat(5000), firstToken: fc.oneof(fc.nat(10_000), aWord), key0: aWord, key1: aWord, threshold: aWord, inPlace: fc.boolean() },
    ({ features, firstFeature, firstToken, key0, key1, threshold, inPlace }) => {
      const src = panel(features), dst = inPlace ? src : panel(features);
      arena.both((k) => k.dropout(dst, src, features, firstFeature, firstToken, key0, key1, threshold, 1.25), 'dropout');
    });

  test(`${build.name}: dropout keeps the elements of the generator's words`, () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), aWord, fc.nat(4000), fc.nat(100_000), fc.constantFrom(0, 0.1, 0.5, 0.9), (runSeed, c, firstFeature, firstToken, rate) => {
        arena.reset(1, 0);
        const features = 3, threshold = Math.floor(rate * 2 ** 32), scale = Math.fround(1 / (1 - rate));
        const src = arena.given(new Float32Array(features * slabTokens).fill(3)), dst = panel(features);
        const { key0, key1 } = streamKey(runSeed, purposes.dropout, c);
        arena.both((k) => k.dropout(dst, src, features, firstFeature, firstToken, key0, key1, threshold, scale), 'dropout');
        const want = Array.from({ length: features * slabTokens }, (_, at) => {
          const word = randomWord(runSeed, purposes.dropout, firstFeature + Math.floor(at / slabTokens), firstToken + (at % slabTokens), c);
          return word >= threshold ? Math.fround(3 * scale) : 0;
        });
        assert.deepEqual([...arena.read(dst, features * slabTokens)], want);
      }),
      { seed, numRuns: 60 },
    );
  });

  const aCount = fc.oneof(size(100), fc.constantFrom(1023, 1024, 1025, 4 * 1024, 4 * 1024 + 1, 9 * 1024 - 3, 8 * 1024));
  law('sums of squares, and scaling', 40, { count: aCount, range: fc.constantFrom(1e-20, 1, 1e18), factor: fc.constantFrom(0.25, 0.3, 0, 1e-40) }, ({ count, range, factor }) => {
    const g = arena.floats(count, range), leaves = arena.floats(Math.ceil(count / squareLeafFloats) + 1), scaled = arena.floats(count + 1);
    arena.both((k) => k.squareLeaves(leaves, g, count), 'squareLeaves');
    arena.both((k) => k.scale(scaled, g, factor, count), 'scale');
    arena.both((k) => k.scale(g, g, factor, count), 'scale in place');
  });
}
