/**
 * What attention does by element, one head on slabs (docs/numerics.md §12).
 *
 *   dots [keys][32] ─attentionSoftmax─▶ e, m[32], r[32] ─scaleColumns─▶ O        headDot ─▶ D[32] ─attentionDelta─▶ p, g ─turnBlocks─▶ [queries][keys]
 *
 * Queries are lanes: a row of 32 is eight vectors. The softmax goes twice over the slabs: the maximum of the scaled dots, then e and the slab's sums; the scaled
 * dots are not stored in between, one multiplication costs less. In a slab two vectors of queries at a time go down its 32 keys. In the query's own slab,
 * the last, a pair of vectors ends where its last query does; the rest is +0. Not here: the products (attention-products.ts).
 */
import { f32x4, i32, i32x4, v128, type F32, type V128 } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { positive, transpose4 } from './build.js';
import { emitExp } from './functions.js';

type Pointer = Local<'i32'>;

const rowOffsets = Array.from({ length: slabTokens / 4 }, (_, v) => v * 16);
const pairOffsets = [0, 16];
const pairBytes = 32, pairQueries = 8;
const slabBytes = slabTokens * panelRowBytes;

/** Runs the body for `rows` ≥ 1 rows and moves the pointers on. */
const overRows = (f: FunctionBuilder, rows: Pointer, pointers: readonly Pointer[], body: () => void): void =>
  f.doWhile(() => {
    body();
    for (const pointer of pointers) f.advance(pointer, panelRowBytes);
    f.set(rows, i32.sub(rows, 1));
  }, rows);

/** Vectors side by side as locals: `count` from this pointer on. */
const loadAll = (f: FunctionBuilder, name: string, pointer: Pointer, offsets: readonly number[]): Local<'v128'>[] =>
  offsets.map((at) => f.v128(`${name}${at}`, v128.load(pointer, at)));

/** For a pair of vectors of queries from `query` on: the masks of those at or behind the key, which `nextKey` advances. */
const causalMasks = (f: FunctionBuilder, query: Pointer) => {
  const lane = f.v128('lane', i32x4.lanes(0, 1, 2, 3));
  const queries = pairOffsets.map((at) => f.v128(`queries${at}`, i32x4.add(lane, i32x4.splat(i32.add(query, at / 4)))));
  const key = f.v128('key', v128.zero());
  return { of: (half: number): V128 => i32x4.ge_s(queries[half]!, key), nextKey: () => f.set(key, i32x4.add(key, f.lanesI32(1))) };
};

/** In the query's own slab: max = the maximum of s · scale over the keys up to each query, and what was there; `query`: the pair's first. */
const ownMaximum = (m: ModuleBuilder): Callee =>
  m.function('attentionOwnMaximum', { s: 'i32', max: 'i32', scale: 'f32', query: 'i32' }, (f, p) => {
    const scale = f.v128('scale', f32x4.splat(p.scale));
    const maxima = loadAll(f, 'max', p.max, pairOffsets);
    const masks = causalMasks(f, p.query);
    const rows = f.i32('rows', i32.add(p.query, pairQueries));
    overRows(f, rows, [p.s], () => {
      maxima.forEach((max, half) => f.set(max, f32x4.max(max, v128.bitselect(f32x4.mul(v128.load(p.s, half * 16), scale), f.lanes(-Infinity), masks.of(half)))));
      masks.nextKey();
    });
    maxima.forEach((max, half) => f.store(p.max, max, half * 16));
  }, { export: false });

interface ExpKind {
  /** The query's own slab: keys behind the query are masked. */
  readonly own: boolean;
  /** Adds the slab's sum to what is stored. */
  readonly sums: boolean;
}
/** One slab for one pair of vectors: e = exp(s · scale − m) in the place of s. */
const slabExp = (m: ModuleBuilder, { own, sums }: ExpKind): Callee =>
  m.function(`attention${own ? 'Own' : ''}Exp${sums ? 'Sum' : ''}`, { s: 'i32', max: 'i32', sum: 'i32', scale: 'f32', query: 'i32' }, (f, p) => {
    const scale = f.v128('scale', f32x4.splat(p.scale));
    const maxima = loadAll(f, 'max', p.max, pairOffsets);
    const slabSums = pairOffsets.map((at) => f.v128(`slab${at}`));
    const masks = own ? causalMasks(f, p.query) : null;
    const rows = f.i32('rows', own ? i32.add(p.query, pairQueries) : slabTokens);
    overRows(f, rows, [p.s], () => {
      const values = maxima.map((max, half) => {
        const e = emitExp(f, f32x4.sub(f32x4.mul(v128.load(p.s, half * 16), scale), max));
        // A masked +0 is added too: it changes no sum that started at +0.
        if (masks !== null) f.set(e, v128.and(e, masks.of(half)));
        return e;
      });
      masks?.nextKey();
      values.forEach((e, half) => f.store(p.s, e, half * 16));
      if (sums) slabSums.forEach((sum, half) => f.set(sum, f32x4.add(sum, values[half]!)));
    });
    if (sums) {
      const totals = slabSums.map((sum, half) => f.v128('total', f32x4.add(v128.load(p.sum, half * 16), sum)));
      totals.forEach((total, half) => f.store(p.sum, total, half * 16));
    }
    if (!own) return;
    f.set(rows, i32.sub(i32.const(slabTokens - pairQueries), p.query));
    f.if(rows, () => overRows(f, rows, [p.s], () => pairOffsets.forEach((at) => f.store(p.s, v128.zero(), at))));
  }, { export: false });

/** For each pair of vectors of a row: its byte offset and its first query. */
const overPairs = (f: FunctionBuilder, body: (offset: Pointer, query: Pointer) => void): void => {
  const [offset, query] = [f.i32('offset'), f.i32('query')];
  f.for(offset, 0, panelRowBytes, pairBytes, () => {
    f.set(query, i32.shr_u(offset, 2));
    body(offset, query);
  });
};

const defineSoftmax = (m: ModuleBuilder): void => {
  const maximum = ownMaximum(m);
  const kernels = [true, false].map((sums) => ({ others: slabExp(m, { own: false, sums }), own: slabExp(m, { own: true, sums }) })) as [SlabKernels, SlabKernels];

  /** Goes over all slabs, the own one last; uses s and slabs up. */
  const overSlabs = (f: FunctionBuilder, { others, own }: SlabKernels, s: Pointer, max: Pointer, sum: Pointer | number, slabs: Pointer, scale: F32): void => {
    const to = (offset: Pointer) => (typeof sum === 'number' ? sum : i32.add(sum, offset));
    f.while(i32.gt_s(slabs, 1), () => {
      overPairs(f, (offset, query) => f.call(others, i32.add(s, offset), i32.add(max, offset), to(offset), scale, query));
      f.advance(s, slabBytes);
      f.set(slabs, i32.sub(slabs, 1));
    });
    overPairs(f, (offset, query) => f.call(own, i32.add(s, offset), i32.add(max, offset), to(offset), scale, query));
  };

  m.function('attentionSoftmax', { s: 'i32', m: 'i32', r: 'i32', slabs: 'i32', scale: 'f32' }, (f, p) => {
    const maxima = rowOffsets.map((at) => f.v128(`max${at}`, f32x4.const(-Infinity)));
    const scale = f.v128('scale', f32x4.splat(p.scale));
    const x = f.i32('x', p.s);
    const rows = f.i32('rows', i32.mul(i32.sub(p.slabs, 1), slabTokens));
    f.if(rows, () => overRows(f, rows, [x], () => maxima.forEach((max, v) => f.set(max, f32x4.max(max, f32x4.mul(v128.load(x, v * 16), scale))))));
    maxima.forEach((max, v) => f.store(p.m, max, v * 16));
    overPairs(f, (offset, query) => f.call(maximum, i32.add(x, offset), i32.add(p.m, offset), p.scale, query));
    for (const at of rowOffsets) f.store(p.r, v128.zero(), at);
    overSlabs(f, kernels[0], p.s, p.m, p.r, p.slabs, p.scale);
    const sums = loadAll(f, 'sum', p.r, rowOffsets);
    sums.forEach((sum, v) => f.store(p.r, f32x4.div(f.lanes(1), sum), v * 16));
  });

  m.function('attentionExp', { s: 'i32', m: 'i32', slabs: 'i32', scale: 'f32' }, (f, p) => overSlabs(f, kernels[1], p.s, p.m, 0, p.slabs, p.scale));
};
interface SlabKernels {
  readonly others: Callee;
  readonly own: Callee;
}

/** sums += a · b over `rows` ≥ 1 features. */
const sumProducts = (f: FunctionBuilder, sums: readonly Local<'v128'>[], a: Pointer, b: Pointer, rows: Pointer): void =>
  overRows(f, rows, [a, b], () => sums.forEach((sum, v) => f.set(sum, f32x4.add(sum, f32x4.mul(v128.load(a, v * 16), v128.load(b, v * 16))))));

const defineHeadDot = (m: ModuleBuilder): void => {
  m.function('headDot', { out: 'i32', a: 'i32', b: 'i32', features: 'i32' }, (f, p) => {
    const [first, rows] = [f.i32('first'), f.i32('rows')];
    const sums = rowOffsets.map((at) => f.v128(`sum${at}`));
    f.for(first, 0, p.features, chunkFeatures, () => {
      for (const sum of sums) f.set(sum, v128.zero());
      f.set(rows, i32.min_s(i32.sub(p.features, first), i32.const(chunkFeatures)));
      sumProducts(f, sums, p.a, p.b, rows);
      f.if(first, () => sums.forEach((sum, v) => f.set(sum, f32x4.add(v128.load(p.out, v * 16), sum))));
      sums.forEach((sum, v) => f.store(p.out, sum, v * 16));
    });
  });

  m.function('headDotSegment', { sum: 'i32', chunk: 'i32', a: 'i32', b: 'i32', first: 'i32', last: 'i32', all: 'i32' }, (f, p) => {
    const [end, rows] = [f.i32('end'), f.i32('rows')];
    const sums = loadAll(f, 'chunk', p.chunk, rowOffsets);
    f.while(i32.lt_s(p.first, p.last), () => {
      f.set(end, i32.min_s(p.last, i32.and(i32.add(p.first, chunkFeatures), -chunkFeatures)));
      f.set(rows, i32.sub(end, p.first));
      sumProducts(f, sums, p.a, p.b, rows);
      f.if(i32.or(i32.eqz(i32.and(end, chunkFeatures - 1)), i32.eq(end, p.all)), () => {
        const totals = sums.map((sum, v) => f.v128('total', f32x4.add(v128.load(p.sum, v * 16), sum)));
        totals.forEach((total, v) => f.store(p.sum, total, v * 16));
        for (const sum of sums) f.set(sum, v128.zero());
      });
      f.set(p.first, end);
    });
    sums.forEach((sum, v) => f.store(p.chunk, sum, v * 16));
  });
};

const defineByElement = (m: ModuleBuilder): void => {
  m.function('scaleColumns', { x: 'i32', row: 'i32', features: 'i32' }, (f, p) => {
    const row = loadAll(f, 'row', p.row, rowOffsets);
    f.if(positive(p.features), () => overRows(f, p.features, [p.x], () => {
      const values = row.map((r, v) => f.v128('value', f32x4.mul(v128.load(p.x, v * 16), r)));
      values.forEach((value, v) => f.store(p.x, value, v * 16));
    }));
  });

  // Half a row at a time: its columns of r and D stay in registers, and a half is one line of the cache.
  m.function('attentionDelta', { p: 'i32', g: 'i32', e: 'i32', dP: 'i32', r: 'i32', D: 'i32', scale: 'f32', rows: 'i32' }, (f, at) => {
    const scale = f.v128('scale', f32x4.splat(at.scale));
    const half = [0, 16, 32, 48];
    const [offset, rows, p, g, e, dP] = [f.i32('offset'), f.i32('left'), f.i32('toP'), f.i32('toG'), f.i32('fromE'), f.i32('fromDP')];
    const r = half.map((v) => f.v128(`r${v}`)), D = half.map((v) => f.v128(`D${v}`));
    f.if(positive(at.rows), () => f.for(offset, 0, panelRowBytes, panelRowBytes / 2, () => {
      half.forEach((v, i) => f.set(r[i]!, v128.load(i32.add(at.r, offset), v)));
      half.forEach((v, i) => f.set(D[i]!, v128.load(i32.add(at.D, offset), v)));
      f.set(p, i32.add(at.p, offset));
      f.set(g, i32.add(at.g, offset));
      f.set(e, i32.add(at.e, offset));
      f.set(dP, i32.add(at.dP, offset));
      f.set(rows, at.rows);
      overRows(f, rows, [p, g, e, dP], () => {
        const ps = half.map((v, i) => f.v128('p', f32x4.mul(v128.load(e, v), r[i]!)));
        const gs = half.map((v, i) => f.v128('g', f32x4.mul(f32x4.mul(ps[i]!, f32x4.sub(v128.load(dP, v), D[i]!)), scale)));
        half.forEach((v, i) => f.store(p, ps[i]!, v));
        half.forEach((v, i) => f.store(g, gs[i]!, v));
      });
    }));
  });

  // Four keys at a time: blocks of 4 × 4.
  m.function('turnBlocks', { dst: 'i32', src: 'i32', slabs: 'i32' }, (f, p) => {
    const key = f.i32('key');
    f.while(positive(p.slabs), () => {
      f.for(key, 0, slabTokens * 4, 16, () => {
        for (const at of rowOffsets) {
          const line = (r: number) => f.v128(`line${r}`, v128.load(p.src, r * panelRowBytes + at));
          const columns = transpose4(f, [line(0), line(1), line(2), line(3)], 'block');
          columns.forEach((column, q) => f.store(i32.add(p.dst, key), column, (at / 4 + q) * panelRowBytes));
        }
        f.advance(p.src, 4 * panelRowBytes);
      });
      f.advance(p.dst, slabBytes);
      f.set(p.slabs, i32.sub(p.slabs, 1));
    });
  });
};

export const defineAttention = (m: ModuleBuilder): void => {
  defineSoftmax(m);
  defineHeadDot(m);
  defineByElement(m);
};
