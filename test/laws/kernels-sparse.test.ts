/**
 * Law (a) for kernels over stored positions: every kernel equals its scalar twin to the bit, and sparse sums equal dense ones over zeros filled in.
 *
 * Drawn masks have empty and full rows and chunks, and any density between. Not here: dense kernels (kernels.test.ts), who makes stored forms (compiler/).
 */
import fc from 'fast-check';
import { chunkFeatures, chunksOf, gradientScratchBytes, liveListBytes, nodeAlign, panelRowBytes, slabTokens } from '../../src/kernels/types.js';
import { builds, lawOf } from '../support/kernel-law.js';
import { Arena } from '../unit/kernels/arena.js';

const seed = 20_261_126;
const aSpice = fc.constantFrom(0, 50, 5);
const finite = fc.constant(0);
const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const features = fc.oneof(size(20), size(700), fc.constantFrom(255, 256, 257, 512, 513));
const density = fc.constantFrom(0, 0.02, 0.3, 0.6, 0.95, 1);

interface Stored {
  readonly values: number;
  readonly indices: number;
  readonly starts: number;
  readonly entries: number;
}

/** A drawn stored form of n features and `rows` rows, `lanes` values an entry; now and then a row of a chunk is empty or full. */
const drawStored = (arena: Arena, n: number, rows: number, density: number, lanes = 1): Stored => {
  const indices: number[] = [], starts = [0];
  for (let first = 0; first < n; first += chunkFeatures) {
    for (let row = 0; row < rows; row++) {
      const special = arena.chance(), here = special < 0.1 ? 0 : special < 0.2 ? 1 : density;
      for (let i = 0; i < Math.min(chunkFeatures, n - first); i++) if (arena.chance() < here) indices.push(i * panelRowBytes);
      starts.push(indices.length);
    }
  }
  return { values: arena.floats(indices.length * lanes), indices: arena.halves(indices), starts: arena.words(starts), entries: indices.length };
};

/** The four-row form's values as those of the stored form of the same weights. */
const asStored = (arena: Arena, { values, indices, starts, entries }: Stored, n: number, m: number): Stored => {
  const [all, four] = [arena.read(values, entries * 4), arena.read(indices, Math.ceil(entries / 2))];
  const [offsets, first] = [new Uint16Array(four.buffer), new Int32Array(arena.read(starts, chunksOf(n) * (m / 4) + 1).buffer)];
  const single: { readonly values: number[]; readonly indices: number[]; readonly starts: number[] } = { values: [], indices: [], starts: [0] };
  for (let row = 0; row < first.length - 1; row++) {
    for (let r = 0; r < 4; r++) {
      for (let e = first[row] as number; e < (first[row + 1] as number); e++) {
        single.values.push(all[e * 4 + r] as number);
        single.indices.push(offsets[e] as number);
      }
      single.starts.push(single.indices.length);
    }
  }
  return { values: arena.given(single.values), indices: arena.halves(single.indices), starts: arena.words(single.starts), entries: single.indices.length };
};

for (const build of builds) {
  const arena = new Arena(build.plan);
  const law = lawOf(build.name, arena, { seed, aSpice });
  const finiteLaw = lawOf(build.name, arena, { seed, aSpice: finite });
  const panelsOf = (count: number, floats: number) => arena.floats(count * floats * slabTokens);

  law('linearStored', 50, { n: features, m: size(9), panels: size(3), gap: fc.nat(3), density }, ({ n, m, panels, gap, density: d }) => {
    const s = drawStored(arena, n, m, d), inp = panelsOf(panels, n + gap), out = panelsOf(panels, m + gap);
    arena.both((k) => k.linearStored(out, (m + gap) * panelRowBytes, inp, (n + gap) * panelRowBytes, s.values, s.indices, s.starts, n, m, panels), 'linearStored');
  });

  law('linearFourRow', 50, { n: features, groups: size(4), panels: size(3), gap: fc.nat(3), density }, ({ n, groups, panels, gap, density: d }) => {
    const m = groups * 4, s = drawStored(arena, n, groups, d, 4), inp = panelsOf(panels, n + gap), out = panelsOf(panels, m + gap);
    arena.both((k) => k.linearFourRow(out, (m + gap) * panelRowBytes, inp, (n + gap) * panelRowBytes, s.values, s.indices, s.starts, n, m, panels), 'linearFourRow');
  });

  finiteLaw('sparse sums equal those over zeros filled in, and', 40, { n: features, groups: size(4), panels: size(2), density, four: fc.boolean() }, ({ n, groups, panels, density: d, four }) => {
    const m = groups * 4, s = drawStored(arena, n, four ? groups : m, d, four ? 4 : 1), inp = panelsOf(panels, n);
    const packed = arena.floats(n * m), [out, dense, single] = [panelsOf(panels, m), panelsOf(panels, m), panelsOf(panels, m)];
    arena.both((k) => k.spread(packed, s.values, s.indices, s.starts, n, m, four ? 4 : 1), 'spread');
    arena.both((k) => k.linear(dense, m * panelRowBytes, inp, n * panelRowBytes, packed, n, m, panels), 'linear');
    arena.both((k) => (four ? k.linearFourRow : k.linearStored)(out, m * panelRowBytes, inp, n * panelRowBytes, s.values, s.indices, s.starts, n, m, panels), 'linearStored');
    arena.assertEqual(out, dense, panels * m * slabTokens, 'sparse and dense');
    if (!four) return;
    const one = asStored(arena, s, n, m);
    arena.both((k) => k.linearStored(single, m * panelRowBytes, inp, n * panelRowBytes, one.values, one.indices, one.starts, n, m, panels), 'linearStored');
    arena.assertEqual(out, single, panels * m * slabTokens, 'four rows and single results');
  });

  law('linearStoredSegment, cut anywhere,', 40, { n: features, m: size(7), density, cuts: fc.array(fc.nat(), { maxLength: 4 }) }, ({ n, m, density: d, cuts }) => {
    const edges = [0, ...cuts.map((cut) => cut % (n + 1)), n].toSorted((a, b) => a - b);
    const s = drawStored(arena, n, m, d), inp = panelsOf(1, n), out = panelsOf(1, m);
    const zeros = new Float32Array(m * slabTokens), sum = arena.given(zeros), chunk = arena.given(zeros);
    for (const [index, last] of edges.slice(1).entries()) {
      const first = edges[index] as number;
      arena.both((k) => k.linearStoredSegment(sum, chunk, inp + first * panelRowBytes, s.values, s.indices, s.starts, n, m, first, last), `linearStoredSegment ${first} … ${last}`);
    }
    arena.both((k) => k.linearStored(out, 0, inp, 0, s.values, s.indices, s.starts, n, m, 1), 'linearStored');
    arena.assertEqual(sum, out, m * slabTokens, 'segments and the whole');
  });

  law('quad', 40, { n: size(40), slabs: size(4), gap: fc.nat(3) }, ({ n, slabs, gap }) => {
    const src = panelsOf(slabs, n + gap), dst = panelsOf(4, n);
    arena.both((k) => k.quad(dst, src, (n + gap) * panelRowBytes, n, slabs), 'quad');
  });

  law('a gradient at stored positions', 80, {
    n: features, groups: size(2), extra: fc.nat(3), density, four: fc.boolean(), slabs: size(4), whole: fc.boolean(), merged: fc.boolean(), tokens: fc.array(size(32), { minLength: 4, maxLength: 4 }),
  }, ({ n, groups, extra, density: d, four, slabs: some, whole, merged, tokens: counts }) => {
    const m = groups * 4 + (four ? 0 : extra), lanes = four ? 4 : 1, slabs = merged ? 4 : some;
    const s = drawStored(arena, n, m / lanes, d, lanes), x = panelsOf(4, n), dy = panelsOf(4, m);
    const floats = Math.ceil((s.entries * lanes) / 16) * 16, dst = arena.floats(floats * 4 + 16), added = arena.floats(floats + 16);
    const tokens = whole ? 0x20_20_20_20 : counts.reduce((word, count, slab) => word | (count << (8 * slab)), 0);
    const gradient = (to: number, mergedHere: number) =>
      arena.both((k) => (four ? k.gradientFourRow : k.gradientStored)(to, floats * 4, x, dy, s.indices, s.starts, n, m, tokens, slabs, mergedHere), 'gradientStored');
    gradient(dst, 0);
    if (!merged) return;
    gradient(added, 1);
    const [a, b, c, e] = [0, 1, 2, 3].map((slab) => dst + slab * floats * 4) as [number, number, number, number];
    const count = s.entries * lanes;
    arena.both((k) => k.add(a, a, b, count), 'add');
    arena.both((k) => k.add(c, c, e, count), 'add');
    arena.both((k) => k.add(a, a, c, count), 'add');
    arena.assertEqual(a, added, count, 'merged and added');
  });

  finiteLaw('a gradient at stored positions is the dense one gathered, and', 40, { n: features, groups: size(4), density, four: fc.boolean(), tokens: size(32) }, ({ n, groups, density: d, four, tokens }) => {
    const m = groups * 4, lanes = four ? 4 : 1, width = Math.ceil(m / nodeAlign) * nodeAlign, s = drawStored(arena, n, m / lanes, d, lanes), count = s.entries * lanes;
    const [x, dy, xQuad, dyQuad, turned] = [panelsOf(1, n), panelsOf(1, m), panelsOf(4, n), panelsOf(4, m), arena.floats(width * slabTokens)];
    const [node, scratch, sparse, gathered] = [arena.floats(n * width), arena.floats(gradientScratchBytes(width, 1) / 4), arena.floats(count + 16), arena.floats(count + 16)];
    arena.both((k) => k.quad(xQuad, x, 0, n, 1), 'quad');
    arena.both((k) => k.quad(dyQuad, dy, 0, m, 1), 'quad');
    arena.both((k) => k.turn(turned, dy, m), 'turn');
    arena.both((k) => void k.gradient(node, 0, scratch, x, 0, turned, n, width, 1, 0, 0, tokens), 'gradient', [scratch, gradientScratchBytes(width, 1) / 4]);
    arena.both((k) => (four ? k.gradientFourRow : k.gradientStored)(sparse, 0, xQuad, dyQuad, s.indices, s.starts, n, m, tokens, 1, 0), 'gradientStored');
    arena.both((k) => k.gatherNode(gathered, node, width, s.indices, s.starts, n, m, lanes), 'gatherNode');
    arena.assertEqual(sparse, gathered, count, 'sparse and gathered');
  });

  law('gradientStoredSegment', 40, {
    n: features, m: size(7), density, cuts: fc.tuple(fc.nat(), fc.nat()), firstToken: fc.nat(32), lastToken: fc.nat(32),
  }, ({ n, m, density: d, cuts, firstToken, lastToken }) => {
    const [first, last] = cuts.map((cut) => cut % (n + 1)).toSorted((a, b) => a - b) as [number, number];
    const s = drawStored(arena, n, m, d), x = panelsOf(1, n), dy = panelsOf(1, m), acc = arena.floats(s.entries + 16);
    arena.both((k) => k.gradientStoredSegment(acc, x + first * panelRowBytes, dy, s.indices, s.starts, n, m, first, last, firstToken, lastToken), 'gradientStoredSegment');
  });

  law('moving stored floats', 40, { n: features, groups: size(5), extra: fc.nat(3), density, four: fc.boolean(), gap: fc.nat(5) }, ({ n, groups, extra, density: d, four, gap }) => {
    const m = groups * 4 + (four ? 0 : extra), lanes = four ? 4 : 1, width = m + gap;
    const s = drawStored(arena, n, m / lanes, d, lanes), node = arena.floats(n * width), dst = arena.floats(s.entries * lanes + 16), packed = arena.floats(n * m + 16);
    arena.both((k) => k.gatherNode(dst, node, width, s.indices, s.starts, n, m, lanes), 'gatherNode');
    arena.both((k) => k.spread(packed, s.values, s.indices, s.starts, n, m, lanes), 'spread');
    const index = arena.integers(s.entries, 0, n * width - 1);
    arena.both((k) => k.gather(dst, node, index, s.entries), 'gather');
  });

  law('allFinite', 200, { count: fc.oneof(fc.nat(5), fc.nat(90)), place: fc.nat(), value: fc.constantFrom(NaN, Infinity, -Infinity, 3.4e38, 2 ** -149) }, ({ count, place, value }) => {
    const quiet = arena.given(new Float32Array(count + 16).fill(-3.3e38)), any = arena.floats(count + 16);
    if (place % 3 > 0) arena.write(quiet + 4 * (place % (count + 5)), value);
    arena.both((k) => k.allFinite(quiet, count), 'allFinite');
    arena.both((k) => k.allFinite(any, count), 'allFinite');
  });

  finiteLaw('a product over live features equals `linear`, and', 50, { n: features, m: size(17), live: density }, ({ n, m, live }) => {
    const values = arena.read(panelsOf(1, n), n * slabTokens);
    for (let i = 0; i < n; i++) {
      const dead = arena.chance() >= live;
      // A feature lives by a single token.
      for (let t = 0; t < slabTokens; t++) if (dead || arena.chance() < 0.7) values[i * slabTokens + t] = arena.chance() < 0.5 ? 0 : -0;
    }
    const inp = arena.given(values), packed = arena.floats(n * m), out = panelsOf(1, m), dense = panelsOf(1, m), list = arena.floats(Math.ceil(liveListBytes(n) / 4));
    arena.both((k) => k.liveFeatures(list, inp, n), 'liveFeatures');
    arena.both((k) => k.linearListed(out, inp, packed, n, m, list), 'linearListed');
    arena.both((k) => k.linear(dense, 0, inp, 0, packed, n, m, 1), 'linear');
    arena.assertEqual(out, dense, m * slabTokens, 'listed and all');
  });
}
