/**
 * Sixteen-bit floats: bf16 and f16 as bits in a Uint16Array, to and from f32, array by array.
 *
 *   f32 ──round to nearest, ties to even──▶ bits      beyond the largest finite value: infinity; below half the smallest: a zero of the same sign
 *   bits ──────────── exact ──────────────▶ f32
 *
 * A NaN keeps its sign and the upper bits of its payload, so that all 65,536 bit patterns survive the way to f32 and back. Only integer
 * operations touch the values: no engine may change the bits of a NaN on the way.
 * Not here: files (formats/safetensors/), numerics of kernels (docs/numerics.md).
 */
import { assert } from '../util/errors.js';

const wordsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Exponent bits of f32; above them only NaNs. */
const infinity32 = 0x7f80_0000;

const toBf16 = (word: number): number => {
  const upper = word >>> 16;
  if ((word & 0x7fff_ffff) > infinity32) return (upper & 0x7f) === 0 ? upper | 0x40 : upper;
  // Half a unit less one, plus one where the kept part is odd: ties go to even, and a carry walks into the exponent.
  return (word + 0x7fff + (upper & 1)) >>> 16;
};

const toF16 = (word: number): number => {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fff_ffff;
  if (magnitude > infinity32) {
    const payload = (magnitude >>> 13) & 0x3ff;
    return sign | 0x7c00 | (payload === 0 ? 0x200 : payload);
  }
  // 65,520 lies halfway between the largest finite value and the first power of two beyond: ties to even go to infinity.
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  // From 2^−14: the exponent is shifted by 127 − 15, then 13 bits go.
  if (magnitude >= 0x3880_0000) {
    const shifted = magnitude - 0x3800_0000;
    return sign | ((shifted + 0xfff + ((shifted >>> 13) & 1)) >>> 13);
  }
  // Below: whole units of 2^−24. Less than half a unit is zero.
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign;
  const mantissa = (magnitude & 0x7f_ffff) | 0x80_0000;
  const shift = 126 - exponent;
  const kept = mantissa >>> shift;
  const lost = mantissa & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return sign | (kept + (lost > tie || (lost === tie && (kept & 1) === 1) ? 1 : 0));
};

const fromF16 = (half: number): number => {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | infinity32 | (mantissa << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
};

const sameLength = (a: ArrayLike<number>, b: ArrayLike<number>): void => assert(a.length === b.length, `a conversion of ${a.length} values into room for ${b.length}`);

/** bits (n) ← values (n), rounded to nearest even. */
export const f32ToBf16 = (values: Float32Array, bits: Uint16Array): void => {
  sameLength(values, bits);
  const words = wordsOf(values);
  for (let i = 0; i < words.length; i++) bits[i] = toBf16(words[i]!);
};

/** values (n) ← bits (n), exact. */
export const bf16ToF32 = (bits: Uint16Array, values: Float32Array): void => {
  sameLength(bits, values);
  const words = wordsOf(values);
  for (let i = 0; i < words.length; i++) words[i] = bits[i]! << 16;
};

/** bits (n) ← values (n), rounded to nearest even. */
export const f32ToF16 = (values: Float32Array, bits: Uint16Array): void => {
  sameLength(values, bits);
  const words = wordsOf(values);
  for (let i = 0; i < words.length; i++) bits[i] = toF16(words[i]!);
};

/** values (n) ← bits (n), exact. */
export const f16ToF32 = (bits: Uint16Array, values: Float32Array): void => {
  sameLength(bits, values);
  const words = wordsOf(values);
  for (let i = 0; i < words.length; i++) words[i] = fromF16(bits[i]!);
};
