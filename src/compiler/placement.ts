/**
 * Placement: which contiguous run of features each column holds, and which run of tokens each row.
 *
 * Features lie along x, tokens along y; every activation keeps this layout, so a layer's output is the next one's input.
 * Not here: whether it fits (sram.ts), which wafer gets which samples (cluster/input/).
 */
import { ceilDiv } from '../util/units.js';

/** Edges of `parts` contiguous runs of `total` items, as even as can be: run p is edges[p] … edges[p+1]−1, possibly empty. */
export const evenEdges = (total: number, parts: number): number[] => Array.from({ length: parts + 1 }, (_, p) => Math.floor((p * total) / parts));

/**
 * Edges of the rows' tokens. With at least a slab a row, whole slabs are spread evenly; with less, every row holds the same
 * number of tokens but for the last ones, which may be short or empty.
 */
export const rowEdges = (tokens: number, rows: number, slabTokens: number): number[] => {
  if (tokens >= rows * slabTokens) return evenEdges(ceilDiv(tokens, slabTokens), rows).map((slab) => Math.min(tokens, slab * slabTokens));
  const perRow = ceilDiv(tokens, rows);
  return Array.from({ length: rows + 1 }, (_, r) => Math.min(tokens, r * perRow));
};

/** The longest run between neighbouring edges. */
export const longestRun = (edges: readonly number[]): number => edges.reduce((longest, edge, i) => (i === 0 ? 0 : Math.max(longest, edge - (edges[i - 1] as number))), 0);
