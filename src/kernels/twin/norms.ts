/**
 * The twins of the norms, one token at a time (docs/numerics.md §10). Not here: the kernels (../wasm/norms.ts, norm-leaves.ts).
 */
import { chunkFeatures, slabTokens, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

type NormTwins = Pick<Kernels, 'featureSum' | 'featureSquares' | 'divideRow' | 'rootRow' | 'normApply' | 'normDeltaSums' | 'normDelta' | 'normLeaf' | 'normLeafSegment'>;

export const normTwins = ({ floats: F }: View): NormTwins => {
  const tokens = Array.from({ length: slabTokens }, (_, t) => t);
  /** A row's value of a token, and a panel's of a feature and a token. */
  const row = (address: number, t: number): number => F[at(address) + t]!;
  const panel = (address: number, feature: number, t: number): number => F[at(address) + feature * slabTokens + t]!;
  const xhat = (x: number, stats: number, feature: number, t: number): number => f(f(panel(x, feature, t) - row(stats, t)) * F[at(stats) + slabTokens + t]!);

  /** Goes on with a sum over features: `features` terms from feature `first` of `all`. */
  const runOn = (sum: number, chunk: number, first: number, features: number, all: number, term: (feature: number, t: number) => number): void => {
    for (const t of tokens) {
      const [s, c] = [at(sum) + t, at(chunk) + t];
      for (let k = 0; k < features; k++) {
        F[c] = f(F[c]! + term(k, t));
        const next = first + k + 1;
        if (next % chunkFeatures !== 0 && next !== all) continue;
        F[s] = f(F[s]! + F[c]);
        F[c] = 0;
      }
    }
  };

  const normLeafSegment: Kernels['normLeafSegment'] = (gainLeaf, biasLeaf, x, d, stats, features, firstToken, lastToken) => {
    for (let k = 0; k < features; k++) {
      for (let t = firstToken; t < lastToken; t++) {
        F[at(gainLeaf) + k] = f(F[at(gainLeaf) + k]! + f(panel(d, k, t) * xhat(x, stats, k, t)));
        if (biasLeaf !== 0) F[at(biasLeaf) + k] = f(F[at(biasLeaf) + k]! + panel(d, k, t));
      }
    }
  };

  return {
    featureSum: (sum, chunk, x, first, features, all) => runOn(sum, chunk, first, features, all, (k, t) => panel(x, k, t)),
    featureSquares: (sum, chunk, x, mean, first, features, all) =>
      runOn(sum, chunk, first, features, all, (k, t) => {
        const apart = f(panel(x, k, t) - row(mean, t));
        return f(apart * apart);
      }),
    divideRow(out, sum, all) {
      for (const t of tokens) F[at(out) + t] = f(row(sum, t) / f(all));
    },
    rootRow(rstd, sum, all, epsilon) {
      for (const t of tokens) F[at(rstd) + t] = f(1 / f(Math.sqrt(f(f(row(sum, t) / f(all)) + f(epsilon)))));
    },
    normApply(y, x, stats, gain, bias, features) {
      for (let k = 0; k < features; k++) {
        for (const t of tokens) {
          const scaled = f(xhat(x, stats, k, t) * F[at(gain) + k]!);
          F[at(y) + k * slabTokens + t] = bias === 0 ? scaled : f(scaled + F[at(bias) + k]!);
        }
      }
    },
    normDeltaSums(sumA, chunkA, sumB, chunkB, x, d, stats, gain, first, features, all) {
      const dh = (k: number, t: number): number => f(panel(d, k, t) * F[at(gain) + k]!);
      runOn(sumA, chunkA, first, features, all, dh);
      runOn(sumB, chunkB, first, features, all, (k, t) => f(dh(k, t) * xhat(x, stats, k, t)));
    },
    normDelta(dst, x, d, stats, a, b, gain, skip, features) {
      for (let k = 0; k < features; k++) {
        for (const t of tokens) {
          const dh = f(panel(d, k, t) * F[at(gain) + k]!);
          const inner = f(f(dh - row(a, t)) - f(xhat(x, stats, k, t) * row(b, t)));
          const dx = f(inner * F[at(stats) + slabTokens + t]!);
          F[at(dst) + k * slabTokens + t] = skip === 0 ? dx : f(panel(skip, k, t) + dx);
        }
      }
    },
    normLeaf(gainLeaf, biasLeaf, x, d, stats, features, lastToken) {
      F.fill(0, at(gainLeaf), at(gainLeaf) + features);
      if (biasLeaf !== 0) F.fill(0, at(biasLeaf), at(biasLeaf) + features);
      normLeafSegment(gainLeaf, biasLeaf, x, d, stats, features, 0, lastToken);
    },
    normLeafSegment,
  };
};
