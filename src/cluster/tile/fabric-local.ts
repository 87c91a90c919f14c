/**
 * Local steps tile by tile, and the loss along the rows.
 *
 *   elementwise, dropout: every tile alone      SwiGLU, rotary positions: what stands in other columns comes along the row      loss: maximum, sum, delta; losses down the column
 *
 * Not here: a tile's turn (tile.ts), the same for a whole band at once (sweep.ts).
 */
import type { LocalStep } from '../../compiler/program.js';
import { panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import type { Share } from './band.js';
import type { Piece } from './doors.js';
import type { Fabric } from './fabric-row.js';
import { dropoutKeys, firstTokenOf, operandsOf, placeOf } from './locals.js';

export const fabricLocal = (fabric: Fabric): ((share: Share, step: LocalStep) => void) => {
  const { context: { program, arena, band, batch, seed, kernels: k, memory }, buffers: { rows, panels }, travel } = fabric;
  const [max, denominator, chunk, logit] = rows as [number, number, number, number];
  /** Losses of a slab's earlier rows stay here until its last row has come. */
  const losses = rows[5] as number;
  const rotaryOf = new Map(arena.rotary.map((tables) => [tables.layer, tables]));
  const featuresOf = (layer: number): number => program.model.layers[layer]?.features ?? 0;
  const gather = (piece: Piece, x: number, first: number, m: number, block: number): number => {
    k.clear(block, m * panelRowBytes);
    travel({ type: 'multicast', piece, x, first, m, block });
    return block;
  };

  const turn = (share: Share, step: LocalStep, piece: Piece): void => {
    const features = featuresOf(step.layer), slab = share.firstSlab + piece.slab;
    switch (step.op) {
      case 'relu':
      case 'gelu':
      case 'add':
      case 'reluDelta':
      case 'geluDelta':
      case 'round':
        travel({ type: 'elementwise', piece, step });
        return;
      case 'swiglu':
        travel({ type: 'swiglu', piece, y: step.y, gate: gather(piece, step.x, 0, features, panels[0]), up: gather(piece, step.x, features, features, panels[1]) });
        return;
      case 'swigluDelta': {
        const gate = gather(piece, step.x, 0, features, panels[0]), up = gather(piece, step.x, features, features, panels[1]);
        travel({ type: 'swigluDelta', piece, dst: step.dst, features, d: gather(piece, step.d, 0, features, panels[2]), gate, up });
        return;
      }
      case 'dropout':
        if (!share.evaluate) travel({ type: 'dropout', piece, x: step.x, y: step.y, firstToken: firstTokenOf(batch, slab), ...dropoutKeys(seed, share.step, step) });
        else if (step.x !== step.y) travel({ type: 'move', piece, from: step.x, to: step.y, first: 0, m: features });
        return;
      case 'rotary': {
        const tables = rotaryOf.get(step.layer), { headSize, direction } = step;
        assert(tables !== undefined, 'rotary positions have their angles');
        const at = placeOf(batch, slab) * headSize * 2;
        for (let first = 0; first < (step.heads + step.kvHeads) * headSize; first += headSize) {
          travel({ type: 'rotary', piece, x: step.x, first, headSize, head: gather(piece, step.x, first, headSize, panels[0]), cos: tables.cos + at, sin: tables.sin + at, direction });
        }
        return;
      }
      case 'loss': {
        const labels = band.labels + piece.slab * panelRowBytes;
        floats(memory, max, slabTokens).fill(-Infinity);
        k.clear(denominator, panelRowBytes);
        k.clear(chunk, panelRowBytes);
        k.clear(logit, panelRowBytes);
        travel({ type: 'max', piece, x: step.x, max, logit, labels });
        travel({ type: 'exp', piece, x: step.x, max, sum: denominator, chunk, classes: step.classes });
        const before = floats(memory, losses, slabTokens).slice();
        k.softmaxLoss(losses, denominator, logit, max);
        // Losses of the slab's earlier rows came down the column.
        floats(memory, losses, piece.first).set(before.subarray(0, piece.first));
        const tokens = share.tokensOf[piece.slab] ?? 0;
        travel({ type: 'finish', piece, x: step.x, sum: denominator, labels, factor: floats(memory, band.factor, 1)[0] as number, tokens });
        if (fabric.endsSlab(share, piece)) k.lossLeaf(arena.lossLeaves + slab * 4, losses, labels, tokens);
        return;
      }
      default:
        step satisfies never;
    }
  };

  return (share, step) => {
    layOut(step);
    for (const piece of fabric.everyPiece(share)) turn(share, step, piece);
  };

  /** Deltas may lie in scratch buffers: in what widths a step reads and writes them. */
  function layOut(step: LocalStep): void {
    const features = featuresOf(step.layer);
    switch (step.op) {
      case 'dropout':
        fabric.layOut(features, step.x, step.y);
        return;
      case 'swigluDelta':
        fabric.layOut(features, step.d);
        fabric.layOut(2 * features, step.dst);
        return;
      case 'rotary':
        fabric.layOut(features, step.x);
        return;
      case 'swiglu':
      case 'loss':
        return;
      default: {
        const { reads, writes } = operandsOf(step);
        fabric.layOut(features, ...reads, writes);
      }
    }
  }
};
