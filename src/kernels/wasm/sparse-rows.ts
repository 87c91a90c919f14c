/**
 * Linear products of register blocks over a list of features: four results that share their features, and dense weights over live features.
 *
 *   linearFourRow  values [entries][4], indices, starts of (chunk, group of 4 results)      pattern 4×1
 *   liveFeatures   panel [n][32] ─▶ list: starts of the chunks, byte offsets of the features that are not ±0 in every token
 *   linearListed   packed [group][n][R] over the list                                       sparse activations
 *
 * A row of the panel is loaded once for all results of a register block. The order of terms is that of linear.ts; what is not listed is no term.
 * Not here: one result at a time (sparse-linear.ts).
 */
import { i32, v128, type Int } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import type { Shape } from './build.js';
import { addStored, eachRow, forTail, multiplyAdd, registerBlock, storeBlock } from './linear.js';
import { overChunks, touchFrom, touchKernel } from './sparse-linear.js';

type Pointer = Local<'i32'>;
const fourRows = 4;

/** Visits the offsets index … end, at least one. */
const overList = (f: FunctionBuilder, shape: Shape, index: Pointer, end: Int, round: () => void): void => {
  const more = i32.ne(index, end);
  if (shape.topTested) f.whileTopTested(more, round);
  else f.doWhile(round, more);
};

const defineFourRow = (m: ModuleBuilder, shape: Shape): void => {
  const touch = touchKernel(m, 'FourRow');
  /** All groups of one chunk for one group of tokens. */
  const chunk = m.function('linearFourRowChunk', { out: 'i32', inp: 'i32', values: 'i32', indices: 'i32', starts: 'i32', groups: 'i32', add: 'i32' }, (f, p) => {
    const sums = registerBlock(f, shape, fourRows);
    const [x, end] = [f.i32('x'), f.i32('end')];
    const index = f.i32('index', i32.add(p.indices, i32.shl(i32.load(p.starts), 1)));
    const value = f.i32('value', i32.add(p.values, i32.shl(i32.load(p.starts), 4)));
    f.doWhile(() => {
      f.advance(p.starts, 4);
      f.set(end, i32.add(p.indices, i32.shl(i32.load(p.starts), 1)));
      eachRow(f, sums, (sum) => f.set(sum, v128.zero()));
      f.if(i32.ne(index, end), () => {
        overList(f, shape, index, end, () => {
          f.set(x, i32.add(p.inp, i32.load16_u(index)));
          multiplyAdd(f, shape, fourRows, sums, value, (row) => row * 4, x);
          f.advance(index, 2);
          f.advance(value, fourRows * 4);
        });
        f.if(p.add, () => addStored(f, sums, p.out));
        storeBlock(f, sums, p.out);
      }, () => f.if(i32.eqz(p.add), () => storeBlock(f, sums, p.out)));
      f.advance(p.out, fourRows * panelRowBytes);
      f.set(p.groups, i32.sub(p.groups, 1));
    }, p.groups);
  }, { export: false });

  m.function('linearFourRow', {
    out: 'i32', outStride: 'i32', inp: 'i32', inpStride: 'i32', values: 'i32', indices: 'i32', starts: 'i32', n: 'i32', m: 'i32', panels: 'i32',
  }, (f, p) => {
    const token = f.i32('token');
    const groups = f.i32('groups', i32.shr_u(p.m, 2));
    overChunks(f, p, groups, touch, touchFrom.fourRows, (x, run, first) =>
      f.for(token, 0, slabTokens * 4, shape.vectors * 16, () => f.call(chunk, i32.add(p.out, token), i32.add(x, token), p.values, p.indices, run, groups, first)));
  });
};

const defineLive = (m: ModuleBuilder): void => {
  m.function('liveFeatures', { list: 'i32', x: 'i32', n: 'i32' }, (f, p) => {
    const magnitude = f.lanesI32(0x7f_ff_ff_ff);
    const [feature, live] = [f.i32('feature'), f.i32('live', 0)];
    const start = f.i32('start', p.list);
    // Behind one start a chunk and the last: ⌈n / 256⌉ + 1 words.
    const to = f.i32('to', i32.add(p.list, i32.shl(i32.add(i32.shr_u(i32.add(p.n, chunkFeatures - 1), 8), 1), 2)));
    const any = f.v128('any');
    f.for(feature, 0, p.n, 1, () => {
      f.if(i32.eqz(i32.and(feature, chunkFeatures - 1)), () => {
        f.storeI32(start, live);
        f.advance(start, 4);
      });
      f.set(any, v128.load(p.x));
      for (let v = 1; v < slabTokens / 4; v++) f.set(any, v128.or(any, v128.load(p.x, v * 16)));
      // Written in any case, kept by counting on.
      f.storeI16(i32.add(to, i32.shl(live, 1)), i32.shl(i32.and(feature, chunkFeatures - 1), 7));
      f.set(live, i32.add(live, v128.any_true(v128.and(any, magnitude))));
      f.advance(p.x, panelRowBytes);
    });
    f.storeI32(start, live);
    f.if(i32.lt_s(live, p.n), () => f.storeI16(i32.add(to, i32.shl(live, 1)), 0));
    f.result(live);
  }, { result: 'i32' });
};

/** One chunk of `groups` groups of `rows` results for one group of tokens, over the offsets index … end. */
const listedChunk = (m: ModuleBuilder, shape: Shape, rows: number): Callee =>
  m.function(`linearListedChunk${rows}`, { out: 'i32', inp: 'i32', packed: 'i32', packedStride: 'i32', index: 'i32', end: 'i32', groups: 'i32', add: 'i32' }, (f, p) => {
    const sums = registerBlock(f, shape, rows);
    const [x, w, at, offset] = [f.i32('x'), f.i32('w'), f.i32('at'), f.i32('offset')];
    f.doWhile(() => {
      eachRow(f, sums, (sum) => f.set(sum, v128.zero()));
      f.set(at, p.index);
      f.if(i32.ne(at, p.end), () => {
        overList(f, shape, at, p.end, () => {
          f.set(offset, i32.load16_u(at));
          f.set(x, i32.add(p.inp, offset));
          f.set(w, i32.add(p.packed, i32.mul(i32.shr_u(offset, 5), rows)));
          multiplyAdd(f, shape, rows, sums, w, (row) => row * 4, x);
          f.advance(at, 2);
        });
        f.if(p.add, () => addStored(f, sums, p.out));
        storeBlock(f, sums, p.out);
      }, () => f.if(i32.eqz(p.add), () => storeBlock(f, sums, p.out)));
      f.advance(p.out, rows * panelRowBytes);
      f.advance(p.packed, p.packedStride);
      f.set(p.groups, i32.sub(p.groups, 1));
    }, p.groups);
  }, { export: false });

const defineListed = (m: ModuleBuilder, shape: Shape): void => {
  const R = shape.rows;
  const chunk = new Map(Array.from({ length: R }, (_, index) => [index + 1, listedChunk(m, shape, index + 1)]));
  m.function('linearListed', { out: 'i32', inp: 'i32', packed: 'i32', n: 'i32', m: 'i32', list: 'i32' }, (f, p) => {
    const [first, token, index, end, x, y, weights] = [f.i32('first'), f.i32('token'), f.i32('index'), f.i32('end'), f.i32('x'), f.i32('y'), f.i32('weights')];
    const groups = f.i32('groups', i32.div_u(p.m, R));
    const tail = f.i32('tail', i32.rem_u(p.m, R));
    const groupBytes = f.i32('groupBytes', i32.mul(p.n, R * 4));
    const offsets = f.i32('offsets', i32.add(p.list, i32.shl(i32.add(i32.shr_u(i32.add(p.n, chunkFeatures - 1), 8), 1), 2)));
    f.for(first, 0, p.n, chunkFeatures, () => {
      f.set(index, i32.add(offsets, i32.shl(i32.load(p.list), 1)));
      f.set(end, i32.add(offsets, i32.shl(i32.load(p.list, 4), 1)));
      f.advance(p.list, 4);
      f.for(token, 0, panelRowBytes, shape.vectors * 16, () => {
        f.set(x, i32.add(p.inp, i32.add(i32.mul(first, panelRowBytes), token)));
        f.set(y, i32.add(p.out, token));
        f.set(weights, i32.add(p.packed, i32.mul(first, R * 4)));
        f.if(groups, () => f.call(chunk.get(R)!, y, x, weights, groupBytes, index, end, groups, first));
        f.if(tail, () => {
          f.advance(y, i32.mul(groups, R * panelRowBytes));
          f.set(weights, i32.add(p.packed, i32.add(i32.mul(groups, groupBytes), i32.mul(first, i32.mul(tail, 4)))));
          forTail(f, shape, tail, (rows) => f.call(chunk.get(rows)!, y, x, weights, 0, index, end, 1, first));
        });
      });
    });
  });
};

export const defineSparseRows = (m: ModuleBuilder, shape: Shape): void => {
  defineFourRow(m, shape);
  defineLive(m);
  defineListed(m, shape);
};
