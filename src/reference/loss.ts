/**
 * Softmax cross-entropy of the oracle: probabilities, loss and delta, with bounds.
 *
 * Like the probabilities (softmax.ts), the loss does not depend on the maximum that is subtracted. Where the logits' errors are so large that their
 * path says nothing, what holds for any logits stands in: a probability errs by at most 1, a loss by twice the largest error.
 * Not here: the layer that gives the logits.
 */
import { type Bounded, bounded, chunkLength, expUnderflow, growth, logUlps, tiny, unit } from './bounded.js';
import { least, softmaxRow, softmaxRowOf } from './softmax.js';
import { eachSlab, type TokenTree } from './tokens.js';

export interface LossResult {
  /** The batch's loss: one value. */
  readonly loss: Bounded;
  /** [tokens], 0 where the label is masked. */
  readonly tokenLosses: Bounded;
  /** [tokens][classes] */
  readonly probabilities: Bounded;
  /** Gradient of the batch's loss by the logits, [tokens][classes]. */
  readonly delta: Bounded;
}

/** labels: [tokens], −1 masked. The mean is over the valid labels; `scale`, a power of two, is on the delta alone. */
export const softmaxCrossEntropy = (x: Bounded, labels: Int32Array, classes: number, tree: TokenTree, scale = 1): LossResult => {
  const { tokens } = tree;
  const valid = labels.reduce((n, label) => n + (label >= 0 ? 1 : 0), 0);
  const factor = 1 / valid, deltaFactor = factor * scale;
  const tokenLosses = bounded(tokens), probabilities = bounded(tokens * classes), delta = bounded(tokens * classes);
  const row = softmaxRowOf(classes);

  for (let t = 0; t < tokens; t++) {
    const at = t * classes, label = labels[t] as number;
    softmaxRow(row, x.value, x.bound, at, classes, chunkLength);
    const { largest, sumRelative } = row;
    for (let k = 0; k < classes; k++) {
      const p = row.p[k] as number, carried = row.carried[k] as number;
      const relative = ((1 + (row.relative[k] as number)) * (1 + unit)) / (1 - sumRelative) - 1;
      const error = least(carried + (p + carried) * relative + expUnderflow + tiny, 1 + sumRelative);
      probabilities.value[at + k] = p;
      probabilities.bound[at + k] = error;
      if (label < 0) continue;
      const q = k === label ? p - 1 : p;
      const qError = k === label ? error + unit * (Math.abs(q) + error) : error;
      delta.value[at + k] = q * deltaFactor;
      delta.bound[at + k] = (qError * deltaFactor + 2 * unit * (Math.abs(q) + qError) * deltaFactor + tiny) * growth(2);
    }
    if (label < 0) continue;
    const p = row.p[label] as number, bound = x.bound[at + label] as number;
    const d = (x.value[at + label] as number) - row.max, log = Math.log(row.sum), loss = log - d;
    const carried = least(row.path * ((1 - p) * bound + (row.weighted - p * bound)) * growth(4), bound + largest);
    const logError = sumRelative / (1 - sumRelative) + 2 * logUlps * unit * (log + 2 * largest + sumRelative);
    const difference = unit * (Math.abs(d) + 2 * largest);
    tokenLosses.value[t] = loss;
    tokenLosses.bound[t] = (carried + logError + difference + unit * (Math.abs(loss) + carried + logError + difference)) * growth(2);
  }

  const loss = bounded(1);
  let sum = 0, error = 0;
  eachSlab(tree, (first, end) => {
    let leaf = 0;
    for (let t = first; t < end; t++) {
      if ((labels[t] as number) < 0) continue;
      leaf += tokenLosses.value[t] as number;
      error += unit * Math.abs(leaf) + (tokenLosses.bound[t] as number);
    }
    sum += leaf;
    error += unit * tree.depth * Math.abs(leaf);
  });
  error *= growth(tree.additions);
  loss.value[0] = sum * factor;
  loss.bound[0] = factor * (error + 2 * unit * (Math.abs(sum) + error)) * growth(2) + tiny;
  return { loss, tokenLosses, probabilities, delta };
};
