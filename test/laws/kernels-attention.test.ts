/**
 * Law (a) for attention: its kernels equal their scalar twins to the bit, for both builds, on drawn shapes with tails and gaps and on special values.
 *
 * After each call the kernel's whole memory is compared with the twin's, so stray writes fail too. NaNs count as one.
 * Not here: the other kernels (kernels.test.ts), what the twins are judged by (the f64 reference).
 */
import fc from 'fast-check';
import { panelRowBytes, slabTokens } from '../../src/kernels/types.js';
import { builds, lawOf } from '../support/kernel-law.js';
import { Arena } from '../unit/kernels/arena.js';

const seed = 20_261_124;
const aSpice = fc.constantFrom(0, 200, 20, 5);
const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const aHead = fc.oneof({ weight: 4, arbitrary: size(80) }, { weight: 1, arbitrary: fc.constantFrom(255, 256, 257, 300) });
const aScale = fc.constantFrom(1, 0.125, 1 / 8 ** 0.5, -0.5, 30, 0).map(Math.fround);
const gap = fc.nat(3);
const slabFloats = slabTokens * slabTokens;

for (const build of builds) {
  const arena = new Arena(build.plan);
  const law = lawOf(build.name, arena, { seed, aSpice });

  law('panelDot', 40, { features: aHead, slabs: size(5), gap }, ({ features, slabs, gap }) => {
    const stride = (features + gap) * panelRowBytes;
    const left = arena.floats(slabs * (features + gap) * slabTokens), right = arena.floats(features * slabTokens), out = arena.floats(slabs * slabFloats + 64);
    arena.both((k) => k.panelDot(out, left, stride, right, features, slabs), 'panelDot');
  });

  law('panelDotSegment, cut anywhere,', 30, { features: aHead, cuts: fc.array(fc.nat(), { maxLength: 4 }) }, ({ features, cuts }) => {
    const edges = [0, ...cuts.map((cut) => cut % (features + 1)), features].toSorted((a, b) => a - b);
    const left = arena.floats(features * slabTokens), right = arena.floats(features * slabTokens), out = arena.floats(slabFloats);
    const zeros = new Float32Array(slabFloats), sum = arena.given(zeros), chunk = arena.given(zeros);
    const a = arena.floats(features * slabTokens), b = arena.floats(features * slabTokens), dot = arena.floats(slabTokens), rowSum = arena.given(zeros), rowChunk = arena.given(zeros);
    for (const [index, last] of edges.slice(1).entries()) {
      const first = edges[index]!, at = first * panelRowBytes;
      arena.both((k) => k.panelDotSegment(sum, chunk, left + at, right + at, first, last, features), `panelDotSegment ${first} … ${last}`);
      arena.both((k) => k.headDotSegment(rowSum, rowChunk, a + at, b + at, first, last, features), `headDotSegment ${first} … ${last}`);
    }
    arena.both((k) => k.panelDot(out, left, 0, right, features, 1), 'panelDot');
    arena.assertEqual(sum, out, slabFloats, 'segments and the whole of panelDot');
    arena.both((k) => k.headDot(dot, a, b, features), 'headDot');
    arena.assertEqual(rowSum, dot, slabTokens, 'segments and the whole of headDot');
  });

  law('slabProduct', 40, { features: fc.oneof(size(80), fc.constantFrom(128, 300)), slabs: size(5), gap, add: fc.nat(1) }, ({ features, slabs, gap, add }) => {
    const stride = (features + gap) * panelRowBytes;
    const left = arena.floats(slabs * (features + gap) * slabTokens), right = arena.floats(slabs * slabFloats), out = arena.floats((features + 1) * slabTokens);
    arena.both((k) => k.slabProduct(out, left, stride, right, features, slabs, add), 'slabProduct');
  });

  law('the softmax of attention', 80, { slabs: size(5), scale: aScale, range: fc.constantFrom(1, 20, 200) }, ({ slabs, scale, range }) => {
    const s = arena.floats(slabs * slabFloats, range), again = arena.floats(slabs * slabFloats, range), m = arena.floats(slabTokens), r = arena.floats(slabTokens);
    const dots = arena.floats(slabs * slabFloats, range);
    arena.both((k) => k.copy(s, dots, slabs * slabFloats * 4), 'copy');
    arena.both((k) => k.attentionSoftmax(s, m, r, slabs, scale), 'attentionSoftmax');
    arena.both((k) => k.attentionExp(dots, m, slabs, scale), 'attentionExp');
    arena.assertEqual(dots, s, slabs * slabFloats, 'attentionExp and attentionSoftmax');
    // With any maximum, so that the exponential sees all of its range.
    const other = arena.floats(slabTokens, range);
    arena.both((k) => k.attentionExp(again, other, slabs, scale), 'attentionExp with any maximum');
  });

  law('the maximum of zeros of both signs', 20, { slabs: size(3), row: fc.nat(), negative: fc.boolean() }, ({ slabs, row, negative }) => {
    const zeros = new Float32Array(slabs * slabFloats).fill(-0);
    if (!negative) zeros.fill(0, (row % (slabs * slabTokens)) * slabTokens, ((row % (slabs * slabTokens)) + 1) * slabTokens);
    const s = arena.given(zeros), m = arena.floats(slabTokens), r = arena.floats(slabTokens);
    arena.both((k) => k.attentionSoftmax(s, m, r, slabs, 1), 'attentionSoftmax');
  });

  law('the delta of attention', 40, { rows: size(5 * slabTokens), scale: aScale, inPlace: fc.boolean(), features: aHead, slabs: size(5) }, ({ rows, scale, inPlace, features, slabs }) => {
    const [e, dP, r, D] = [arena.floats(rows * slabTokens), arena.floats(rows * slabTokens), arena.floats(slabTokens), arena.floats(slabTokens)];
    const p = inPlace ? e : arena.floats(rows * slabTokens), g = inPlace ? dP : arena.floats(rows * slabTokens);
    arena.both((k) => k.attentionDelta(p, g, e, dP, r, D, scale, rows), 'attentionDelta');
    const x = arena.floats(features * slabTokens);
    arena.both((k) => k.scaleColumns(x, r, features), 'scaleColumns');
    const src = arena.floats(slabs * slabFloats), dst = arena.floats(slabs * slabFloats + 8);
    arena.both((k) => k.turnBlocks(dst, src, slabs), 'turnBlocks');
  });
}
