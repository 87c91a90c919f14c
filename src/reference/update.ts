/**
 * The oracle's optimizer step: new weight and moments with bounds, given the bits before the step and the cluster's own gradient.
 *
 * Formulas after docs/numerics.md §6 and PyTorch; scalars are f64 here and rounded once to f32 there, so each carries its rounding error.
 * Not here: scalars (scalars.ts), RMSprop, Lion, Lamb (update-adaptive.ts), Adafactor (update-adafactor.ts), gradients (step.ts).
 */
import { momentSizes } from '../model/moments.js';
import type { Optimizer, OptimizerOf } from '../model/optimizer.js';
import { InvalidConfig } from '../util/errors.js';
import { bounded, growth, productError, roundedError, tiny, unit, type Values } from './bounded.js';
import type { ReferenceClip } from './clip.js';
import { biasCorrection, computed, given, type OptimizerState, rate, type ReferenceUpdate, type Scalar } from './scalars.js';
import { updateLamb, updateLion, updateRmsProp } from './update-adaptive.js';
import { updateAdafactor } from './update-adafactor.js';

/** Error of fl(g · c); a factor of exactly 1 changes nothing. */
const clipError = (g: number, clip: Scalar): number => (clip.v === 1 && clip.e === 0 ? 0 : productError(g, 0, clip.v, clip.e));

const updateSgd = (optimizer: OptimizerOf<'sgd'>, step: number, state: OptimizerState, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const count = gradient.length;
  const lr = rate(optimizer, step, updates), momentum = given(optimizer.momentum), rest = given(1 - optimizer.dampening), decay = given(optimizer.weightDecay);
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

const updateAdam = (optimizer: OptimizerOf<'adam' | 'adamW'>, step: number, state: OptimizerState, gradient: Values, clip: Scalar, updates: number): ReferenceUpdate => {
  const count = gradient.length;
  const { beta1, beta2, epsilon, weightDecay } = optimizer;
  const b1 = given(beta1), rest1 = given(1 - beta1), b2 = given(beta2), rest2 = given(1 - beta2), eps = given(epsilon), l2 = given(weightDecay);
  const lr = rate(optimizer, step, updates), lrSlack = lr.e - unit * lr.v;
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
  const shape = state.shape ?? [state.weight.length], wanted = momentSizes(optimizer, { shape }), given = [gradient.length, shape.reduce((product, n) => product * n, 1), ...state.moments.map(({ length }) => length)];
  if (state.moments.length !== wanted.length) throw new InvalidConfig({ what: `moments of ${optimizer.kind}`, value: state.moments.length, limit: wanted.length });
  [state.weight.length, state.weight.length, ...wanted].forEach((limit, i) => {
    if (given[i] !== limit) throw new InvalidConfig({ what: 'values of a gradient, a shape or a moment', value: given[i], limit });
  });
  const factor: Scalar = { v: clip?.factor.value[0] ?? 1, e: clip?.factor.bound[0] ?? 0 };
  switch (optimizer.kind) {
    case 'sgd':
      return updateSgd(optimizer, stepIndex, state, gradient, factor, updates);
    case 'rmsProp':
      return updateRmsProp(optimizer, stepIndex, state, gradient, factor, updates);
    case 'lion':
      return updateLion(optimizer, stepIndex, state, gradient, factor, updates);
    case 'lamb':
      return updateLamb({ ...optimizer, kind: optimizer.kind }, stepIndex, state, gradient, factor, updates);
    case 'adafactor':
      return updateAdafactor(optimizer, stepIndex, { ...state, shape }, gradient, factor, updates);
    default:
      return updateAdam({ ...optimizer, kind: optimizer.kind }, stepIndex, state, gradient, factor, updates);
  }
};
