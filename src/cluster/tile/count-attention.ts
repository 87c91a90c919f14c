/**
 * What the tiles of a band do for an attention, in counted actions: closed formulas over the pairs of a query and a key that it sees.
 *
 *   pairs = Σ over the band's tokens of (place in the sample + 1)            whichever host did the work
 *
 * Keys and values of earlier rows travel down the columns to every row of the sample behind them; a score is summed along the columns of its head and
 * spread back; in the delta pass the sums for earlier keys travel up again. Not here: products of linear layers (count.ts), prices.
 */
import type { AttentionPlan, Program } from '../../compiler/program.js';
import { count } from '../../trace/counts.js';
import { slabsOfSample, type BatchShape } from '../deal.js';
import { columnsOf, type Share } from './band.js';

/**
 * Pairs of query and key; and the keys that had to travel: for every row that begins among the band's tokens, the places of the sample before its first
 * token (a row that holds the ends of two samples gets those of the first alone: the second begins in it).
 */
const seen = (program: Program, batch: BatchShape, share: Share): { readonly pairs: number; readonly earlier: number } => {
  const together = slabsOfSample(batch), { slabTokens } = batch;
  let pairs = 0;
  for (let p = 0; p < share.slabs; p++) {
    const from = ((share.firstSlab + p) % together) * slabTokens, tokens = share.tokensOf[p] ?? 0;
    pairs += (tokens * (2 * from + tokens + 1)) / 2;
  }
  let earlier = 0;
  for (let row = 0; row + 1 < program.rowEdges.length; row++) {
    const start = (program.rowEdges[row] ?? 0) - share.firstLane, p = Math.floor(start / slabTokens);
    if (start < 0 || p >= share.slabs || (program.rowEdges[row + 1] ?? 0) <= (program.rowEdges[row] ?? 0)) continue;
    const lane = start - p * slabTokens;
    if (lane < (share.tokensOf[p] ?? 0)) earlier += ((share.firstSlab + p) % together) * slabTokens + lane;
  }
  return { pairs, earlier };
};

/** Σ over heads of the columns that hold it, less one: each column that holds any features holds a run of heads. */
const columnsBeyondOne = (program: Program, a: AttentionPlan): number => {
  const edges = program.buffers[a.o]?.featureEdges ?? [];
  let held = 0;
  for (let c = 1; c < edges.length; c++) {
    const from = edges[c - 1] as number, to = edges[c] as number;
    if (to > from) held += Math.floor((to - 1) / a.headSize) - Math.floor(from / a.headSize) + 1;
  }
  return held - a.heads;
};

const products = (to: Float64Array, macs: number): void => {
  count(to, 'macs', macs);
  count(to, 'sramReadWords', 2 * macs);
  count(to, 'sramWriteWords', macs);
};

export const countAttention = (to: Float64Array, program: Program, batch: BatchShape, share: Share, a: AttentionPlan): void => {
  const { pairs, earlier } = seen(program, batch, share);
  products(to, 2 * a.heads * a.headSize * pairs);
  count(to, 'elementwise', a.heads * pairs + a.heads * a.headSize * share.tokens);
  count(to, 'waveletsSouth', 2 * a.kvHeads * a.headSize * earlier);
  count(to, 'waveletsEast', 2 * columnsBeyondOne(program, a) * pairs);
  count(to, 'tasks', columnsOf(program, a.o) * share.rows * 2);
};

export const countAttentionDelta = (to: Float64Array, program: Program, batch: BatchShape, share: Share, a: AttentionPlan): void => {
  const { pairs, earlier } = seen(program, batch, share);
  const again = a.scores === null ? 1 : 0;
  products(to, (4 + again) * a.heads * a.headSize * pairs);
  count(to, 'elementwise', (1 + again) * a.heads * pairs + a.heads * a.headSize * share.tokens);
  count(to, 'waveletsSouth', 2 * a.kvHeads * a.headSize * earlier);
  count(to, 'waveletsNorth', 2 * a.kvHeads * a.headSize * earlier);
  count(to, 'waveletsEast', 2 * (1 + again) * columnsBeyondOne(program, a) * pairs);
  count(to, 'tasks', columnsOf(program, a.qkv) * share.rows * (4 + again));
};
