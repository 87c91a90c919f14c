/**
 * exp, log, tanh and erf on four lanes: the operations of ../functions.ts in the same order.
 *
 * Each takes a value and returns a local with the result; selections by masks stand where the scalar version branches.
 * Not here: constants and bounds (../functions.ts), loops over memory (activations.ts, softmax.ts).
 */
import { f32x4, i32x4, v128, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import { erfConstants, expConstants, logConstants, tanhConstants } from '../functions.js';

type Lanes = Local<'v128'>;
const { add, sub, mul, div } = f32x4;

const horner = (f: FunctionBuilder, p: readonly number[], x: Lanes): Lanes => {
  const sum = f.v128('polynomial', f.lanes(p[0]!));
  for (const c of p.slice(1)) f.set(sum, add(mul(sum, x), f.lanes(c)));
  return sum;
};

const powerOfTwo = (f: FunctionBuilder, k: V128): V128 => i32x4.shl(i32x4.add(k, f.lanesI32(127)), 23);

const expParts = (f: FunctionBuilder, x: Lanes): { readonly mantissa: Lanes; readonly k: Lanes } => {
  const c = expConstants;
  const magic = f.lanes(c.magic);
  const shifted = f.v128('shifted', add(mul(x, f.lanes(c.log2e)), magic));
  const k = f.v128('k', sub(shifted, magic));
  const r = f.v128('r', sub(sub(x, mul(k, f.lanes(c.ln2High))), mul(k, f.lanes(c.ln2Low))));
  const q = mul(mul(r, r), horner(f, c.p, r));
  return { mantissa: f.v128('mantissa', add(add(q, r), f.lanes(1))), k: f.v128('exponent', i32x4.sub(shifted, magic)) };
};

export const emitExp = (f: FunctionBuilder, value: V128): Lanes => {
  const c = expConstants;
  // A NaN passes both bounds and makes the mantissa NaN, whatever the exponent bits.
  const x = f.v128('x', f32x4.pmax(f32x4.pmin(value, f.lanes(c.max)), f.lanes(c.min)));
  const { mantissa, k } = expParts(f, x);
  const half = f.v128('half', i32x4.shr_s(k, 1));
  return f.v128('exp', mul(mul(mantissa, powerOfTwo(f, half)), powerOfTwo(f, i32x4.sub(k, half))));
};

export const emitTanh = (f: FunctionBuilder, value: V128): Lanes => {
  const c = tanhConstants;
  const x = f.v128('x', value);
  const a = f.v128('a', f32x4.abs(x));
  const z = f.v128('z', mul(a, a));
  const small = f.v128('small', add(mul(mul(horner(f, c.p, z), z), a), a));
  const clamped = f.v128('clamped', f32x4.pmin(a, f.lanes(c.max)));
  const doubled = f.v128('doubled', add(clamped, clamped));
  const { mantissa, k } = expParts(f, doubled);
  const one = f.lanes(1);
  const large = sub(one, div(f.lanes(2), add(mul(mantissa, powerOfTwo(f, k)), one)));
  const size = v128.bitselect(small, large, f32x4.lt(a, f.lanes(c.small)));
  return f.v128('tanh', v128.bitselect(x, size, f.lanesI32(0x80_00_00_00 | 0)));
};

export const emitErf = (f: FunctionBuilder, value: V128): Lanes => {
  const c = erfConstants;
  const x = f.v128('x', value);
  const a = f.v128('a', f32x4.abs(x));
  const z = f.v128('z', mul(a, a));
  const small = f.v128('small', add(mul(horner(f, c.p, z), a), a));
  const t = f.v128('t', sub(f32x4.pmin(a, f.lanes(c.max)), f.lanes(c.centre)));
  const root = horner(f, c.q, t);
  const square = f.v128('square', mul(root, root));
  const size = v128.bitselect(small, sub(f.lanes(1), mul(square, square)), f32x4.lt(a, f.lanes(c.small)));
  return f.v128('erf', v128.bitselect(x, size, f.lanesI32(0x80_00_00_00 | 0)));
};

export const emitLog = (f: FunctionBuilder, value: V128): Lanes => {
  const c = logConstants;
  const x = f.v128('x', value);
  const denormal = f.v128('denormal', f32x4.lt(x, f.lanes(c.smallestNormal)));
  const rootHalf = f.lanesI32(c.rootHalfBits);
  const lifted = v128.bitselect(mul(x, f.lanes(c.lift)), x, denormal);
  const bits = f.v128('bits', i32x4.sub(lifted, rootHalf));
  const k = f.v128('k', f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_s(bits, 23), v128.and(denormal, f.lanesI32(c.liftExponent)))));
  const m = f.v128('m', sub(i32x4.add(v128.and(bits, f.lanesI32(0x7f_ff_ff)), rootHalf), f.lanes(1)));
  const z = f.v128('z', mul(m, m));
  const y = f.v128('y', add(mul(mul(horner(f, c.p, m), m), z), mul(k, f.lanes(expConstants.ln2Low))));
  const low = f.v128('low', sub(y, mul(f.lanes(0.5), z)));
  const log = f.v128('log', add(add(m, low), mul(k, f.lanes(expConstants.ln2High))));
  // What is no positive number: 0, +∞, negative, NaN.
  const zero = f.lanes(0);
  f.set(log, v128.bitselect(f.lanes(-Infinity), log, f32x4.eq(x, zero)));
  f.set(log, v128.bitselect(x, log, f32x4.eq(x, f.lanes(Infinity))));
  return f.v128('result', v128.bitselect(log, f.lanes(NaN), f32x4.ge(x, zero)));
};
