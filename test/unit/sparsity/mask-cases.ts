/** Drawn sparse parameters with weights and gradients full of ties, zeros, infinities and NaN of several payloads: for tests of masks. */
import fc from 'fast-check';
import type { MaskBalance, MaskPattern, SparseParameter, SparsityAlgorithm } from '../../../src/model/sparsity.js';
import { randomUnit, randomWord } from '../../../src/util/prng.js';

export interface MaskCase {
  readonly plan: SparseParameter;
  readonly seed: number;
  readonly sparsity: number;
  /** Numbers of the updates after the first mask. */
  readonly later: readonly { readonly sparsity: number; readonly dropFraction: number }[];
  readonly values: ValueKind;
}

/** 'ties': few values; 'wild': all bit patterns. */
export type ValueKind = 'plain' | 'ties' | 'wild';

/** Values by counter: weights of step 0, gradients of later ones. */
export const valuesOf = (size: number, kind: ValueKind, seed: number, step: number): Float32Array => {
  const bits = Uint32Array.from({ length: size }, (_, i) => randomWord(seed, 6, i, step));
  if (kind === 'wild') return new Float32Array(bits.buffer);
  return Float32Array.from(bits, (word, i) => (kind === 'ties' ? [0, -0, 1, -1, 1, 2, NaN, 1e-45][word % 8] ?? 0 : 2 * randomUnit(seed, 6, i, step) - 1));
};

const aShare = (): fc.Arbitrary<number> => fc.oneof({ weight: 1, arbitrary: fc.constantFrom(0, 1, 0.5) }, { weight: 4, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) });

const divisors = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);

/** A balance that fits: groups of outputs hold whole blocks. */
const aBalance = (inputs: number, columns: number): fc.Arbitrary<MaskBalance | null> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(...divisors(inputs)).map((groups) => ({ axis: 'inputs' as const, groups })) },
    { weight: 1, arbitrary: fc.constantFrom(...divisors(columns)).map((groups) => ({ axis: 'outputs' as const, groups })) },
  );

const aPlan = (): fc.Arbitrary<SparseParameter> =>
  fc.record({ rows: fc.integer({ min: 1, max: 14 }), columns: fc.integer({ min: 1, max: 12 }), kind: fc.constantFrom('unstructured', 'blocks', 'n:m'), n: fc.integer({ min: 1, max: 4 }), rest: fc.integer({ min: 0, max: 3 }), parameter: fc.nat({ max: 9 }) })
    .chain(({ rows, columns, kind, n, rest, parameter }) => {
      const m = Math.max(2, n + rest), inputs = kind === 'n:m' ? rows * m : rows, outputs = kind === 'blocks' ? 4 * columns : columns;
      const pattern: MaskPattern = kind === 'n:m' ? { n, m } : kind === 'blocks' ? 'blocks' : 'unstructured';
      const algorithms: readonly SparsityAlgorithm[] = kind === 'n:m' ? ['gmp'] : ['gmp', 'set', 'rigl'];
      return fc.record({
        parameter: fc.constant(parameter), inputs: fc.constant(inputs), outputs: fc.constant(outputs), pattern: fc.constant(pattern),
        algorithm: fc.constantFrom(...algorithms), balance: kind === 'n:m' ? fc.constant(null) : aBalance(inputs, columns), updates: fc.constant([]), storedMax: fc.constant(inputs * outputs),
      });
    });

export const aMaskCase = (): fc.Arbitrary<MaskCase> =>
  fc.record({
    plan: aPlan(), seed: fc.maxSafeNat(), sparsity: aShare(), later: fc.array(fc.record({ sparsity: aShare(), dropFraction: aShare() }), { minLength: 1, maxLength: 4 }),
    values: fc.constantFrom<ValueKind>('plain', 'ties', 'wild'),
  });
