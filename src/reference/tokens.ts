/**
 * The tokens of a batch and the tree over which their sums run (docs/numerics.md §1), for the bounds alone.
 *
 *   batch [samples · tokensPerSample tokens]  ─▶  slabs of 32 tokens of one sample (32 samples, where a sample is one token), depth of the tree above them
 *
 * A token has the index sample · tokensPerSample + place. Not here: the sums (linear.ts, embedding.ts, norm.ts, loss.ts).
 */
import { InvalidConfig } from '../util/errors.js';
import { slabLength, treeDepth } from './bounded.js';

export interface TokenTree {
  readonly tokens: number;
  readonly samples: number;
  readonly tokensPerSample: number;
  /** First tokens of the slabs, and the number of tokens behind the last one. */
  readonly edges: readonly number[];
  /** Additions between a leaf and the root. */
  readonly depth: number;
  /** Additions of the longest path: a whole slab and the tree. */
  readonly additions: number;
}

/** @throws InvalidConfig if the tokens are no whole number of samples. */
export const tokenTree = (tokens: number, tokensPerSample: number): TokenTree => {
  if (tokens % tokensPerSample !== 0) throw new InvalidConfig({ what: 'labels of the batch', value: tokens, limit: `a multiple of ${tokensPerSample}, the tokens of a sample` });
  const samples = tokens / tokensPerSample, edges: number[] = [];
  const width = tokensPerSample === 1 ? tokens : tokensPerSample;
  for (let first = 0; first < tokens; first += width) for (let at = first; at < first + width; at += slabLength) edges.push(at);
  edges.push(tokens);
  const inSample = treeDepth(Math.ceil(width / slabLength));
  const depth = inSample + (tokensPerSample === 1 ? 0 : treeDepth(samples));
  return { tokens, samples, tokensPerSample, edges, depth, additions: Math.min(width, slabLength) + depth };
};

/** Calls `leaf(first, end)` for each slab in order. */
export const eachSlab = ({ edges }: TokenTree, leaf: (first: number, end: number) => void): void => {
  for (let s = 0; s + 1 < edges.length; s++) leaf(edges[s] as number, edges[s + 1] as number);
};
