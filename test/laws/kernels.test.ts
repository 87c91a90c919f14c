/**
 * Law (a): every kernel equals its scalar twin to the bit, for both builds, on drawn shapes with tails and on special values.
 *
 * After each call the kernel's whole memory is compared with the twin's, so stray writes fail too. NaNs count as one.
 * Not here: what the twins are judged by (the f64 reference), the start-up check of the wide build (test/unit/kernels/load.test.ts).
 */
import fc from 'fast-check';
import { gradientScratchBytes, nodeAlign, nodesMax, panelRowBytes, slabTokens } from '../../src/kernels/types.js';
import { builds, lawOf } from '../support/kernel-law.js';
import { Arena } from '../unit/kernels/arena.js';

const seed = 20_261_123;
/** One value in … is special: none, few, many. */
const aSpice = fc.constantFrom(0, 50, 5);
const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const padded = (columns: number): number => Math.ceil(columns / nodeAlign) * nodeAlign;

for (const build of builds) {
  const arena = new Arena(build.plan);
  const law = lawOf(build.name, arena, { seed, aSpice });

  law('packing', 60, { inputs: size(40), outputs: size(40), before: fc.integer({ min: 0, max: 9 }), after: fc.integer({ min: 0, max: 9 }) }, ({ inputs, outputs, before, after }) => {
    const all = before + outputs + after;
    const weight = arena.floats(inputs * all), rows = arena.floats(all * inputs);
    const forward = arena.floats(inputs * outputs + 8), delta = arena.floats(inputs * outputs + 8);
    arena.both((k) => k.packForward(forward, weight, inputs, all, before, outputs), 'packForward');
    arena.both((k) => k.packDelta(delta, rows, inputs, before, outputs), 'packDelta');
  });

  law('packing a wide block', 6, { inputs: size(9), outputs: fc.integer({ min: 60, max: 200 }) }, ({ inputs, outputs }) => {
    const weight = arena.floats(inputs * outputs), dst = arena.floats(inputs * outputs + 8);
    arena.both((k) => k.packForward(dst, weight, inputs, outputs, 0, outputs), 'packForward');
  });

  law('linear', 40, { n: fc.oneof(size(20), size(600), fc.constantFrom(255, 256, 257, 512, 513)), m: size(17), panels: size(3), gap: fc.integer({ min: 0, max: 3 }) }, ({ n, m, panels, gap }) => {
    const packed = arena.floats(n * m), inp = arena.floats(panels * (n + gap) * slabTokens), out = arena.floats(panels * (m + gap) * slabTokens), bias = arena.floats(m);
    arena.both((k) => k.linear(out, (m + gap) * panelRowBytes, inp, (n + gap) * panelRowBytes, packed, n, m, panels), 'linear');
    arena.both((k) => k.addBias(out, (m + gap) * panelRowBytes, bias, m, panels), 'addBias');
  });

  law('linearSegment, cut anywhere,', 30, { n: fc.oneof(size(20), size(600)), m: size(12), cuts: fc.array(fc.nat(), { maxLength: 4 }) }, ({ n, m, cuts }) => {
    const edges = [0, ...cuts.map((cut) => cut % (n + 1)), n].toSorted((a, b) => a - b);
    const packed = arena.floats(n * m), inp = arena.floats(n * slabTokens), out = arena.floats(m * slabTokens);
    const zeros = new Float32Array(m * slabTokens), sum = arena.given(zeros), chunk = arena.given(zeros);
    for (const [index, last] of edges.slice(1).entries()) {
      const first = edges[index]!;
      arena.both((k) => k.linearSegment(sum, chunk, inp + first * panelRowBytes, packed, n, m, first, last), `linearSegment ${first} … ${last}`);
    }
    arena.both((k) => k.linear(out, 0, inp, 0, packed, n, m, 1), 'linear');
    arena.assertEqual(sum, out, m * slabTokens, 'segments and the whole');
  });

  law('turn', 40, { features: size(50) }, ({ features }) => {
    const src = arena.floats(features * slabTokens), dst = arena.floats(slabTokens * padded(features));
    arena.both((k) => k.turn(dst, src, features), 'turn');
  });

  law('gradient', 80, {
    inputs: size(12), columns: size(40), panels: size(12), place: fc.oneof(fc.nat(20), fc.nat(1 << 20)), slabsPerSample: fc.nat(9), lastTokens: size(32), shared: fc.boolean(),
  }, ({ inputs, columns, panels, place, slabsPerSample, lastTokens, shared }) => {
    const w = padded(columns);
    const inp = arena.floats(panels * inputs * slabTokens), turned = arena.floats(panels * slabTokens * w);
    const nodeStride = inputs * w * 4 + 64;
    const dst = arena.floats((nodesMax(panels) * nodeStride) / 4), scratch = arena.floats(gradientScratchBytes(w, panels) / 4);
    const firstLeaf = slabsPerSample === 0 ? place : Math.floor(place / slabsPerSample) * 2 ** Math.ceil(Math.log2(slabsPerSample)) + (place % slabsPerSample);
    arena.both((k) => k.gradient(dst, nodeStride, scratch, inp, shared ? 0 : inputs * panelRowBytes, turned, inputs, w, panels, firstLeaf, slabsPerSample, lastTokens), 'gradient',
      [scratch, gradientScratchBytes(w, panels) / 4]);
  });

  law('gradientSegment', 30, { inputs: size(12), columns: size(40), firstToken: fc.nat(32), lastToken: fc.nat(32) }, ({ inputs, columns, firstToken, lastToken }) => {
    const w = padded(columns);
    const inp = arena.floats(inputs * slabTokens), turned = arena.floats(slabTokens * w), acc = arena.floats(inputs * w);
    arena.both((k) => k.gradientSegment(acc, inp, turned, inputs, w, firstToken, lastToken), 'gradientSegment');
  });

  law('an activation', 60, { quads: size(60), scale: fc.constantFrom(1, 12, 1000), inPlace: fc.boolean() }, ({ quads, scale, inPlace }) => {
    const count = quads * 4;
    const x = arena.floats(count, scale), d = arena.floats(count), to = inPlace ? d : arena.floats(count);
    arena.both((k) => k.relu(to, x, count), 'relu');
    arena.both((k) => k.reluDelta(to, d, x, count), 'reluDelta');
    arena.both((k) => k.gelu(to, x, count), 'gelu');
    arena.both((k) => k.geluDelta(to, d, x, count), 'geluDelta');
  });

  law('softmax cross-entropy', 40, { classes: fc.oneof(size(20), size(300)), first: fc.constantFrom(0, 1, 200, 256), rest: fc.integer({ min: 0, max: 60 }), tokens: size(32), scale: fc.constantFrom(1, 20, 200), inPlace: fc.boolean() },
    ({ classes, first, rest, tokens, scale, inPlace }) => {
      const x = arena.floats(classes * slabTokens, scale), e = inPlace ? x : arena.floats(classes * slabTokens);
      const max = arena.given(new Float32Array(slabTokens).fill(-Infinity)), sum = arena.floats(slabTokens), chunk = arena.floats(slabTokens);
      const label = arena.integers(slabTokens, -1, first + classes + rest), xl = arena.floats(slabTokens), loss = arena.floats(slabTokens), leaf = arena.floats(1);
      arena.both((k) => k.softmaxMax(max, x, classes), 'softmaxMax');
      arena.both((k) => k.softmaxExp(e, sum, chunk, x, max, first, classes, first + classes + rest), 'softmaxExp');
      // With any maximum, so that the exponential sees all of its range.
      const other = arena.floats(slabTokens, scale), e2 = arena.floats(classes * slabTokens), sums = arena.floats(2 * slabTokens);
      arena.both((k) => k.softmaxExp(e2, sums, sums + panelRowBytes, x, other, first, classes, first + classes + rest), 'softmaxExp with any maximum');
      arena.both((k) => k.softmaxLoss(loss, sum, xl, max), 'softmaxLoss');
      arena.both((k) => k.lossLeaf(leaf, loss, label, tokens), 'lossLeaf');
      arena.both((k) => k.softmaxDelta(e, e, sum, label, Math.fround(1 / 77), first, classes, tokens), 'softmaxDelta');
    });

  law('embedding', 40, { vocabulary: size(20), dim: size(11), context: size(4), tokens: size(32), extra: fc.integer({ min: 0, max: 8 }) }, ({ vocabulary, dim, context, tokens, extra }) => {
    const w = context * dim + extra;
    const table = arena.floats(vocabulary * dim), ids = arena.integers(slabTokens * context, 0, vocabulary - 1), panel = arena.floats(context * dim * slabTokens);
    const turned = arena.floats(slabTokens * w), rows = arena.floats(vocabulary * dim);
    arena.both((k) => k.embeddingGather(panel, table, ids, context, dim, tokens), 'embeddingGather');
    arena.both((k) => k.clear(rows, vocabulary * dim * 4), 'clear');
    arena.both((k) => k.embeddingLeaf(rows, turned, ids, context, dim, w, tokens), 'embeddingLeaf');
  });

  law('adding and moving', 40, { count: size(70), rows: size(5), columns: size(9), gap: fc.nat(3) }, ({ count, rows, columns, gap }) => {
    const a = arena.floats(count), b = arena.floats(count), to = arena.floats(count);
    const grid = arena.floats(rows * (columns + gap)), other = arena.floats(rows * (columns + gap));
    arena.both((k) => k.add(to, a, b, count), 'add');
    arena.both((k) => k.add(a, a, b, count), 'add in place');
    arena.both((k) => k.copyRows(other, (columns + gap) * 4, grid, (columns + gap) * 4, rows, columns), 'copyRows');
    arena.both((k) => k.copy(to, b, count * 4), 'copy');
  });

  law('an optimizer', 60, { count: size(70), flags: fc.nat(15), scalars: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 9, maxLength: 9 }) }, ({ count, flags, scalars }) => {
    const [a, b, c, d, e, g, h, i, j] = scalars.map(Math.fround) as [number, number, number, number, number, number, number, number, number];
    const [next, w, grad, m, v] = [arena.floats(count), arena.floats(count), arena.floats(count), arena.floats(count), arena.floats(count)];
    arena.both((k) => k.sgd(next, w, grad, v, count, a, b, c, d, flags), 'sgd');
    arena.both((k) => k.adam(next, w, grad, m, v, count, a, b, c, d, e, g, h, i, j, flags & 3), 'adam');
    const [r, s] = [arena.floats(count), arena.floats(count)];
    arena.both((k) => k.rmsProp(next, w, grad, v, r, s, count, a, b, c, d, e, g, flags & 7), 'rmsProp');
    arena.both((k) => k.lion(next, w, grad, m, count, a, b, c, d, e, g), 'lion');
    arena.both((k) => k.lambDirection(s, w, grad, m, v, count, a, b, c, d, e, g, h, i), 'lambDirection');
    arena.both((k) => k.lambDirection(grad, w, grad, m, v, count, a, b, c, d, e, g, h, i), 'lambDirection in place');
    arena.both((k) => k.lambStep(next, w, m, v, count, a, b, c, d, e), 'lambStep');
  });

  law('the steps of Adafactor', 60, { rows: size(9), cols: size(21), first: fc.nat(20), scalars: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }) }, ({ rows, cols, first, scalars }) => {
    const [a, b, c, d] = scalars.map(Math.fround) as [number, number, number, number], count = rows * cols;
    const [next, w, grad, m, v, u] = [arena.floats(count), arena.floats(count), arena.floats(count), arena.floats(count), arena.floats(count), arena.floats(count)];
    const [r, columns, sums] = [arena.floats(rows + 1), arena.floats(cols), arena.floats(2 * rows)], column = first % cols;
    arena.both((k) => k.rowSquares(sums, 8, grad, cols * 4, rows, cols), 'rowSquares');
    arena.both((k) => k.columnSquares(columns, grad, cols * 4, rows, cols), 'columnSquares');
    arena.both((k) => k.squaredMoment(v, grad, count, a, b, c), 'squaredMoment');
    arena.both((k) => k.overRoot(u, grad, v, count), 'overRoot');
    arena.both((k) => k.overFactors(grad, grad, r, columns, column, cols, Math.max(0, count - column), d), 'overFactors');
    arena.both((k) => k.directedStep(next, w, u, count, a, b), 'directedStep');
    arena.both((k) => k.directedMomentumStep(next, w, u, m, count, a, b, c, d), 'directedMomentumStep');
  });
}
