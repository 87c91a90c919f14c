/**
 * Typed expressions: the instructions that leave a value, by their WebAssembly names.
 *
 *   f32x4.add(sum, f32x4.mul(x, w))  ─▶  { type: 'v128', code: bytes in evaluation order }
 *
 * Operands are evaluated left to right where they are written; to fix the order of loads and arithmetic, set locals one after another
 * (function.ts). A plain number where an i32 is wanted is a constant. Not here: statements, loops, stores (function.ts).
 */
import { float32, float64, int32, join, signed, unsigned, type Bytes } from './encode.js';

export type ValueType = 'i32' | 'f32' | 'f64' | 'v128';

export interface Expr<T extends ValueType> {
  readonly type: T;
  readonly code: Bytes;
}
export type I32 = Expr<'i32'>;
export type F32 = Expr<'f32'>;
export type F64 = Expr<'f64'>;
export type V128 = Expr<'v128'>;
/** An i32 operand: an expression, or a constant as a plain number. */
export type Int = I32 | number;

const expr = <T extends ValueType>(type: T, ...parts: readonly Bytes[]): Expr<T> => ({ type, code: join(...parts) });
const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

/** The code of an i32 operand. */
export const int = (value: Int): Bytes => (typeof value === 'number' ? [0x41, ...signed(value)] : value.code);
/** Alignment (log2 of bytes) and constant offset of a memory access. */
export const memarg = (align: number, offset: number): number[] => [...unsigned(align), ...unsigned(offset)];

const int2 = (opcode: number) => (a: Int, b: Int): I32 => expr('i32', int(a), int(b), [opcode]);
const f32to = <T extends ValueType>(type: T, opcode: number) => (a: F32, b: F32): Expr<T> => expr(type, a.code, b.code, [opcode]);
const f32x1 = (opcode: number) => (a: F32): F32 => expr('f32', a.code, [opcode]);
const lanes1 = (opcode: number) => (a: V128): V128 => expr('v128', a.code, simd(opcode));
const lanes2 = (opcode: number) => (a: V128, b: V128): V128 => expr('v128', a.code, b.code, simd(opcode));
const shift = (opcode: number) => (a: V128, by: Int): V128 => expr('v128', a.code, int(by), simd(opcode));
const loadLanes = (opcode: number, align: number) => (address: Int, offset = 0): V128 => expr('v128', int(address), simd(opcode), memarg(align, offset));

export const i32 = {
  const: (value: number): I32 => expr('i32', int(value)),
  load: (address: Int, offset = 0): I32 => expr('i32', int(address), [0x28, ...memarg(2, offset)]),
  /** Two bytes, unsigned. */
  load16_u: (address: Int, offset = 0): I32 => expr('i32', int(address), [0x2f, ...memarg(1, offset)]),
  eqz: (a: Int): I32 => expr('i32', int(a), [0x45]),
  eq: int2(0x46), ne: int2(0x47), lt_s: int2(0x48), lt_u: int2(0x49), gt_s: int2(0x4a), ge_s: int2(0x4e), ge_u: int2(0x4f),
  add: int2(0x6a), sub: int2(0x6b), mul: int2(0x6c), div_u: int2(0x6e), rem_u: int2(0x70),
  and: int2(0x71), or: int2(0x72), xor: int2(0x73), shl: int2(0x74), shr_u: int2(0x76),
  /** a < b ? a : b, signed. */
  min_s: (a: I32, b: I32): I32 => expr('i32', a.code, b.code, a.code, b.code, [0x48, 0x1b]),
};

export const f32 = {
  const: (value: number): F32 => expr('f32', [0x43], float32(value)),
  load: (address: Int, offset = 0): F32 => expr('f32', int(address), [0x2a, ...memarg(2, offset)]),
  add: f32to('f32', 0x92), sub: f32to('f32', 0x93), mul: f32to('f32', 0x94), div: f32to('f32', 0x95), sqrt: f32x1(0x91),
};

export const v128 = {
  load: loadLanes(0, 4),
  /** One f32 in all four lanes. */
  load32_splat: loadLanes(9, 2),
  /** One f32 in lane 0, +0 in the others. */
  load32_zero: loadLanes(0x5c, 2),
  zero: (): V128 => expr('v128', simd(12), Array<number>(16).fill(0)),
  and: lanes2(0x4e),
  /** a ∧ ¬b */
  andnot: lanes2(0x4f),
  or: lanes2(0x50), xor: lanes2(0x51),
  /** 1 if any bit is set. */
  any_true: (a: V128): I32 => expr('i32', a.code, simd(0x53)),
  /** Bits of `a` where `mask` is 1, of `b` where it is 0. */
  bitselect: (a: V128, b: V128, mask: V128): V128 => expr('v128', a.code, b.code, mask.code, simd(0x52)),
  /** Lanes 0 … 3 of a and 4 … 7 of b, in the given order. */
  shuffle32: (a: V128, b: V128, order: readonly [number, number, number, number]): V128 =>
    expr('v128', a.code, b.code, simd(13), order.flatMap((lane) => [lane * 4, lane * 4 + 1, lane * 4 + 2, lane * 4 + 3])),
};

export const i32x4 = {
  const: (value: number): V128 => expr('v128', simd(12), int32(value), int32(value), int32(value), int32(value)),
  lanes: (a: number, b: number, c: number, d: number): V128 => expr('v128', simd(12), int32(a), int32(b), int32(c), int32(d)),
  splat: (a: Int): V128 => expr('v128', int(a), simd(0x11)),
  eq: lanes2(0x37), lt_s: lanes2(0x39), gt_s: lanes2(0x3b), ge_s: lanes2(0x3f), ge_u: lanes2(0x40),
  shl: shift(0xab), shr_s: shift(0xac), shr_u: shift(0xad), add: lanes2(0xae), sub: lanes2(0xb1),
};

/** Two 64-bit lanes. */
export const i64x2 = {
  /** The products of lanes 0 and 1, 64 bits each, unsigned. */
  extmul_low_i32x4_u: lanes2(0xde),
  /** Those of lanes 2 and 3. */
  extmul_high_i32x4_u: lanes2(0xdf),
};

export const f32x4 = {
  const: (value: number): V128 => expr('v128', simd(12), float32(value), float32(value), float32(value), float32(value)),
  splat: (a: F32): V128 => expr('v128', a.code, simd(0x13)),
  eq: lanes2(0x41), ne: lanes2(0x42), lt: lanes2(0x43), gt: lanes2(0x44), ge: lanes2(0x46),
  floor: lanes1(0x68), abs: lanes1(0xe0), sqrt: lanes1(0xe3),
  add: lanes2(0xe4), sub: lanes2(0xe5), mul: lanes2(0xe6), div: lanes2(0xe7),
  /** NaN wins, +0 is above −0. */
  max: lanes2(0xe9),
  /** b < a ? b : a, so that a NaN in `a` stays. */
  pmin: lanes2(0xea),
  /** a < b ? b : a, so that a NaN in `a` stays. */
  pmax: lanes2(0xeb),
  convert_i32x4_s: lanes1(0xfa),
  /** Both lanes of an f64x2, rounded once, in lanes 0 and 1; +0 in the others. */
  demote_f64x2_zero: lanes1(0x5e),
};

export const f64x2 = {
  const: (value: number): V128 => expr('v128', simd(12), float64(value), float64(value)),
  splat: (a: F64): V128 => expr('v128', a.code, simd(0x14)),
  add: lanes2(0xf0), sub: lanes2(0xf1), mul: lanes2(0xf2),
  /** Lanes 0 and 1 of integers, exactly. */
  convert_low_i32x4_s: lanes1(0xfe),
};
