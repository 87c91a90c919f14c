/**
 * The SRAM plan: what one tile must hold at once, against the limit of its 48 KiB.
 *
 *   code allowance + activations kept for the delta pass + stream buffers
 *
 * Stream buffers are those of the machine's flow: two columns of weights for the tile's features (one in use, one arriving), two
 * travelling sums and their chunk sums for the tile's tokens, two outgoing gradients for the tile's features.
 * Not here: the rectangle's choice (rectangle.ts).
 */
import type { WaferSpec } from '../spec/wafer.js';
import { longestRun, evenEdges, rowEdges } from './placement.js';
import type { Rectangle, SramPlan } from './program.js';

const floatBytes = 4;

/** Bytes that the fullest tile needs for buffers of the given widths. */
export const planSram = (widths: readonly number[], tokens: number, slabTokens: number, rectangle: Rectangle, spec: WaferSpec): SramPlan => {
  const tokensPerTile = longestRun(rowEdges(tokens, rectangle.rows, slabTokens));
  // One column is the fullest for every buffer at once only if the edges say so: add up column by column.
  const edges = widths.map((width) => evenEdges(width, rectangle.cols));
  let featuresPerTile = 0, widest = 0;
  for (let c = 0; c < rectangle.cols; c++) {
    let held = 0;
    for (const e of edges) {
      const run = (e[c + 1] as number) - (e[c] as number);
      held += run;
      widest = Math.max(widest, run);
    }
    featuresPerTile = Math.max(featuresPerTile, held);
  }
  const activationBytes = featuresPerTile * tokensPerTile * floatBytes;
  const streamBytes = (2 * widest + 4 * tokensPerTile + 2 * widest) * floatBytes;
  return {
    limitBytes: spec.sramBytesPerTile,
    codeBytes: spec.codeBytesPerTile,
    activationBytes,
    streamBytes,
    totalBytes: spec.codeBytesPerTile + activationBytes + streamBytes,
  };
};
