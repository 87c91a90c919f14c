/**
 * Rotary positions on one panel, in place (docs/numerics.md §11).
 *
 *   x[i], x[i+h]  ─▶  x[i] · cos − x[i+h] · sin,  x[i+h] · cos + x[i] · sin        h = headSize / 2; the delta turns back: −sin
 *
 * The tables are [place][h] and tokens are lanes: blocks of four places × four pairs are transposed, and each serves four heads before the next is read: more
 * would lie in the same few places of the nearest cache, for heads of 32, 64 or 128 features are powers of two apart. The last one to three pairs are gathered float by float. Not here: the tables (model/rotary.ts).
 */
import { f32x4, i32, i32x4, v128, type V128 } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { panelRowBytes } from '../types.js';
import { positive, transpose4 } from './build.js';

const { add, sub, mul } = f32x4;
type Pointer = Local<'i32'>;

/** One float behind each of four pointers, one a lane. */
const gather = (f: FunctionBuilder, places: readonly Pointer[]): V128 => {
  const [a, b, c, d] = places.map((place, t) => f.v128(`place${t}`, v128.load32_zero(place))) as unknown as readonly [V128, V128, V128, V128];
  return v128.shuffle32(v128.shuffle32(a, b, [0, 4, 1, 5]), v128.shuffle32(c, d, [0, 4, 1, 5]), [0, 1, 4, 5]);
};

const headsAtOnce = 4;
const params = { x: 'i32', heads: 'i32', headSize: 'i32', cos: 'i32', sin: 'i32', direction: 'i32' } as const;

export const defineRotary = (m: ModuleBuilder): void => {
  const some = turnHeads(m);
  m.function('rotary', params, (f, p) => {
    const count = f.i32('count');
    f.while(positive(p.heads), () => {
      f.set(count, i32.min_s(p.heads, i32.const(headsAtOnce)));
      f.call(some, p.x, count, p.headSize, p.cos, p.sin, p.direction);
      f.advance(p.x, i32.mul(i32.mul(count, p.headSize), panelRowBytes));
      f.set(p.heads, i32.sub(p.heads, count));
    });
  });
};

/** At least one head. */
const turnHeads = (m: ModuleBuilder): Callee =>
  m.function('rotaryHeads', params, (f, p) => {
    const half = f.i32('half', i32.shr_u(p.headSize, 1));
    const [rowBytes, halfBytes, headBytes] = [f.i32('rowBytes', i32.shl(half, 2)), f.i32('halfBytes', i32.mul(half, panelRowBytes)), f.i32('headBytes', i32.mul(p.headSize, panelRowBytes))];
    // Turning back negates the sine: the sign bit of the direction.
    const sign = f.v128('sign', v128.and(i32x4.splat(p.direction), f.lanesI32(0x80_00_00_00 | 0)));
    const [offset, left, low, high] = [f.i32('offset'), f.i32('left'), f.i32('low'), f.i32('high')];
    const cosPlaces = [0, 1, 2, 3].map((t) => f.i32(`cosPlace${t}`)), sinPlaces = [0, 1, 2, 3].map((t) => f.i32(`sinPlace${t}`));

    /** `pairs` pairs of all heads, the panel at p.x and the tables at p.cos and p.sin, then on to the next. */
    const turn = (pairs: number): void => {
      for (const [places, table] of [[cosPlaces, p.cos], [sinPlaces, p.sin]] as const) {
        f.set(places[0]!, table);
        for (const t of [1, 2, 3]) f.set(places[t]!, i32.add(places[t - 1]!, rowBytes));
      }
      f.for(offset, 0, panelRowBytes, 16, () => {
        const columns = (places: readonly Pointer[], name: string): readonly V128[] => {
          if (pairs === 1) return [gather(f, places)];
          const rows = places.map((place, t) => f.v128(`${name} row${t}`, v128.load(place)));
          return transpose4(f, rows as unknown as readonly [V128, V128, V128, V128], name);
        };
        const cos = columns(cosPlaces, 'cos').map((column, i) => f.v128(`cos${i}`, column));
        const sin = columns(sinPlaces, 'sin').map((column, i) => f.v128(`sin${i}`, v128.xor(column, sign)));
        f.set(low, i32.add(p.x, offset));
        f.set(left, p.heads);
        f.doWhile(() => {
          f.set(high, i32.add(low, halfBytes));
          cos.forEach((c, i) => {
            const at = i * panelRowBytes, s = sin[i]!;
            const a = f.v128('a', v128.load(low, at)), b = f.v128('b', v128.load(high, at));
            f.store(low, sub(mul(a, c), mul(b, s)), at);
            f.store(high, add(mul(b, c), mul(a, s)), at);
          });
          f.advance(low, headBytes);
          f.set(left, i32.sub(left, 1));
        }, left);
        for (const place of [...cosPlaces, ...sinPlaces]) f.advance(place, i32.shl(rowBytes, 2));
      });
      f.advance(p.x, pairs * panelRowBytes);
      for (const table of [p.cos, p.sin]) f.advance(table, pairs * 4);
      f.set(half, i32.sub(half, pairs));
    };
    f.while(i32.ge_s(half, 4), () => turn(4));
    f.while(half, () => turn(1));
  }, { export: false });
