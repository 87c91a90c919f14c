/**
 * Pattern N:M: of every m consecutive inputs of an output, the n of highest score are stored; of equal scores the lower input first.
 *
 * Not here: scores (scores.ts), the other patterns (select.ts).
 */

/** The mask of scores by position. */
export const chooseNOfM = (scores: Uint32Array, inputs: number, outputs: number, { n, m }: { readonly n: number; readonly m: number }): Uint8Array => {
  const mask = new Uint8Array(inputs * outputs);
  for (let first = 0; first < inputs; first += m) {
    for (let o = 0; o < outputs; o++) {
      for (let chosen = 0; chosen < n; chosen++) {
        let best = -1, bestScore = -1;
        for (let i = first; i < first + m; i++) {
          const at = i * outputs + o, score = scores[at] as number;
          if (score > bestScore && mask[at] === 0) [best, bestScore] = [at, score];
        }
        mask[best] = 1;
      }
    }
  }
  return mask;
};
