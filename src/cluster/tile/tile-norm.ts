/**
 * A tile's turns in a norm: its features' share of the row's sums, then its own features (docs/numerics.md §10).
 *
 *   west ─sum, chunk─▶ tile ─sum, chunk─▶ east           statistics, gain and bias come with the message
 *
 * Not here: the order of phases (fabric-norm.ts).
 */
import { panelRowBytes } from '../../kernels/types.js';
import type { Doors, Piece } from './doors.js';

/** Addresses are fabric buffers of the row, or the weight block passing by. `stats`: mean, then 1/deviation. */
export type NormMessage = { readonly piece: Piece } & (
  | { readonly type: 'featureSum'; readonly x: number; readonly sum: number; readonly chunk: number; readonly all: number }
  | { readonly type: 'featureSquares'; readonly x: number; readonly mean: number; readonly sum: number; readonly chunk: number; readonly all: number }
  | { readonly type: 'normApply'; readonly x: number; readonly y: number; readonly stats: number; readonly gain: number; readonly bias: number }
  /** Four rows: sum and chunk of both sums of the delta. */
  | { readonly type: 'normDeltaSums'; readonly x: number; readonly d: number; readonly stats: number; readonly gain: number; readonly sums: number; readonly all: number }
  | { readonly type: 'normDelta'; readonly x: number; readonly d: number; readonly skip: number | null; readonly to: number; readonly stats: number; readonly a: number; readonly b: number; readonly gain: number }
  /** Add your tokens to the leaf that travels down your column. */
  | { readonly type: 'normLeaf'; readonly x: number; readonly d: number; readonly stats: number; readonly gainLeaf: number; readonly biasLeaf: number }
);

export const normTurn = ({ kernels: k, scratch: [a, b, c], overlap, load, store }: Doors, message: NormMessage): void => {
  const [from, to] = overlap(message.x), rows = to - from;
  if (rows <= 0) return;
  load(message.x, a, from, to);
  switch (message.type) {
    case 'featureSum':
      k.featureSum(message.sum, message.chunk, a, from, rows, message.all);
      return;
    case 'featureSquares':
      k.featureSquares(message.sum, message.chunk, a, message.mean, from, rows, message.all);
      return;
    case 'normApply':
      k.normApply(a, a, message.stats, message.gain + from * 4, message.bias === 0 ? 0 : message.bias + from * 4, rows);
      store(message.y, a, from, to);
      return;
    case 'normDeltaSums': {
      const [sumA, chunkA, sumB, chunkB] = [0, 1, 2, 3].map((row) => message.sums + row * panelRowBytes) as [number, number, number, number];
      load(message.d, b, from, to);
      k.normDeltaSums(sumA, chunkA, sumB, chunkB, a, b, message.stats, message.gain + from * 4, from, rows, message.all);
      return;
    }
    case 'normDelta':
      load(message.d, b, from, to);
      if (message.skip !== null) load(message.skip, c, from, to);
      k.normDelta(a, a, b, message.stats, message.a, message.b, message.gain + from * 4, message.skip === null ? 0 : c, rows);
      store(message.to, a, from, to);
      return;
    case 'normLeaf':
      load(message.d, b, from, to);
      k.normLeafSegment(message.gainLeaf + from * 4, message.biasLeaf === 0 ? 0 : message.biasLeaf + from * 4, a, b, message.stats, rows, message.piece.first, message.piece.last);
      return;
    default:
      message satisfies never;
  }
};
