/** Arbitrary precisions: narrow types, rounded activations or f32 ones, rounding by chance, every kind of loss scale. Not here: what is trained (training.ts). */
import fc from 'fast-check';
import { precision, type Precision } from '../index.js';

/** What `aPrecision` may draw. */
export interface PrecisionChoices {
  /** Scales so large that some steps overflow and are skipped; true unless given. */
  readonly overflows?: boolean;
}

/** Any narrow precision. Loss scales are small powers of two, the usual ones, and now and then such that the first steps overflow. */
export const aPrecision = ({ overflows = true }: PrecisionChoices = {}): fc.Arbitrary<Precision> =>
  fc
    .record({
      weights: fc.constantFrom('bfloat16' as const, 'float16' as const, 'cbfloat16' as const),
      narrow: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
      stochasticRounding: fc.boolean(),
      scale: fc.constantFrom('usual' as const, 'none' as const, 'dynamic' as const, 'fixed' as const, 'growing' as const, ...(overflows ? (['high'] as const) : [])),
      exponent: fc.integer({ min: -3, max: 10 }),
    })
    .map(({ weights, narrow, stochasticRounding, scale, exponent }) => {
      // bfloat16 has the exponents of f32: nothing overflows there.
      const highest = 2 ** (weights === 'float16' ? 30 : 40);
      const lossScale = { usual: undefined, none: 'none', dynamic: 'dynamic', fixed: 2 ** exponent, growing: { initial: 2 ** exponent, growthInterval: 1 }, high: { initial: highest, max: highest, growthInterval: 2 } } as const;
      const chosen = lossScale[scale];
      return precision({ weights, activations: narrow ? weights : 'float32', stochasticRounding, ...(chosen === undefined ? {} : { lossScale: chosen }) });
    });
