/**
 * Element types of safetensors files: their sizes, and which of them hold weights or masks.
 *
 * Weights are read from F32, F16 and BF16; masks and the places of sparse weights stand in U8, U16 and U32. The others are listed, so that any file can be inspected, and refused as weights.
 * Not here: rounding (tensor/half.ts).
 */

/** Bytes an element. */
export const dtypeBytes = {
  BOOL: 1, U8: 1, I8: 1, F8_E5M2: 1, F8_E4M3: 1,
  I16: 2, U16: 2, F16: 2, BF16: 2,
  I32: 4, U32: 4, F32: 4,
  F64: 8, I64: 8, U64: 8,
} as const;

export type StoredDtype = keyof typeof dtypeBytes;
/** The types that weights are read from and written in. */
export type WeightDtype = 'F32' | 'F16' | 'BF16';
/** The types that masks and places are written in, and their arrays. */
export interface IntegerArrays {
  readonly U8: Uint8Array;
  readonly U16: Uint16Array;
  readonly U32: Uint32Array;
}
export type IntegerDtype = keyof IntegerArrays;

export const isStoredDtype = (value: unknown): value is StoredDtype => typeof value === 'string' && Object.hasOwn(dtypeBytes, value);
export const isWeightDtype = (value: unknown): value is WeightDtype => value === 'F32' || value === 'F16' || value === 'BF16';
export const isIntegerDtype = (value: unknown): value is IntegerDtype => value === 'U8' || value === 'U16' || value === 'U32';

/** The product of sizes, or null beyond the exact integers. */
export const elementsOf = (shape: readonly number[]): number | null => {
  let product = 1;
  for (const size of shape) {
    product *= size;
    if (!Number.isSafeInteger(product)) return null;
  }
  return product;
};
