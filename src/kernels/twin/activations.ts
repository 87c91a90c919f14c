/**
 * The twins of activations.ts and softmax.ts, one element at a time (docs/numerics.md §3, §4). Not here: exp, log, tanh, erf (../functions.ts).
 */
import { erfF32, expF32, logF32, tanhF32 } from '../functions.js';
import { geluConstants } from '../gelu.js';
import { chunkFeatures, slabTokens, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;
const { c, a, a3, rootHalf, density } = geluConstants;

const geluInner = (x: number): number => f(c * f(x + f(a * f(f(x * x) * x))));
const relu = (x: number): number => (x > 0 ? x : Number.isNaN(x) ? NaN : 0);
const reluDelta = (d: number, y: number): number => (y > 0 ? d : 0);
const gelu = (x: number): number => f(f(0.5 * x) * f(1 + tanhF32(geluInner(x))));
const geluDelta = (d: number, x: number): number => {
  const th = tanhF32(geluInner(x));
  const s = f(1 - f(th * th));
  const g = f(c * f(1 + f(a3 * f(x * x))));
  return f(d * f(f(0.5 * f(1 + th)) + f(f(f(0.5 * x) * s) * g)));
};

const erfShifted = (x: number): number => f(1 + erfF32(f(x * rootHalf)));
const geluErf = (x: number): number => f(f(0.5 * x) * erfShifted(x));
const geluErfDelta = (d: number, x: number): number =>
  f(d * f(f(0.5 * erfShifted(x)) + f(x * f(density * expF32(f(-0.5 * f(x * x)))))));

const sigmoid = (g: number): number => f(1 / f(1 + expF32(-g)));
const swiglu = (g: number, u: number): number => f(f(g * sigmoid(g)) * u);
const upDelta = (d: number, g: number): number => f(d * f(g * sigmoid(g)));
const gateDelta = (d: number, g: number, u: number): number => {
  const s = sigmoid(g);
  return f(f(d * u) * f(s * f(1 + f(g * f(1 - s)))));
};

type ActivationTwins = Pick<Kernels, 'relu' | 'reluDelta' | 'gelu' | 'geluDelta' | 'geluErf' | 'geluErfDelta' | 'swiglu' | 'swigluDelta' | 'softmaxMax' | 'softmaxExp' | 'softmaxDelta' | 'softmaxLoss' | 'lossLeaf'>;

export const activationTwins = ({ floats: F, words: I }: View): ActivationTwins => {
  const each = (dst: number, count: number, value: (i: number) => number): void => {
    for (let i = 0; i < count; i++) F[at(dst) + i] = value(i);
  };
  return {
    relu: (dst, src, count) => each(dst, count, (i) => relu(F[at(src) + i]!)),
    reluDelta: (dst, d, y, count) => each(dst, count, (i) => reluDelta(F[at(d) + i]!, F[at(y) + i]!)),
    gelu: (dst, src, count) => each(dst, count, (i) => gelu(F[at(src) + i]!)),
    geluDelta: (dst, d, x, count) => each(dst, count, (i) => geluDelta(F[at(d) + i]!, F[at(x) + i]!)),
    geluErf: (dst, src, count) => each(dst, count, (i) => geluErf(F[at(src) + i]!)),
    geluErfDelta: (dst, d, x, count) => each(dst, count, (i) => geluErfDelta(F[at(d) + i]!, F[at(x) + i]!)),
    swiglu: (dst, gate, up, count) => each(dst, count, (i) => swiglu(F[at(gate) + i]!, F[at(up) + i]!)),
    swigluDelta(dGate, dUp, d, gate, up, count) {
      for (let i = 0; i < count; i++) {
        const [own, g, u] = [F[at(d) + i]!, F[at(gate) + i]!, F[at(up) + i]!];
        F[at(dGate) + i] = gateDelta(own, g, u);
        F[at(dUp) + i] = upDelta(own, g);
      }
    },

    softmaxMax(max, x, classes) {
      for (let t = 0; t < slabTokens; t++) {
        for (let k = 0; k < classes; k++) F[at(max) + t] = Math.max(F[at(max) + t]!, F[at(x) + k * slabTokens + t]!);
      }
    },
    softmaxExp(e, sum, chunk, x, max, firstClass, classes, allClasses) {
      for (let t = 0; t < slabTokens; t++) {
        const [s, r] = [at(sum) + t, at(chunk) + t];
        for (let k = 0; k < classes; k++) {
          const value = expF32(f(F[at(x) + k * slabTokens + t]! - F[at(max) + t]!));
          F[at(e) + k * slabTokens + t] = value;
          F[r] = f(F[r]! + value);
          const next = firstClass + k + 1;
          if (next % chunkFeatures === 0 || next === allClasses) {
            F[s] = f(F[s]! + F[r]);
            F[r] = 0;
          }
        }
      }
    },
    softmaxDelta(delta, e, sum, label, factor, firstClass, classes, tokens) {
      for (let t = 0; t < slabTokens; t++) {
        const own = I[at(label) + t]!;
        const isTerm = t < tokens && own >= 0;
        for (let k = 0; k < classes; k++) {
          const p = f(F[at(e) + k * slabTokens + t]! / F[at(sum) + t]!);
          F[at(delta) + k * slabTokens + t] = isTerm ? f((firstClass + k === own ? f(p - 1) : p) * f(factor)) : 0;
        }
      }
    },
    softmaxLoss(loss, sum, xl, max) {
      for (let t = 0; t < slabTokens; t++) F[at(loss) + t] = f(logF32(F[at(sum) + t]!) - f(F[at(xl) + t]! - F[at(max) + t]!));
    },
    lossLeaf(dst, loss, label, tokens) {
      let sum = 0;
      for (let t = 0; t < tokens; t++) if (I[at(label) + t]! >= 0) sum = f(sum + F[at(loss) + t]!);
      F[at(dst)] = sum;
    },
  };
};
