/**
 * Softmax cross-entropy on one panel [classes][32], in passes (docs/numerics.md §4).
 *
 *   softmaxMax ─▶ max ─softmaxExp─▶ e, sum ─softmaxDelta─▶ delta        softmaxLoss ─▶ loss ─lossLeaf─▶ one float a slab
 *
 * Tokens are lanes: a row of 32 is eight vectors. The sum over classes has chunks of 256, as a linear layer's; a pass works chunk by chunk (32 KB of
 * panel) and inside a chunk one or two vectors of tokens after another, sums in registers. Not here: gathering the labels' logits (the tile).
 */
import { f32, f32x4, i32, i32x4, v128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { emitExp, emitLog } from './functions.js';

const vectors = slabTokens / 4;

/** For each of the eight vectors of tokens, or for each pair of them: `offset` is its byte offset in a row. */
const overTokens = (f: FunctionBuilder, body: (offset: Local<'i32'>) => void, vectorsAtOnce = 1): void => {
  const offset = f.i32('offset');
  f.for(offset, 0, panelRowBytes, vectorsAtOnce * 16, () => body(offset));
};

/** label ≥ 0 and t < tokens, for the vector of tokens at `offset`; `lane` holds 0, 1, 2, 3. */
const isTerm = (f: FunctionBuilder, label: Local<'v128'>, offset: Local<'i32'>, tokens: Local<'i32'>, lane: Local<'v128'>) =>
  v128.and(i32x4.ge_s(label, f.lanesI32(0)), i32x4.lt_s(i32x4.add(lane, i32x4.splat(i32.shr_u(offset, 2))), i32x4.splat(tokens)));

export const defineSoftmax = (m: ModuleBuilder): void => {
  m.function('softmaxMax', { max: 'i32', x: 'i32', classes: 'i32' }, (f, p) => {
    const maxima = Array.from({ length: vectors }, (_, v) => f.v128(`max${v}`, v128.load(p.max, v * 16)));
    f.while(i32.gt_s(p.classes, 0), () => {
      maxima.forEach((max, v) => f.set(max, f32x4.max(max, v128.load(p.x, v * 16))));
      f.advance(p.x, panelRowBytes);
      f.set(p.classes, i32.sub(p.classes, 1));
    });
    maxima.forEach((max, v) => f.store(p.max, max, v * 16));
  });

  m.function('softmaxExp', { e: 'i32', sum: 'i32', chunk: 'i32', x: 'i32', max: 'i32', firstClass: 'i32', classes: 'i32', allClasses: 'i32' }, (f, p) => {
    const last = f.i32('last', i32.add(p.firstClass, p.classes));
    const [end, ends, count, x, e] = [f.i32('end'), f.i32('ends'), f.i32('count'), f.i32('x'), f.i32('e')];
    const [sumAt, chunkAt] = [f.i32('sumAt'), f.i32('chunkAt')];
    const halves = [0, 16].map((at) => ({ at, max: f.v128(`max${at}`), chunk: f.v128(`chunk${at}`) }));
    // Each round is the part of the classes that lies in one chunk.
    f.while(i32.lt_s(p.firstClass, last), () => {
      f.set(end, i32.min_s(last, i32.and(i32.add(p.firstClass, chunkFeatures), -chunkFeatures)));
      f.set(ends, i32.or(i32.eqz(i32.and(end, chunkFeatures - 1)), i32.eq(end, p.allClasses)));
      overTokens(f, (offset) => {
        f.set(x, i32.add(p.x, offset));
        f.set(e, i32.add(p.e, offset));
        f.set(sumAt, i32.add(p.sum, offset));
        f.set(chunkAt, i32.add(p.chunk, offset));
        f.set(count, i32.sub(end, p.firstClass));
        for (const { at, max } of halves) f.set(max, v128.load(i32.add(p.max, offset), at));
        for (const { at, chunk } of halves) f.set(chunk, v128.load(chunkAt, at));
        f.doWhile(() => {
          const values = halves.map(({ at, max }) => emitExp(f, f32x4.sub(v128.load(x, at), max)));
          halves.forEach(({ at }, half) => f.store(e, values[half]!, at));
          halves.forEach(({ chunk }, half) => f.set(chunk, f32x4.add(chunk, values[half]!)));
          f.advance(x, panelRowBytes);
          f.advance(e, panelRowBytes);
          f.set(count, i32.sub(count, 1));
        }, count);
        f.if(ends, () => {
          for (const { at, chunk } of halves) {
            f.store(sumAt, f32x4.add(v128.load(sumAt, at), chunk), at);
            f.set(chunk, v128.zero());
          }
        });
        for (const { at, chunk } of halves) f.store(chunkAt, chunk, at);
      }, halves.length);
      f.set(count, i32.mul(i32.sub(end, p.firstClass), panelRowBytes));
      f.advance(p.x, count);
      f.advance(p.e, count);
      f.set(p.firstClass, end);
    });
  });

  m.function('softmaxDelta', { delta: 'i32', e: 'i32', sum: 'i32', label: 'i32', factor: 'f32', firstClass: 'i32', classes: 'i32', tokens: 'i32' }, (f, p) => {
    const [delta, e, count] = [f.i32('delta'), f.i32('e'), f.i32('count')];
    const [sum, label, term, current, probability] = [f.v128('sum'), f.v128('label'), f.v128('term'), f.v128('current'), f.v128('p')];
    const factor = f.v128('factor', f32x4.splat(p.factor));
    const lane = f.v128('lane', i32x4.lanes(0, 1, 2, 3));
    const one = f.lanes(1), step = f.lanesI32(1);
    f.if(i32.gt_s(p.classes, 0), () => overTokens(f, (offset) => {
      f.set(delta, i32.add(p.delta, offset));
      f.set(e, i32.add(p.e, offset));
      f.set(sum, v128.load(i32.add(p.sum, offset)));
      f.set(label, v128.load(i32.add(p.label, offset)));
      f.set(term, isTerm(f, label, offset, p.tokens, lane));
      f.set(current, i32x4.splat(p.firstClass));
      f.set(count, p.classes);
      f.doWhile(() => {
        f.set(probability, f32x4.div(v128.load(e), sum));
        const minus = v128.bitselect(f32x4.sub(probability, one), probability, i32x4.eq(label, current));
        f.store(delta, v128.and(f32x4.mul(minus, factor), term));
        f.set(current, i32x4.add(current, step));
        f.advance(e, panelRowBytes);
        f.advance(delta, panelRowBytes);
        f.set(count, i32.sub(count, 1));
      }, count);
    }));
  });

  m.function('softmaxLoss', { loss: 'i32', sum: 'i32', xl: 'i32', max: 'i32' }, (f, p) => {
    overTokens(f, (offset) => {
      const log = emitLog(f, v128.load(i32.add(p.sum, offset)));
      f.store(i32.add(p.loss, offset), f32x4.sub(log, f32x4.sub(v128.load(i32.add(p.xl, offset)), v128.load(i32.add(p.max, offset)))));
    });
  });

  m.function('lossLeaf', { dst: 'i32', loss: 'i32', label: 'i32', tokens: 'i32' }, (f, p) => {
    const sum = f.f32('leaf');
    f.while(i32.gt_s(p.tokens, 0), () => {
      f.if(i32.ge_s(i32.load(p.label), 0), () => f.set(sum, f32.add(sum, f32.load(p.loss))));
      f.advance(p.loss, 4);
      f.advance(p.label, 4);
      f.set(p.tokens, i32.sub(p.tokens, 1));
    });
    f.storeF32(p.dst, sum);
  });
};
