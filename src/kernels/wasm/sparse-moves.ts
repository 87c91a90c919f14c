/**
 * Moving between dense and stored order, and the question whether floats are finite.
 *
 *   gatherNode  node [n][width] ─▶ [entries]     the dense gradient of a block at its stored positions
 *   spread      [entries] ─▶ packed block        the dense block, +0 where nothing is stored
 *   gather                                       by a list of indices: forward order ─▶ delta order, dense ─▶ stored
 *   allFinite                                    a sum over zeros filled in equals one over stored positions only where activations are finite
 *
 * Nothing is computed here: every float leaves as it came. Not here: lists (compiler/, sparsity/), arithmetic (sparse-linear.ts).
 */
import { f32, f32x4, i32, v128, type I32 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures } from '../types.js';
import { positive, type Shape } from './build.js';

type Pointer = Local<'i32'>;

/** Visits the entries chunk by chunk and row by row: `row` sets out for a row, `entry` takes the byte offset of one. Uses indices and starts up. */
const overEntries = (
  f: FunctionBuilder, p: { readonly [K in 'indices' | 'starts' | 'n']: Pointer }, rows: Pointer, row: (number: Pointer, chunk: Pointer) => void, entry: (offset: I32) => void,
): void => {
  const [chunk, number, left] = [f.i32('chunk'), f.i32('number'), f.i32('entries')];
  f.advance(p.indices, i32.shl(i32.load(p.starts), 1));
  f.for(chunk, 0, p.n, chunkFeatures, () =>
    f.for(number, 0, rows, 1, () => {
      row(number, chunk);
      f.set(left, i32.sub(i32.load(p.starts, 4), i32.load(p.starts)));
      f.while(positive(left), () => {
        entry(i32.load16_u(p.indices));
        f.advance(p.indices, 2);
        f.set(left, i32.sub(left, 1));
      });
      f.advance(p.starts, 4);
    }));
};

/** Bytes of a feature's index times 4: an offset inside a chunk of a panel, as floats of a row of one. */
const featureBytes = (offset: I32): I32 => i32.shr_u(offset, 5);

const defineGathers = (m: ModuleBuilder): void => {
  m.function('gatherNode', { dst: 'i32', node: 'i32', width: 'i32', indices: 'i32', starts: 'i32', n: 'i32', m: 'i32', lanes: 'i32' }, (f, p) => {
    const [column, from] = [f.i32('column'), f.i32('from')];
    const at = (number: Pointer, chunk: Pointer, lanes: number): void => f.set(column, i32.add(p.node, i32.shl(i32.add(i32.mul(chunk, p.width), i32.mul(number, lanes)), 2)));
    const rows = f.i32('rows', p.m);
    f.if(i32.eq(p.lanes, 4), () => {
      f.set(rows, i32.shr_u(p.m, 2));
      overEntries(f, p, rows, (number, chunk) => at(number, chunk, 4), (offset) => {
        f.store(p.dst, v128.load(i32.add(column, i32.mul(featureBytes(offset), p.width))));
        f.advance(p.dst, 16);
      });
    }, () => {
      overEntries(f, p, rows, (number, chunk) => at(number, chunk, 1), (offset) => {
        f.set(from, i32.add(column, i32.mul(featureBytes(offset), p.width)));
        f.storeF32(p.dst, f32.load(from));
        f.advance(p.dst, 4);
      });
    });
  });

  m.function('gather', { dst: 'i32', src: 'i32', index: 'i32', count: 'i32' }, (f, p) => {
    const move = (k: number): void => f.storeF32(p.dst, f32.load(i32.add(p.src, i32.shl(i32.load(p.index, k * 4), 2))), k * 4);
    const rounds = (floats: number): void =>
      f.while(i32.ge_s(p.count, floats), () => {
        for (let k = 0; k < floats; k++) move(k);
        f.advance(p.dst, floats * 4);
        f.advance(p.index, floats * 4);
        f.set(p.count, i32.sub(p.count, floats));
      });
    rounds(4);
    rounds(1);
  });
};

const defineSpread = (m: ModuleBuilder, shape: Shape): void => {
  const R = shape.rows;
  m.function('spread', { packed: 'i32', values: 'i32', indices: 'i32', starts: 'i32', n: 'i32', m: 'i32', lanes: 'i32' }, (f, p) => {
    f.memoryFill(p.packed, 0, i32.shl(i32.mul(p.n, p.m), 2));
    /** Where result `result`'s weight of the chunk's first feature lies, and the floats from feature to feature. */
    const result = (name: string) => {
      const [column, width, group] = [f.i32(`${name} column`), f.i32(`${name} width`), f.i32(`${name} group`)];
      return {
        set: (number: I32, chunk: Pointer): void => {
          f.set(column, number);
          f.set(group, i32.mul(i32.div_u(column, R), R));
          f.set(width, i32.min_s(i32.sub(p.m, group), i32.const(R)));
          f.set(column, i32.add(p.packed, i32.shl(i32.add(i32.add(i32.mul(group, p.n), i32.mul(chunk, width)), i32.sub(column, group)), 2)));
        },
        place: (offset: I32): I32 => i32.add(column, i32.mul(featureBytes(offset), width)),
      };
    };
    const rows = f.i32('rows', i32.div_u(p.m, p.lanes));
    const results = [0, 1, 2, 3].map((r) => result(`result${r}`));
    const [offset, value] = [f.i32('offset'), f.i32('value', i32.add(p.values, i32.shl(i32.mul(i32.load(p.starts), p.lanes), 2)))];
    const over = (lanes: number): void =>
      overEntries(f, p, rows, (number, chunk) => results.slice(0, lanes).forEach((one, r) => one.set(i32.add(i32.mul(number, lanes), r), chunk)), (index) => {
        f.set(offset, index);
        results.slice(0, lanes).forEach((one, r) => f.storeF32(one.place(offset), f32.load(value, r * 4)));
        f.advance(value, lanes * 4);
      });
    f.if(i32.eq(p.lanes, 4), () => over(4), () => over(1));
  });
};

export const defineSparseMoves = (m: ModuleBuilder, shape: Shape): void => {
  defineSpread(m, shape);
  defineGathers(m);
  m.function('allFinite', { x: 'i32', count: 'i32' }, (f, p) => {
    // x − x is +0 for a finite x and NaN for any other: no bit of the union is 1 if all are finite.
    const [any, x] = [f.v128('any', v128.zero()), f.v128('x')];
    const see = (): void => f.set(any, v128.or(any, f32x4.sub(x, x)));
    f.while(i32.ge_s(p.count, 16), () => {
      for (let v = 0; v < 4; v++) {
        f.set(x, v128.load(p.x, v * 16));
        see();
      }
      f.advance(p.x, 64);
      f.set(p.count, i32.sub(p.count, 16));
    });
    f.while(positive(p.count), () => {
      f.set(x, v128.load32_zero(p.x));
      see();
      f.advance(p.x, 4);
      f.set(p.count, i32.sub(p.count, 1));
    });
    f.result(i32.eqz(v128.any_true(any)));
  }, { result: 'i32' });
};
