/**
 * Stream order: from the layers of a graph to buffers in SRAM and the order in which blocks stream.
 *
 *   forward   input or gather, then every streamed layer with the local steps behind it, the loss last       (forward.ts)
 *   backward  layers in reverse: the gradient first (it frees x), then the delta                            (backward.ts)
 *
 * With `recompute: 'block'` or 'offload' the inner activations of all blocks share their buffers, and a block's forward passes run again before its delta passes.
 * Not here: sizes of tiles (placement.ts, sram.ts).
 */
import type { NumberType } from '../model/precision.js';
import { InvalidModel } from '../util/errors.js';
import type { Layer, Model } from '../model/graph.js';
import { orderBackward } from './backward.js';
import { orderForward, replay } from './forward.js';
import { Plans } from './plans.js';
import type { AttentionPlan, Logits, PassStep, Recompute, StreamedPlan } from './program.js';

export interface StreamOrder {
  /** Name and width of each buffer. */
  readonly buffers: readonly { readonly name: string; readonly features: number; readonly scratch: boolean }[];
  readonly streamed: readonly StreamedPlan[];
  readonly attentions: readonly AttentionPlan[];
  readonly passes: readonly PassStep[];
  /** Buffers whose activations wait off the wafer between two passes. */
  readonly offloaded: ReadonlySet<number>;
}

/** `places`: tokens of a sample rounded up to slabs. @throws InvalidModel for a graph without an input */
export const orderStreams = (model: Model, recompute: Recompute, places: number, logits: Logits = 'held', activations: NumberType = 'float32'): StreamOrder => {
  const plans = new Plans(model, recompute, logits, places, activations);
  if (model.layers[0]?.inputs.length !== 0) throw new InvalidModel({ what: 'a model without an input', where: model.name });
  const last = lastBlock(model.layers), blocks = plans.isReplayed ? byBlock(model.layers) : new Map<number, Layer[]>();
  orderForward(plans, model.layers, last);
  const loss = model.layers[model.layers.length - 1] as Layer;
  plans.delta.set(loss.inputs[0] as number, plans.outOf(loss.inputs[0]));

  let block = last;
  for (const layer of model.layers.slice(0, -1).toReversed()) {
    if (layer.block !== null && layer.block !== block) {
      const layers = blocks.get(layer.block);
      if (layers !== undefined) replay(plans, layers);
    }
    block = layer.block ?? block;
    orderBackward(plans, layer);
  }
  return { buffers: plans.buffers, streamed: plans.streamed, attentions: plans.attentions, passes: plans.passes, offloaded: plans.offloaded };
};

const byBlock = (layers: readonly Layer[]): Map<number, Layer[]> => {
  const blocks = new Map<number, Layer[]>();
  for (const layer of layers) {
    if (layer.block === null) continue;
    const known = blocks.get(layer.block);
    if (known === undefined) blocks.set(layer.block, [layer]);
    else known.push(layer);
  }
  return blocks;
};

/** The block whose inner activations are still there when the deltas begin. */
const lastBlock = (layers: readonly Layer[]): number | null => layers.reduce<number | null>((last, layer) => layer.block ?? last, null);
