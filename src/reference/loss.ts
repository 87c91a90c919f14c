/**
 * Softmax cross-entropy of the oracle: probabilities, loss and delta, with bounds.
 *
 * Both the probabilities and the loss do not depend on the maximum that is subtracted, so an error of the maximum cancels and is carried only
 * into the sizes of what is rounded. An error of the logits passes through the Jacobian p·(δ − Σ p δ), taken along the whole path: on
 * it no probability moves by more than a factor e^{2·largest error}. Where the logits' errors are so large that this says nothing, what holds for
 * any logits stands in: a probability errs by at most 1, a loss by twice the largest error, and a sum of exponentials is at least 1.
 * Not here: the layer that gives the logits.
 */
import { type Bounded, bounded, chunkLength, expUlps, expUnderflow, growth, logUlps, slabLength, tiny, treeDepth, unit } from './bounded.js';

export interface LossResult {
  /** The batch's loss: one value. */
  readonly loss: Bounded;
  /** [samples], 0 where the label is masked. */
  readonly tokenLosses: Bounded;
  /** [samples][classes] */
  readonly probabilities: Bounded;
  /** Gradient of the batch's loss by the logits, [samples][classes]. */
  readonly delta: Bounded;
}

/** The smaller of two bounds that both hold; the second is finite. */
const least = (a: number, b: number): number => (a < b ? a : b);

/** labels: [samples], −1 masked. The mean is over the valid labels. */
export const softmaxCrossEntropy = (x: Bounded, labels: Int32Array, classes: number): LossResult => {
  const samples = labels.length;
  const valid = labels.reduce((n, label) => n + (label >= 0 ? 1 : 0), 0);
  const factor = 1 / valid;
  const tokenLosses = bounded(samples), probabilities = bounded(samples * classes), delta = bounded(samples * classes);
  const e = new Float64Array(classes);
  const grown = growth(Math.min(classes, chunkLength) + Math.ceil(classes / chunkLength) + 8);

  for (let t = 0; t < samples; t++) {
    const at = t * classes, label = labels[t] as number;
    let max = -Infinity, largest = 0;
    for (let k = 0; k < classes; k++) {
      max = Math.max(max, x.value[at + k] as number);
      largest = Math.max(largest, x.bound[at + k] as number);
    }
    /** Relative error of exp's result by its rounded argument and its own bound. */
    const expError = (d: number): number => (Math.expm1(unit * (Math.abs(d) + 2 * largest)) + 2 * expUlps * unit) * growth(64);

    let s = 0, sError = 0;
    for (let first = 0; first < classes; first += chunkLength) {
      let chunk = 0;
      for (let k = first; k < Math.min(classes, first + chunkLength); k++) {
        const d = (x.value[at + k] as number) - max, value = Math.exp(d);
        e[k] = value;
        chunk += value;
        sError += unit * chunk + expError(d) * value + expUnderflow;
      }
      s += chunk;
      if (first > 0) sError += unit * s;
    }
    const path = Math.exp(4 * largest);
    // For any logits: a term errs by |d|·e^d ≤ 0.4 roundings of its argument, exp's own and its addition's, each of at most s ≥ 1.
    const sRelative = least((sError / s) * path, classes * ((2 * expUlps + 2) * unit + expUnderflow)) * grown;

    let weighted = 0;
    for (let k = 0; k < classes; k++) weighted += ((e[k] as number) / s) * (x.bound[at + k] as number);
    for (let k = 0; k < classes; k++) {
      const p = (e[k] as number) / s, bound = x.bound[at + k] as number;
      const carried = path * p * ((1 - p) * bound + (weighted - p * bound)) * growth(4);
      const relative = ((1 + expError((x.value[at + k] as number) - max)) * (1 + unit)) / (1 - sRelative) - 1;
      const error = least(carried + (p + carried) * relative + expUnderflow + tiny, 1 + sRelative);
      probabilities.value[at + k] = p;
      probabilities.bound[at + k] = error;
      if (label < 0) continue;
      const q = k === label ? p - 1 : p;
      const qError = k === label ? error + unit * (Math.abs(q) + error) : error;
      delta.value[at + k] = q * factor;
      delta.bound[at + k] = (qError * factor + 2 * unit * (Math.abs(q) + qError) * factor + tiny) * growth(2);
    }
    if (label < 0) continue;
    const p = (e[label] as number) / s, bound = x.bound[at + label] as number;
    const d = (x.value[at + label] as number) - max, log = Math.log(s), loss = log - d;
    const carried = least(path * ((1 - p) * bound + (weighted - p * bound)) * growth(4), bound + largest);
    const logError = sRelative / (1 - sRelative) + 2 * logUlps * unit * (log + 2 * largest + sRelative);
    const difference = unit * (Math.abs(d) + 2 * largest);
    tokenLosses.value[t] = loss;
    tokenLosses.bound[t] = (carried + logError + difference + unit * (Math.abs(loss) + carried + logError + difference)) * growth(2);
  }

  const loss = bounded(1);
  const depth = treeDepth(Math.ceil(samples / slabLength));
  let sum = 0, error = 0;
  for (let first = 0; first < samples; first += slabLength) {
    let leaf = 0;
    for (let t = first; t < Math.min(samples, first + slabLength); t++) {
      if ((labels[t] as number) < 0) continue;
      leaf += tokenLosses.value[t] as number;
      error += unit * Math.abs(leaf) + (tokenLosses.bound[t] as number);
    }
    sum += leaf;
    error += unit * depth * Math.abs(leaf);
  }
  error *= growth(slabLength + depth);
  loss.value[0] = sum * factor;
  loss.bound[0] = factor * (error + 2 * unit * (Math.abs(sum) + error)) * growth(2) + tiny;
  return { loss, tokenLosses, probabilities, delta };
};
