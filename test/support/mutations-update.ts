/**
 * The optimizers' witness and its planted faults: docs/numerics.md §6 in scalar fp32, every operation rounded, scalars rounded once.
 * Not here: gradients (mutations.ts).
 */
import { followedUpdate } from '../../src/emulator/followed.js';
import type { Optimizer } from '../../src/model/optimizer.js';
import { valueAt } from '../../src/model/schedule.js';
import { bfloat16 } from './mutations.js';

export type UpdateFault =
  | 'noBiasCorrection'
  | 'stepCountedTwice'
  | 'epsilonInsideRoot'
  | 'decayForgotten'
  | 'decayCoupledInstead'
  | 'momentsSwapped'
  | 'nesterovForgotten'
  | 'firstStepDampened'
  | 'flippedSign'
  | 'bfloat16Moment';

export interface WitnessState {
  readonly weight: Float32Array;
  readonly moments: readonly Float32Array[];
  /** A vector's unless given. */
  readonly shape?: readonly number[];
}

const f = Math.fround;
const power = (beta: number, t: number): number => {
  let result = beta;
  for (let i = 1; i < t; i++) result *= beta;
  return result;
};

const sgd = (o: Optimizer & { readonly kind: 'sgd' }, step: number, state: WitnessState, gradient: Float32Array, fault: UpdateFault | undefined): WitnessState => {
  const lr = f(valueAt(o.learningRate, step)), mu = f(o.momentum), rest = f(1 - o.dampening), lambda = f(o.weightDecay);
  const weight = new Float32Array(gradient.length), moment = new Float32Array(o.momentum === 0 ? 0 : gradient.length);
  for (let i = 0; i < gradient.length; i++) {
    const w = state.weight[i] as number;
    let g = gradient[i] as number;
    if (o.weightDecay !== 0 && fault !== 'decayForgotten') g = f(g + f(lambda * w));
    let d = g;
    if (o.momentum !== 0) {
      const old = state.moments[0]?.[i] as number;
      const v = step === 0 && fault !== 'firstStepDampened' ? g : f(f(mu * old) + f(rest * g));
      moment[i] = fault === 'bfloat16Moment' ? bfloat16(v) : v;
      d = o.nesterov && fault !== 'nesterovForgotten' ? f(g + f(mu * v)) : v;
    }
    weight[i] = fault === 'flippedSign' && i === 0 ? f(w + f(lr * d)) : f(w - f(lr * d));
  }
  return { weight, moments: o.momentum === 0 ? [] : [moment] };
};

const adam = (o: Optimizer & { readonly kind: 'adam' | 'adamW' }, step: number, state: WitnessState, gradient: Float32Array, fault: UpdateFault | undefined): WitnessState => {
  const t = fault === 'stepCountedTwice' ? step + 2 : step + 1;
  const lr = valueAt(o.learningRate, step);
  const corrected = fault !== 'noBiasCorrection';
  const b1 = f(o.beta1), rest1 = f(1 - o.beta1), b2 = f(o.beta2), rest2 = f(1 - o.beta2), epsilon = f(o.epsilon), lambda = f(o.weightDecay), decay = f(1 - lr * o.weightDecay);
  const stepSize = f(corrected ? lr / (1 - power(o.beta1, t)) : lr), root = f(corrected ? Math.sqrt(1 - power(o.beta2, t)) : 1);
  const coupled = fault === 'decayForgotten' ? false : (o.kind === 'adam') !== (fault === 'decayCoupledInstead');
  const decoupled = fault === 'decayForgotten' ? false : !coupled;
  const weight = new Float32Array(gradient.length), first = new Float32Array(gradient.length), second = new Float32Array(gradient.length);
  for (let i = 0; i < gradient.length; i++) {
    const w = state.weight[i] as number;
    let g = gradient[i] as number;
    if (coupled && o.weightDecay !== 0) g = f(g + f(lambda * w));
    const m = f(f(b1 * (state.moments[0]?.[i] as number)) + f(rest1 * g));
    const v = f(f(b2 * (state.moments[1]?.[i] as number)) + f(f(rest2 * g) * g));
    first[i] = fault === 'momentsSwapped' ? v : fault === 'bfloat16Moment' ? bfloat16(m) : m;
    second[i] = fault === 'momentsSwapped' ? m : v;
    const divisor = fault === 'epsilonInsideRoot' ? f(f(Math.sqrt(f(v + epsilon))) / root) : f(f(f(Math.sqrt(v)) / root) + epsilon);
    const change = f(stepSize * f(m / divisor));
    const base = decoupled ? f(w * decay) : w;
    weight[i] = fault === 'flippedSign' && i === 0 ? f(base + change) : f(base - change);
  }
  return { weight, moments: [first, second] };
};

/** RMSprop, Lion, Lamb and Adafactor as followed runs have them; faults that any of them can have. */
const later = (o: Optimizer, step: number, state: WitnessState, gradient: Float32Array, fault: UpdateFault | undefined): WitnessState => {
  const asked = fault === 'decayForgotten' ? { ...o, weightDecay: 0 } : o, at = fault === 'stepCountedTwice' ? step + 1 : step;
  const { weight, moments } = followedUpdate(asked, at, state, gradient, 1, state.shape ?? [gradient.length]);
  if (fault === 'flippedSign') weight[0] = f((state.weight[0] as number) * 2 - (weight[0] as number));
  return { weight, moments: fault === 'bfloat16Moment' ? moments.map((moment) => moment.map(bfloat16)) : moments };
};

/** One update in fp32 with at most one fault; `step` from 0. */
export const witnessUpdate = (optimizer: Optimizer, step: number, state: WitnessState, gradient: Float32Array, fault?: UpdateFault): WitnessState => {
  const next = optimizer.kind === 'sgd' ? sgd(optimizer, step, state, gradient, fault)
    : optimizer.kind === 'adam' || optimizer.kind === 'adamW' ? adam({ ...optimizer, kind: optimizer.kind }, step, state, gradient, fault)
    : later(optimizer, step, state, gradient, fault);
  return { ...next, ...(state.shape === undefined ? {} : { shape: state.shape }) };
};
