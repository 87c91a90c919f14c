/**
 * Sums of squares, leaf by leaf, of rows or of columns, and the scaling that clips a gradient (docs/numerics.md §6).
 *
 *   leaf i = ((+0 + g[1024·i]²) + g[1024·i + 1]²) + …
 *
 * A leaf is one chain of additions, so four leaves go side by side, a lane each: blocks of four leaves × four positions are transposed. The last leaves, fewer
 * than four or short, are chains of their own. Not here: the tree above the leaves (memoryx/), the clipping factor.
 */
import { f32, f32x4, i32, v128, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { squareLeafFloats } from '../types.js';
import { overFloats, positive, transpose4 } from './build.js';

const { add, mul } = f32x4;
const leafBytes = squareLeafFloats * 4, atOnce = 4;

/** The squares of four positions of four leaves, one leaf a lane. */
const squaresOfFour = (f: FunctionBuilder, g: Local<'i32'>): readonly V128[] => {
  const rows = Array.from({ length: atOnce }, (_, leaf) => f.v128(`leaf${leaf}`, v128.load(g, leaf * leafBytes)));
  return transpose4(f, rows.map((row, leaf) => f.v128(`squares${leaf}`, mul(row, row))) as unknown as readonly [V128, V128, V128, V128], 'squares');
};

export const defineSquares = (m: ModuleBuilder): void => {
  defineRowSquares(m);
  defineColumnSquares(m);
  m.function('squareLeaves', { leaves: 'i32', g: 'i32', count: 'i32' }, (f, p) => {
    const [sums, end] = [f.v128('sums'), f.i32('end')];
    f.while(i32.ge_s(p.count, atOnce * squareLeafFloats), () => {
      f.set(sums, v128.zero());
      f.set(end, i32.add(p.g, leafBytes));
      f.doWhile(() => {
        for (const squares of squaresOfFour(f, p.g)) f.set(sums, add(sums, squares));
        f.advance(p.g, 16);
      }, i32.ne(p.g, end));
      f.store(p.leaves, sums);
      f.advance(p.leaves, 16);
      f.advance(p.g, (atOnce - 1) * leafBytes);
      f.set(p.count, i32.sub(p.count, atOnce * squareLeafFloats));
    });
    const [sum, own, floats] = [f.f32('sum'), f.f32('own'), f.i32('floats')];
    f.while(positive(p.count), () => {
      f.set(sum, f32.const(0));
      f.set(floats, i32.min_s(p.count, i32.const(squareLeafFloats)));
      f.set(p.count, i32.sub(p.count, floats));
      f.doWhile(() => {
        f.set(own, f32.load(p.g));
        f.set(sum, f32.add(sum, f32.mul(own, own)));
        f.advance(p.g, 4);
        f.set(floats, i32.sub(floats, 1));
      }, floats);
      f.storeF32(p.leaves, sum);
      f.advance(p.leaves, 4);
    });
  });

  m.function('scale', { dst: 'i32', src: 'i32', factor: 'f32', count: 'i32' }, (f, p) => {
    const factor = f.v128('factor lanes', f32x4.splat(p.factor));
    overFloats(f, [p.dst, p.src], p.count, (load, store) => store(p.dst, mul(load(p.src), factor)));
  });
};

/** `rows` rows of `cols` floats, four side by side as leaves are; what is left of a row, and rows that are left, are chains of their own. */
const defineRowSquares = (m: ModuleBuilder): void => {
  m.function('rowSquares', { dst: 'i32', dstStride: 'i32', src: 'i32', srcStride: 'i32', rows: 'i32', cols: 'i32' }, (f, p) => {
    const [sum, own, next, left] = [f.f32('sum'), f.f32('own'), f.i32('next'), f.i32('left')];
    /** Adds `left` floats from `next` on to `sum`. */
    const chain = (): void =>
      f.while(left, () => {
        f.set(own, f32.load(next));
        f.set(sum, f32.add(sum, f32.mul(own, own)));
        f.advance(next, 4);
        f.set(left, i32.sub(left, 1));
      });
    const sums = f.v128('sums'), pointers = Array.from({ length: atOnce }, (_, row) => f.i32(`row${row}`));
    f.while(i32.ge_s(p.rows, atOnce), () => {
      f.set(sums, v128.zero());
      for (const pointer of pointers) {
        f.set(pointer, p.src);
        f.advance(p.src, p.srcStride);
      }
      f.set(left, i32.shr_u(p.cols, 2));
      f.while(left, () => {
        const rows = pointers.map((pointer, row) => f.v128(`values${row}`, v128.load(pointer)));
        for (const squares of transpose4(f, rows.map((row, i) => f.v128(`squares${i}`, mul(row, row))) as unknown as readonly [V128, V128, V128, V128], 'row squares')) f.set(sums, add(sums, squares));
        for (const pointer of pointers) f.advance(pointer, 16);
        f.set(left, i32.sub(left, 1));
      });
      pointers.forEach((pointer, row) => {
        f.storeLane(p.dst, sums, row);
        f.set(sum, f32.load(p.dst));
        f.set(next, pointer);
        f.set(left, i32.and(p.cols, 3));
        chain();
        f.storeF32(p.dst, sum);
        f.advance(p.dst, p.dstStride);
      });
      f.set(p.rows, i32.sub(p.rows, atOnce));
    });
    f.while(positive(p.rows), () => {
      f.set(sum, f32.const(0));
      f.set(next, p.src);
      f.set(left, p.cols);
      chain();
      f.storeF32(p.dst, sum);
      f.advance(p.src, p.srcStride);
      f.advance(p.dst, p.dstStride);
      f.set(p.rows, i32.sub(p.rows, 1));
    });
  });
};

/** Row after row over the sums of all columns, which stay in the cache. */
const defineColumnSquares = (m: ModuleBuilder): void => {
  m.function('columnSquares', { dst: 'i32', src: 'i32', srcStride: 'i32', rows: 'i32', cols: 'i32' }, (f, p) => {
    const [sums, values, left, own] = [f.i32('sums'), f.i32('values'), f.i32('left'), f.v128('own')];
    f.while(positive(p.rows), () => {
      f.set(sums, p.dst);
      f.set(values, p.src);
      f.set(left, p.cols);
      overFloats(f, [sums, values], left, (load, store) => {
        f.set(own, load(values));
        store(sums, add(load(sums), mul(own, own)));
      });
      f.advance(p.src, p.srcStride);
      f.set(p.rows, i32.sub(p.rows, 1));
    });
  });
};
