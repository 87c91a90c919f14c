/**
 * Attention of one lane and head over stored keys and values (docs/numerics.md §12): what generation does for each new token.
 *
 *   q (a column) · keys [slab][headSize][32 places] ─▶ scores ─▶ maximum ─▶ e ─▶ 1/sum        e · values [place][headSize] ─▶ out (a column)
 *
 * Scores have places as lanes: eight vectors of a slab share each feature of q. The weighted sum has features as lanes, so that its order over places is the loop's
 * own; the sum of e is added float by float for the same reason. Not here: whole slabs of queries (attention.ts, attention-products.ts).
 */
import { f32, f32x4, i32, i32x4, v128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { positive } from './build.js';
import { emitExp } from './functions.js';

type Pointer = Local<'i32'>;

const rowOffsets = Array.from({ length: slabTokens / 4 }, (_, v) => v * 16);

/** scratch ← scores · scale, slab by slab; returns a local with the maximum over the first `places`, in all lanes. */
const emitScores = (f: FunctionBuilder, p: { readonly [K in 'q' | 'keys' | 'scratch' | 'headSize' | 'places']: Pointer } & { readonly scale: Local<'f32'> }): Local<'v128'> => {
  const [s, key, x, first, features, left] = [f.i32('s', p.scratch), f.i32('key', p.keys), f.i32('x'), f.i32('first'), f.i32('features'), f.i32('left', p.places)];
  const sums = rowOffsets.map((at) => f.v128(`sum${at}`)), max = f.v128('max', f32x4.const(-Infinity));
  const scale = f.v128('scale lanes', f32x4.splat(p.scale)), lane = f.v128('lane', i32x4.lanes(0, 1, 2, 3)), query = f.v128('query');
  f.doWhile(() => {
    f.set(x, p.q);
    f.for(first, 0, p.headSize, chunkFeatures, () => {
      f.set(features, i32.min_s(i32.sub(p.headSize, first), i32.const(chunkFeatures)));
      for (const sum of sums) f.set(sum, v128.zero());
      f.doWhile(() => {
        f.set(query, v128.load32_splat(x));
        sums.forEach((sum, v) => f.set(sum, f32x4.add(sum, f32x4.mul(v128.load(key, v * 16), query))));
        f.advance(key, panelRowBytes);
        f.advance(x, panelRowBytes);
        f.set(features, i32.sub(features, 1));
      }, features);
      f.if(first, () => sums.forEach((sum, v) => f.set(sum, f32x4.add(v128.load(s, v * 16), sum))));
      sums.forEach((sum, v) => f.store(s, sum, v * 16));
    });
    sums.forEach((sum, v) => {
      f.set(sum, f32x4.mul(sum, scale));
      f.set(max, f32x4.max(max, v128.bitselect(sum, f.lanes(-Infinity), i32x4.gt_s(i32x4.splat(i32.sub(left, v * 4)), lane))));
    });
    sums.forEach((sum, v) => f.store(s, sum, v * 16));
    f.advance(s, panelRowBytes);
    f.set(left, i32.sub(left, slabTokens));
  }, positive(left));
  f.set(max, f32x4.max(max, v128.shuffle32(max, max, [2, 3, 0, 1])));
  f.set(max, f32x4.max(max, v128.shuffle32(max, max, [1, 0, 3, 2])));
  return max;
};

/** scratch ← e, in whole pairs of vectors; returns a local with 1 / (sum over the first `places`). */
const emitExponentials = (f: FunctionBuilder, scratch: Pointer, places: Pointer, max: Local<'v128'>): Local<'f32'> => {
  const [s, left, rest] = [f.i32('e', scratch), f.i32('pairs', places), f.i32('rest')];
  f.doWhile(() => {
    const values = [0, 16].map((at) => emitExp(f, f32x4.sub(v128.load(s, at), max)));
    values.forEach((e, v) => f.store(s, e, v * 16));
    f.advance(s, 32);
    f.set(left, i32.sub(left, 8));
  }, positive(left));
  const part = f.f32('part'), total = f.f32('total');
  f.set(s, scratch);
  f.set(left, places);
  f.doWhile(() => {
    f.set(part, f32.const(0));
    f.set(rest, i32.min_s(left, i32.const(slabTokens)));
    f.set(left, i32.sub(left, rest));
    f.doWhile(() => {
      f.set(part, f32.add(part, f32.load(s)));
      f.advance(s, 4);
      f.set(rest, i32.sub(rest, 1));
    }, rest);
    // The first slab's sum is added to +0: it is no −0, so it stays what it is.
    f.set(total, f32.add(total, part));
  }, left);
  return f.f32('r', f32.div(f32.const(1), total));
};

export const defineAttentionCached = (m: ModuleBuilder): void => {
  /** `vectors` vectors of features: sums over all places, slab by slab, times r. */
  const product = (vectors: number) =>
    m.function(`attendValues${vectors}`, { out: 'i32', values: 'i32', rowBytes: 'i32', e: 'i32', places: 'i32', r: 'f32' }, (f, p) => {
      const [rest, left] = [f.i32('rest'), f.i32('left', p.places)];
      const sums = Array.from({ length: vectors }, (_, v) => f.v128(`sum${v}`)), totals = sums.map((_, v) => f.v128(`total${v}`));
      const e = f.v128('e lanes');
      f.doWhile(() => {
        for (const sum of sums) f.set(sum, v128.zero());
        f.set(rest, i32.min_s(left, i32.const(slabTokens)));
        f.set(left, i32.sub(left, rest));
        f.doWhile(() => {
          f.set(e, v128.load32_splat(p.e));
          sums.forEach((sum, v) => f.set(sum, f32x4.add(sum, f32x4.mul(v128.load(p.values, v * 16), e))));
          f.advance(p.values, p.rowBytes);
          f.advance(p.e, 4);
          f.set(rest, i32.sub(rest, 1));
        }, rest);
        totals.forEach((total, v) => f.set(total, f32x4.add(total, sums[v]!)));
      }, left);
      const r = f.v128('r lanes', f32x4.splat(p.r));
      totals.forEach((total) => f.set(total, f32x4.mul(total, r)));
      totals.forEach((total, v) => f.store(p.out, total, v * 16));
    }, { export: false });
  const widths = [8, 4, 1].map((vectors) => ({ vectors, kernel: product(vectors) }));

  m.function('attendCached', { out: 'i32', q: 'i32', keys: 'i32', values: 'i32', scratch: 'i32', headSize: 'i32', places: 'i32', scale: 'f32' }, (f, p) => {
    const r = emitExponentials(f, p.scratch, p.places, emitScores(f, p));
    const rowBytes = f.i32('rowBytes', i32.shl(i32.and(i32.add(p.headSize, 3), -4), 2));
    const row = f.i32('row', i32.add(p.scratch, i32.shl(i32.and(i32.add(p.places, slabTokens - 1), -slabTokens), 2)));
    const [to, left] = [f.i32('to', row), f.i32('vectors', i32.shr_u(rowBytes, 4))];
    for (const { vectors, kernel } of widths) {
      f.while(i32.ge_s(left, vectors), () => {
        f.call(kernel, to, p.values, rowBytes, p.scratch, p.places, r);
        f.advance(to, vectors * 16);
        f.advance(p.values, vectors * 16);
        f.set(left, i32.sub(left, vectors));
      });
    }
    f.doWhile(() => {
      f.storeF32(p.out, f32.load(row));
      f.advance(row, 4);
      f.advance(p.out, panelRowBytes);
      f.set(p.headSize, i32.sub(p.headSize, 1));
    }, p.headSize);
  });
};
