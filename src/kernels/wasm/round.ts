/**
 * Rounding to narrow types, in place of f32 (docs/numerics.md §15): to nearest even, or up and down by chance.
 *
 *   above the subnormal range   bits of |x|: dropped ones d of `shift`          nearest: + half − 1 + (kept is odd);   by chance: up where word's high bits < d
 *   inside it                   multiples of one unit                            nearest: (|x| + 2^23 units) − 2^23 units;   by chance: ⌊|x| / unit⌋, up where word's < the rest
 *
 * What reaches 2^(exponent beyond the largest) is infinite; a NaN stays as it is. Which numbers a type has is a handful of constants, chosen once a call. Not here: the
 * keys of chance (util/prng.ts), where values are rounded (compiler/, cluster/memoryx/).
 */
import { f32x4, i32, i32x4, v128, type I32, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { roundKinds } from '../types.js';
import { overFloats, positive } from './build.js';
import { philox, roundKeys } from './dropout.js';

type Lanes = Local<'v128'>;

/** Mantissa bits, and the exponents of the smallest normal number and of the first power of two that is infinite. bf16 has the exponents of f32: it needs no subnormal range of its own. */
const types = [
  { kind: roundKinds.bfloat16, mantissa: 7, least: null, over: 128 },
  { kind: roundKinds.float16, mantissa: 10, least: -14, over: 16 },
  { kind: roundKinds.cbfloat16, mantissa: 9, least: -30, over: 32 },
] as const;

const infinity = 0x7f80_0000, magnitude = 0x7fff_ffff;
const wordOf = (exponent: number): number => (exponent + 127) << 23;

/** The type's constants in locals. */
class Type {
  /** Bits that go. */
  readonly shift: Local<'i32'>;
  readonly halfLess: Lanes;
  readonly keep: Lanes;
  readonly over: Lanes;
  readonly least: Lanes;
  /** One unit of the subnormal range, 1 ÷ it, and 2^23 of it. */
  readonly unit: Lanes;
  readonly perUnit: Lanes;
  readonly many: Lanes;

  constructor(f: FunctionBuilder, kind: I32) {
    this.shift = f.i32('shift');
    const lanes = (name: string): Lanes => f.v128(name);
    [this.halfLess, this.keep, this.over, this.least] = [lanes('halfLess'), lanes('keep'), lanes('over'), lanes('least')];
    [this.unit, this.perUnit, this.many] = [lanes('unit'), lanes('perUnit'), lanes('many')];
    for (const { kind: number, mantissa, least, over } of types) {
      const shift = 23 - mantissa, unit = least === null ? 0 : least - mantissa;
      f.if(i32.eq(kind, number), () => {
        f.set(this.shift, i32.const(shift));
        f.set(this.halfLess, i32x4.const((1 << (shift - 1)) - 1));
        f.set(this.keep, i32x4.const(-(1 << shift)));
        f.set(this.over, i32x4.const(wordOf(over)));
        f.set(this.least, i32x4.const(least === null ? 0 : wordOf(least)));
        f.set(this.unit, f32x4.const(2 ** unit));
        f.set(this.perUnit, f32x4.const(2 ** -unit));
        f.set(this.many, f32x4.const(2 ** (unit + 23)));
      });
    }
  }

  /** `normal` above the subnormal range and `small` inside it, both of |x|: overflow, NaN and sign. */
  finish(f: FunctionBuilder, x: Lanes, size: Lanes, normal: V128, small: V128): Lanes {
    const r = f.v128('rounded', normal), top = f.lanesI32(infinity);
    f.set(r, v128.bitselect(top, r, i32x4.ge_s(r, this.over)));
    f.set(r, v128.bitselect(small, r, i32x4.lt_s(size, this.least)));
    f.set(r, v128.bitselect(size, r, i32x4.gt_s(size, top)));
    return f.v128('signed', v128.bitselect(r, x, f.lanesI32(magnitude)));
  }
}

const defineNearest = (m: ModuleBuilder): void => {
  m.function('roundTo', { x: 'i32', count: 'i32', kind: 'i32' }, (f, p) => {
    const type = new Type(f, p.kind);
    overFloats(f, [p.x], p.count, (load, store) => {
      const x = f.v128('x', load(p.x)), size = f.v128('size', v128.and(x, f.lanesI32(magnitude)));
      const isOdd = v128.and(i32x4.shr_u(size, type.shift), f.lanesI32(1));
      const normal = v128.and(i32x4.add(i32x4.add(size, type.halfLess), isOdd), type.keep);
      store(p.x, type.finish(f, x, size, normal, f32x4.sub(f32x4.add(size, type.many), type.many)));
    });
  });
};

/** Four values with their indices. */
const byChance = (f: FunctionBuilder, type: Type, keys: readonly Lanes[], x: Lanes, index: V128, key1: Lanes, draw: Lanes): Lanes => {
  const x0 = f.v128('x0', v128.xor(index, key1)), x1 = f.v128('x1', draw);
  philox(f, [{ x0, x1 }], keys);
  const size = f.v128('size', v128.and(x, f.lanesI32(magnitude)));
  const kept = f.v128('kept', v128.and(size, type.keep)), dropped = v128.andnot(size, type.keep);
  const high = i32x4.shr_u(x0, i32.sub(32, type.shift));
  const step = i32x4.shl(f.lanesI32(1), type.shift);
  const normal = i32x4.add(kept, v128.and(i32x4.lt_s(high, dropped), step));
  const units = f.v128('units', f32x4.mul(size, type.perUnit)), whole = f.v128('whole', f32x4.floor(units));
  const chance = f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(x0, 8)), f.lanes(2 ** -24));
  const up = v128.and(f32x4.lt(chance, f32x4.sub(units, whole)), f.lanes(1));
  return type.finish(f, x, size, normal, f32x4.mul(f32x4.add(whole, up), type.unit));
};

const defineByChance = (m: ModuleBuilder): void => {
  m.function('roundByChance', {
    dst: 'i32', dstStride: 'i32', src: 'i32', srcStride: 'i32', rows: 'i32', cols: 'i32', first: 'i32', draw: 'i32', key0: 'i32', key1: 'i32', kind: 'i32',
  }, (f, p) => {
    const type = new Type(f, p.kind), keys = roundKeys(f, p.key0), key1 = f.v128('key1 lanes', i32x4.splat(p.key1)), draw = f.v128('draw lanes', i32x4.splat(p.draw));
    const [from, to, count, index] = [f.i32('from'), f.i32('to'), f.i32('count'), f.v128('index')];
    f.while(positive(p.rows), () => {
      f.set(from, p.src);
      f.set(to, p.dst);
      f.set(count, p.cols);
      f.set(index, i32x4.add(i32x4.lanes(0, 1, 2, 3), i32x4.splat(p.first)));
      f.while(i32.ge_s(count, 4), () => {
        f.store(to, byChance(f, type, keys, f.v128('x', v128.load(from)), index, key1, draw));
        f.set(index, i32x4.add(index, f.lanesI32(4)));
        f.advance(from, 16);
        f.advance(to, 16);
        f.set(count, i32.sub(count, 4));
      });
      f.while(positive(count), () => {
        f.storeLane(to, byChance(f, type, keys, f.v128('x', v128.load32_zero(from)), index, key1, draw), 0);
        f.set(index, i32x4.add(index, f.lanesI32(1)));
        f.advance(from, 4);
        f.advance(to, 4);
        f.set(count, i32.sub(count, 1));
      });
      f.advance(p.src, p.srcStride);
      f.advance(p.dst, p.dstStride);
      f.advance(p.first, i32.shr_u(p.srcStride, 2));
      f.set(p.rows, i32.sub(p.rows, 1));
    });
  });
  m.function('roundListed', { x: 'i32', index: 'i32', count: 'i32', draw: 'i32', key0: 'i32', key1: 'i32', kind: 'i32' }, (f, p) => {
    const type = new Type(f, p.kind), keys = roundKeys(f, p.key0), key1 = f.v128('key1 lanes', i32x4.splat(p.key1)), draw = f.v128('draw lanes', i32x4.splat(p.draw));
    overFloats(f, [p.x, p.index], p.count, (load, store) => store(p.x, byChance(f, type, keys, f.v128('x', load(p.x)), f.v128('listed', load(p.index)), key1, draw)));
  });
};

export const defineRound = (m: ModuleBuilder): void => {
  defineNearest(m);
  defineByChance(m);
};
