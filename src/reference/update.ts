/**
 * The oracle's optimizer step: new weight and moments with bounds, given the bits before the step and the cluster's own gradient.
 *
 * Formulas after docs/numerics.md §6 and PyTorch; scalars are f64 here and rounded once to f32 there, so each carries its rounding error.
 * The learning rate is computed with the engine's cosine, not with the project's polynomial.
 * Not here: gradients (step.ts).
 */
import { momentsOf, type Optimizer } from '../model/optimizer.js';
import type { Schedule } from '../model/schedule.js';
import { InvalidConfig } from '../util/errors.js';
import { type Bounded, bounded, growth, productError, roundedError, tiny, unit, type Values } from './bounded.js';
import type { ReferenceClip } from './clip.js';

export interface OptimizerState {
  readonly weight: Values;
  /** SGD with momentum: [v]. Adam and AdamW: [m, v]. Zeros before the first step. */
  readonly moments: readonly Values[];
}

export interface ReferenceUpdate {
  readonly weight: Bounded;
  readonly moments: readonly Bounded[];
}

/** The schedule's value at a step (from 0) by the plain formulas. */
export const learningRateAt = (schedule: Schedule, step: number): number => {
  switch (schedule.kind) {
    case 'constant':
      return schedule.value;
    case 'linearWarmup':
      return step < schedule.warmupSteps ? (learningRateAt(schedule.after, 0) * (step + 1)) / schedule.warmupSteps : learningRateAt(schedule.after, step);
    case 'linear':
    case 'cosine': {
      const { peak, end, startStep, totalSteps } = schedule;
      const progress = Math.min(1, Math.max(0, (step - startStep) / (totalSteps - startStep)));
      return end + (peak - end) * (schedule.kind === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress)));
    }
  }
};

/** Largest rate that a schedule can take: the scale of its polynomial's error. */
const peakOf = (schedule: Schedule): number => (schedule.kind === 'constant' ? schedule.value : schedule.kind === 'linearWarmup' ? peakOf(schedule.after) : Math.max(schedule.peak, schedule.end));

/** A scalar and the distance that its f32 form may keep from it. `slack`: absolute error of the f64 computation before it. */
interface Scalar {
  readonly v: number;
  readonly e: number;
}
const given = (v: number): Scalar => ({ v, e: Math.abs(Math.fround(v) - v) });
const computed = (v: number, slack: number): Scalar => ({ v, e: unit * (Math.abs(v) + slack) + tiny + slack });

const rate = (optimizer: Optimizer, step: number): Scalar => computed(learningRateAt(optimizer.learningRate, step), optimizer.learningRate.kind === 'constant' ? 0 : 1e-12 * peakOf(optimizer.learningRate));

/** Error of fl(g · c); a factor of exactly 1 changes nothing. */
const clipError = (g: number, clip: Scalar): number => (clip.v === 1 && clip.e === 0 ? 0 : productError(g, 0, clip.v, clip.e));

const updateSgd = (optimizer: Optimizer & { readonly kind: 'sgd' }, step: number, state: OptimizerState, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const count = gradient.length;
  const lr = rate(optimizer, step), momentum = given(optimizer.momentum), rest = given(1 - optimizer.dampening), decay = given(optimizer.weightDecay);
  const weight = bounded(count), moment = optimizer.momentum === 0 ? null : bounded(count);
  const before = state.moments[0];
  const grown = growth(8);
  for (let i = 0; i < count; i++) {
    const w = state.weight[i] as number;
    let g = (gradient[i] as number) * clip.v, gError = clipError(gradient[i] as number, clip);
    if (decay.v !== 0) {
      const error = gError + productError(decay.v, decay.e, w, 0);
      g += decay.v * w;
      gError = roundedError(g, error);
    }
    let d = g, dError = gError;
    if (moment !== null && before !== undefined) {
      let v = g, vError = gError;
      if (updates > 0) {
        const old = before[i] as number;
        v = momentum.v * old + rest.v * g;
        vError = roundedError(v, productError(momentum.v, momentum.e, old, 0) + (optimizer.dampening === 0 ? gError : productError(rest.v, rest.e, g, gError)));
      }
      moment.value[i] = v;
      moment.bound[i] = vError * grown;
      if (optimizer.nesterov) {
        d = g + momentum.v * v;
        dError = roundedError(d, gError + productError(momentum.v, momentum.e, v, vError));
      } else {
        d = v;
        dError = vError;
      }
    }
    const next = w - lr.v * d;
    weight.value[i] = next;
    weight.bound[i] = roundedError(next, productError(lr.v, lr.e, d, dError)) * grown;
  }
  return { weight, moments: moment === null ? [] : [moment] };
};

/** 1 − β^t with the error of β^t by repeated multiplication. */
const biasCorrection = (beta: number, t: number): { readonly v: number; readonly slack: number } => ({ v: 1 - beta ** t, slack: t * 2 ** -52 });

const updateAdam = (optimizer: Optimizer & { readonly kind: 'adam' | 'adamW' }, step: number, state: OptimizerState, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const count = gradient.length;
  const { beta1, beta2, epsilon, weightDecay } = optimizer;
  const b1 = given(beta1), rest1 = given(1 - beta1), b2 = given(beta2), rest2 = given(1 - beta2), eps = given(epsilon), l2 = given(weightDecay);
  const lr = rate(optimizer, step), lrSlack = lr.e - unit * lr.v;
  const c1 = biasCorrection(beta1, updates + 1), c2 = biasCorrection(beta2, updates + 1);
  const stepSize = computed(lr.v / c1.v, (lrSlack + (lr.v / c1.v) * c1.slack) / c1.v);
  const root = computed(Math.sqrt(c2.v), c2.slack / Math.sqrt(c2.v));
  const decay = computed(1 - lr.v * weightDecay, lrSlack * weightDecay);
  const coupled = optimizer.kind === 'adam' && weightDecay !== 0, decoupled = optimizer.kind === 'adamW';
  const weight = bounded(count), first = bounded(count), second = bounded(count);
  const [mBefore, vBefore] = state.moments;
  const grown = growth(16);
  for (let i = 0; i < count; i++) {
    const w = state.weight[i] as number, mOld = mBefore?.[i] ?? 0, vOld = vBefore?.[i] ?? 0;
    let g = (gradient[i] as number) * clip.v, gError = clipError(gradient[i] as number, clip);
    if (coupled) {
      const error = gError + productError(l2.v, l2.e, w, 0);
      g += l2.v * w;
      gError = roundedError(g, error);
    }
    const m = b1.v * mOld + rest1.v * g;
    const mError = roundedError(m, productError(b1.v, b1.e, mOld, 0) + productError(rest1.v, rest1.e, g, gError));
    const scaled = rest2.v * g, scaledError = productError(rest2.v, rest2.e, g, gError);
    const v = b2.v * vOld + scaled * g;
    const vError = roundedError(v, productError(b2.v, b2.e, vOld, 0) + productError(scaled, scaledError, g, gError));
    first.value[i] = m;
    first.bound[i] = mError * grown;
    second.value[i] = v;
    second.bound[i] = vError * grown;

    const rootV = Math.sqrt(v);
    const rootCarried = vError === 0 ? 0 : Math.min(Math.sqrt(vError), vError / rootV);
    const rootError = rootCarried + unit * (rootV + rootCarried);
    const scale = rootV / root.v;
    const scaleCarried = (rootError + scale * root.e) / (root.v - root.e);
    const scaleError = scaleCarried + unit * (scale + scaleCarried) + (scale === 0 && scaleCarried === 0 ? 0 : tiny);
    const divisor = scale + eps.v;
    const divisorError = roundedError(divisor, scaleError + eps.e);
    const ratio = m / divisor;
    const ratioCarried = divisor > divisorError ? (mError + Math.abs(ratio) * divisorError) / (divisor - divisorError) : Infinity;
    const ratioError = ratioCarried + unit * (Math.abs(ratio) + ratioCarried) + (ratio === 0 && ratioCarried === 0 ? 0 : tiny);

    const base = decoupled ? decay.v * w : w;
    const baseError = decoupled ? productError(decay.v, decay.e, w, 0) : 0;
    const next = base - stepSize.v * ratio;
    weight.value[i] = next;
    weight.bound[i] = roundedError(next, baseError + productError(stepSize.v, stepSize.e, ratio, ratioError)) * grown;
  }
  return { weight, moments: [first, second] };
};

/**
 * One optimizer step on one parameter, whose groups are resolved; `stepIndex` counts from 0, `clip` is the factor of the step's clipping (clip.ts), 1 unless given; `updates` were made before, one each step unless given.
 *
 * @throws InvalidConfig if lengths or the number of moments do not fit, or groups are left.
 */
export const referenceUpdate = (optimizer: Optimizer, stepIndex: number, state: OptimizerState, gradient: Values, clip?: ReferenceClip, updates = stepIndex): ReferenceUpdate => {
  if (optimizer.groups !== undefined && optimizer.groups.length > 0) throw new InvalidConfig({ what: 'an optimizer with groups for one parameter', where: 'optimizer.groups', hint: 'resolve it with optimizerFor(optimizer, parameter)' });
  const wanted = momentsOf(optimizer);
  if (state.moments.length !== wanted) throw new InvalidConfig({ what: `moments of ${optimizer.kind}`, value: state.moments.length, limit: wanted });
  for (const tensor of [gradient, ...state.moments]) {
    if (tensor.length !== state.weight.length) throw new InvalidConfig({ what: 'values of a gradient or moment', value: tensor.length, limit: state.weight.length });
  }
  const factor: Scalar = { v: clip?.factor.value[0] ?? 1, e: clip?.factor.bound[0] ?? 0 };
  return optimizer.kind === 'sgd' ? updateSgd(optimizer, stepIndex, state, gradient, factor, updates) : updateAdam({ ...optimizer, kind: optimizer.kind }, stepIndex, state, gradient, factor, updates);
};
