/**
 * A tile's turns in attention: its features' share of the scores, and the weighted sums of its own features (docs/numerics.md §12).
 *
 *   K or V of a slab, from its own rows ─▶ tile: scores of its queries travel along the row          exponentials of the row ─▶ tile: its features of O
 *
 * Features are counted inside the head: every head's sums begin at its first one. Not here: the order of slabs and heads (fabric-attention.ts).
 */
import { panelRowBytes } from '../../kernels/types.js';
import type { Doors, Piece } from './doors.js';

/** `first`, `count`: the head's features of the buffer. Other addresses are fabric buffers. */
export type AttentionMessage = { readonly piece: Piece; readonly first: number; readonly count: number } & (
  /** sum[k][q] += panel[f][k] · x[f][q] over your features of the head. */
  | { readonly type: 'score'; readonly x: number; readonly panel: number; readonly sum: number; readonly chunk: number }
  /** sum[q] += x[f][q] · y[f][q] over your features of the head. */
  | { readonly type: 'headDot'; readonly x: number; readonly y: number; readonly sum: number; readonly chunk: number }
  /** x[f][q] = or += Σ k panel[f][k] · block[k][q] for your features of the head, one slab of k. */
  | { readonly type: 'weigh'; readonly x: number; readonly panel: number; readonly block: number; readonly add: 0 | 1 }
  /** x[f][q] = x[f][q] · row[q]. */
  | { readonly type: 'scaleColumns'; readonly x: number; readonly row: number }
);

export const attentionTurn = ({ kernels: k, scratch: [a, b], overlap, load, store }: Doors, message: AttentionMessage): void => {
  const { x, first, count } = message;
  const [from, to] = overlap(x, first, count), rows = to - from;
  if (rows <= 0) return;
  load(x, a, from, to);
  switch (message.type) {
    case 'score':
      k.panelDotSegment(message.sum, message.chunk, message.panel + (from - first) * panelRowBytes, a, from - first, to - first, count);
      return;
    case 'headDot':
      load(message.y, b, from, to);
      k.headDotSegment(message.sum, message.chunk, a, b, from - first, to - first, count);
      return;
    case 'weigh':
      k.slabProduct(a, message.panel + (from - first) * panelRowBytes, 0, message.block, rows, 1, message.add);
      store(x, a, from, to);
      return;
    case 'scaleColumns':
      k.scaleColumns(a, message.row, rows);
      store(x, a, from, to);
      return;
    default:
      message satisfies never;
  }
};
