/**
 * The SRAM plan: what one tile must hold at once, against the limit of its 48 KiB.
 *
 *   code allowance + activations kept for the delta pass + stream buffers
 *
 * Stream buffers are those of the machine's flow: two columns of weights for the tile's features (one in use, one arriving), two
 * travelling sums and their chunk sums for the tile's tokens, two outgoing gradients for the tile's features. Attention works off one head at a time, key by key as they pass: a key
 * and a value for the tile's features (one in use, one arriving), and the scores of the tile's tokens over all keys, shared by the columns of the head.
 * Not here: the rectangle's choice (rectangle.ts).
 */
import type { WaferSpec } from '../spec/wafer.js';
import type { Heads } from '../model/graph.js';
import { ceilDiv } from '../util/units.js';
import { longestRun, evenEdges, rowEdges } from './placement.js';
import type { Rectangle, SramPlan } from './program.js';

/** What attention adds: its heads, and the places of a sample (tokens rounded up to slabs). */
export type AttentionNeed = Heads & { readonly places: number };

const floatBytes = 4;

/** Bytes of a weight in flight, and of a value of each buffer. */
export interface NumberBytes {
  readonly weight: number;
  readonly of: readonly number[];
}

/** Bytes that the fullest tile needs for buffers of the given widths; all numbers are f32 unless `numbers` says how many bytes they have. */
export const planSram = (
  widths: readonly number[], tokens: number, slabTokens: number, rectangle: Rectangle, spec: WaferSpec, attentions: readonly AttentionNeed[] = [], numbers: NumberBytes = { weight: floatBytes, of: [] },
): SramPlan => {
  const tokensPerTile = longestRun(rowEdges(tokens, rectangle.rows, slabTokens));
  // One column is the fullest for every buffer at once only if the edges say so: add up column by column. By width: bytes of a feature in all buffers of that width.
  const alike = new Map<number, number>();
  widths.forEach((width, i) => alike.set(width, (alike.get(width) ?? 0) + (numbers.of[i] ?? floatBytes)));
  const edges = [...alike].map(([width, bytes]) => ({ edges: evenEdges(width, rectangle.cols), bytes }));
  let tokenBytes = 0, widest = 0;
  for (let c = 0; c < rectangle.cols; c++) {
    let held = 0;
    for (const { edges: e, bytes } of edges) {
      const run = (e[c + 1] as number) - (e[c] as number);
      held += run * bytes;
      widest = Math.max(widest, run);
    }
    tokenBytes = Math.max(tokenBytes, held);
  }
  const activationBytes = tokenBytes * tokensPerTile;
  const attentionFloats = Math.max(0, ...attentions.map(({ heads, headSize, places }) => {
    const columnsOfHead = Math.max(1, Math.floor(rectangle.cols / heads));
    return 4 * Math.min(headSize, ceilDiv(heads * headSize, rectangle.cols)) + tokensPerTile * ceilDiv(places, columnsOfHead);
  }));
  const streamBytes = 2 * widest * numbers.weight + (4 * tokensPerTile + 2 * widest + attentionFloats) * floatBytes;
  return {
    limitBytes: spec.sramBytesPerTile,
    codeBytes: spec.codeBytesPerTile,
    activationBytes,
    streamBytes,
    totalBytes: spec.codeBytesPerTile + activationBytes + streamBytes,
  };
};
