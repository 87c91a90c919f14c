/** The verdict on two runs that must not differ in a bit. Not here: the reference (matches-reference.ts). */
import { AssertionError } from 'node:assert';
import { firstDifference, type NamedTensor } from '../index.js';

const hex = (value: number): string => {
  const cell = new DataView(new ArrayBuffer(4));
  cell.setFloat32(0, value);
  return `0x${cell.getUint32(0).toString(16).padStart(8, '0')}`;
};

/**
 * Every tensor of `a` equals that of `b` to the bit; every NaN counts as one.
 *
 * @throws AssertionError naming the first tensor and index that differ, both values and their bits
 */
export const assertSameBits = (a: readonly NamedTensor[], b: readonly NamedTensor[], what = 'the runs'): void => {
  const difference = firstDifference(a, b);
  if (difference === null) return;
  const { tensor, index, a: left, b: right } = difference;
  const message =
    index < 0
      ? `${what} differ in their tensors: ${tensor} has ${left} values here and ${right} there`
      : `${what} differ first in ${tensor}[${index}]: ${left} (${hex(left)}) and ${right} (${hex(right)})`;
  throw new AssertionError({ message, actual: left, expected: right, operator: 'sameBits' });
};
