/**
 * Precision, as plain data: in which numbers weights travel and activations stand, and how the loss is scaled so that small gradients survive there.
 *
 *   master weights f32 ─rounded where they leave MemoryX─▶ wafers: products and sums in f32 ─rounded at layer boundaries─▶ …        gradients f32 ─▶ optimizer f32
 *
 * Which boundaries these are, how a number is rounded and how the scale moves: docs/numerics.md §15. Not here: rounding (kernels/, reference/), the scale of a run
 * (cluster/coordinator/loss-scaler.ts).
 */
import { InvalidConfig } from '../util/errors.js';

export type NumberType = 'float32' | 'bfloat16' | 'float16' | 'cbfloat16';

/** Exponent and mantissa bits of a type; like IEEE's: bias 2^(e−1) − 1, an exponent of all ones is infinity or NaN, one of zeros a subnormal number. */
export interface NumberFormat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bytes: number;
}

export const numberFormats: Readonly<Record<NumberType, NumberFormat>> = {
  float32: { exponentBits: 8, mantissaBits: 23, bytes: 4 },
  bfloat16: { exponentBits: 8, mantissaBits: 7, bytes: 2 },
  float16: { exponentBits: 5, mantissaBits: 10, bytes: 2 },
  cbfloat16: { exponentBits: 6, mantissaBits: 9, bytes: 2 },
};
export const numberTypes = Object.keys(numberFormats) as readonly NumberType[];

/** The rules of a loss scale; all scales are powers of two. `dynamic`: halved behind a step that overflows, doubled behind `growthInterval` clean ones, within min … max. */
export type LossScale =
  | { readonly kind: 'none' }
  | { readonly kind: 'fixed'; readonly scale: number }
  | { readonly kind: 'dynamic'; readonly initial: number; readonly max: number; readonly min: number; readonly growthInterval: number };

export interface Precision {
  /** What weights are rounded to where they leave MemoryX. */
  readonly weights: NumberType;
  /** What layers' outputs and deltas are rounded to: float32, or the type of the weights. */
  readonly activations: NumberType;
  readonly lossScale: LossScale;
  /** Weights are rounded up or down by chance, in proportion to what is lost; else to the nearest, ties to even. */
  readonly stochasticRounding: boolean;
}

/** Where a loss scale stands before a step: all that the next steps need to know. */
export interface ScalingState {
  readonly scale: number;
  /** Steps since the last overflow or the last doubling. */
  readonly cleanSteps: number;
  /** Updates that were made, and steps that were skipped for a gradient that is not finite. */
  readonly updates: number;
  readonly skipped: number;
}

export interface PrecisionOptions {
  readonly weights: NumberType;
  /** float32 unless given. */
  readonly activations?: NumberType;
  /** 'dynamic' unless given for float16 and cbfloat16, 'none' for the others; a number is a fixed scale, a power of two. */
  readonly lossScale?: 'dynamic' | 'none' | Partial<Omit<Extract<LossScale, { kind: 'dynamic' }>, 'kind'>> | number;
  /** false unless given. */
  readonly stochasticRounding?: boolean;
}

/** All f32, as a run without a precision has it. */
export const fullPrecision: Precision = { weights: 'float32', activations: 'float32', lossScale: { kind: 'none' }, stochasticRounding: false };

/** Scales beyond these would leave f32 together with a clipping factor or a batch. */
const exponentMax = 40;

/** A power of two by its exponent, or null. */
const exponentOf = (value: number): number | null => {
  for (let exponent = -exponentMax; exponent <= exponentMax; exponent++) if (value === 2 ** exponent) return exponent;
  return null;
};

const checkScale = (where: string, value: number): void => {
  if (exponentOf(value) === null) throw new InvalidConfig({ what: 'a loss scale', where, value, limit: `a power of two from 2^-${exponentMax} to 2^${exponentMax}` });
};

const checkType = (where: string, value: NumberType, choices: readonly NumberType[]): void => {
  if (!choices.includes(value)) throw new InvalidConfig({ what: 'a number type', where, value, limit: [...new Set(choices)].join(' or ') });
};

const growthIntervalMax = 2 ** 30;

/** @throws InvalidConfig */
export const checkPrecision = (p: Precision): void => {
  checkType('precision.weights', p.weights, numberTypes);
  checkType('precision.activations', p.activations, ['float32', p.weights]);
  if (typeof p.stochasticRounding !== 'boolean') throw new InvalidConfig({ what: 'stochastic rounding', where: 'precision.stochasticRounding', value: p.stochasticRounding, limit: 'true or false' });
  if (p.stochasticRounding && p.weights === 'float32') throw new InvalidConfig({ what: 'stochastic rounding of float32 weights', where: 'precision.stochasticRounding', hint: 'leave it out: nothing is rounded' });
  const { lossScale } = p;
  switch (lossScale.kind) {
    case 'none':
      return;
    case 'fixed':
      checkScale('precision.lossScale', lossScale.scale);
      return;
    case 'dynamic': {
      for (const name of ['initial', 'max', 'min'] as const) checkScale(`precision.lossScale.${name}`, lossScale[name]);
      const { initial, max, min, growthInterval } = lossScale;
      if (!(min <= initial && initial <= max)) throw new InvalidConfig({ what: 'the first loss scale', where: 'precision.lossScale.initial', value: initial, limit: `from min ${min} to max ${max}` });
      if (!Number.isInteger(growthInterval) || growthInterval < 1 || growthInterval > growthIntervalMax) throw new InvalidConfig({ what: 'clean steps before the loss scale grows', where: 'precision.lossScale.growthInterval', value: growthInterval, limit: `a whole number from 1 to ${growthIntervalMax}` });
      return;
    }
    default:
      lossScale satisfies never;
      throw new InvalidConfig({ what: 'precision.lossScale', value: lossScale, limit: "made by precision({ … })" });
  }
};

const lossScaleOf = (weights: NumberType, given: PrecisionOptions['lossScale']): LossScale => {
  const choice = given ?? (weights === 'float16' || weights === 'cbfloat16' ? 'dynamic' : 'none');
  if (choice === 'none') return { kind: 'none' };
  if (typeof choice === 'number') return { kind: 'fixed', scale: choice };
  if (choice !== 'dynamic' && (typeof choice !== 'object' || choice === null)) throw new InvalidConfig({ what: 'precision.lossScale', value: choice, limit: "'dynamic', 'none', a power of two, or { initial, max, min, growthInterval }" });
  const own = choice === 'dynamic' ? {} : choice, max = own.max ?? (weights === 'cbfloat16' ? 2 ** 31 : 2 ** 15);
  return { kind: 'dynamic', initial: own.initial ?? max, max, min: own.min ?? 2 ** -14, growthInterval: own.growthInterval ?? 2000 };
};

/**
 * The numbers of a training. Dynamic loss scaling starts at its maximum, 2^31 for cbfloat16 and 2^15 otherwise, halves behind every step with a gradient that is not finite
 * (its update is skipped), doubles behind 2,000 clean steps, and ends the run where 2^-14 is still too large.
 *
 * @throws InvalidConfig
 */
export const precision = (options: PrecisionOptions): Precision => {
  const { weights, activations = 'float32', stochasticRounding = false } = options;
  const made: Precision = { weights, activations, lossScale: lossScaleOf(weights, options.lossScale), stochasticRounding };
  checkPrecision(made);
  return made;
};
