/**
 * The forward half of the stream order: which buffer holds each layer's output, and the passes that fill it.
 *
 * A step works in place where nobody needs what it overwrites: ReLU before a product (its output is then its mask), dropout, rotary positions, and the sum
 * of a residual, which takes the place of its branch. Not here: deltas (backward.ts).
 */
import type { Layer, LayerOf } from '../model/graph.js';
import { InvalidModel } from '../util/errors.js';
import { headBlock } from './blocks.js';
import type { Plans } from './plans.js';
import type { LocalStep } from './program.js';

/** Whether a layer's own output must survive until its delta step. */
const keepsOutput = (plans: Plans, layer: Layer): boolean => layer.kind === 'attention' || (layer.kind === 'relu' && plans.masks.has(layer.id));

/** A step may overwrite its input if it is the only reader and nothing behind needs it. */
const mayOverwrite = (plans: Plans, id: number): boolean => plans.readers(id) === 1 && !keepsOutput(plans, plans.layer(id));

/** Rotary positions and attention work in the place of the projection that they read. @throws InvalidModel */
const alone = (plans: Plans, layer: Layer): void => {
  const from = plans.layer(layer.inputs[0]);
  if (!['linear', 'rotary', 'dropout'].includes(from.kind) || !mayOverwrite(plans, from.id)) {
    throw new InvalidModel({ what: `${layer.name} reads a projection of its own`, where: from.name, value: from.kind, limit: 'a linear layer that nobody else reads', hint: 'put linear(…) in front' });
  }
};

/** `last`: the block that is not computed again; what other blocks read leaves the wafer where activations are offloaded. */
export const orderForward = (plans: Plans, layers: readonly Layer[], last: number | null): void => {
  let block: number | null = null;
  for (const layer of layers) {
    if (plans.recompute === 'offload' && layer.block !== null && layer.block !== block && layer.block !== last) plans.leave(plans.outOf(layer.inputs[0]));
    block = layer.block;
    place(plans, layer);
  }
};

const place = (plans: Plans, layer: Layer): void => {
  const from = layer.inputs[0];
  if (layer.inputs.some((input) => plans.trained.has(input))) plans.trained.add(layer.id);
  switch (layer.kind) {
    case 'features': {
      const buffer = plans.buffer(layer.name, layer.features);
      plans.out.set(layer.id, buffer);
      plans.pass({ op: 'input', buffer, backward: false });
      break;
    }
    case 'tokens':
      return;
    case 'embedding': {
      const buffer = plans.buffer(layer.name, layer.features);
      plans.out.set(layer.id, buffer);
      plans.trained.add(layer.id);
      plans.pass({ op: 'gather', layer: layer.id, buffer, backward: false });
      break;
    }
    case 'linear': {
      if (isHead(plans, layer)) {
        placeHead(plans, layer);
        break;
      }
      const x = plans.outOf(from), y = outputBuffer(plans, layer), upstream = plans.trained.has(from as number);
      plans.out.set(layer.id, y);
      plans.planOf.set(layer.id, plans.streamed.length);
      plans.streamed.push({
        kind: 'linear', layer: layer.id, weight: layer.weight, bias: layer.bias, tied: layer.tied, inputs: layer.inFeatures, outputs: layer.features, x, y, dy: y, dx: null,
        zeroInputs: plans.layer(from).kind === 'relu', zeroDeltas: plans.readers(layer.id) === 1 && plans.readersOf(layer.id)[0]?.kind === 'relu',
        forwardBlocks: plans.blocks.linear(layer.inFeatures, layer.features), deltaBlocks: upstream ? plans.blocks.linear(layer.features, layer.inFeatures) : [],
      });
      plans.trained.add(layer.id);
      break;
    }
    case 'norm': {
      const whole = plans.blocks.cut(layer.features, layer.features);
      const y = outputBuffer(plans, layer), stats = plans.inner(layer, `${layer.name} statistics`, 2);
      plans.out.set(layer.id, y);
      plans.planOf.set(layer.id, plans.streamed.length);
      plans.streamed.push({
        kind: 'norm', layer: layer.id, weight: layer.weight, bias: layer.bias, inputs: layer.features, outputs: layer.features, x: plans.outOf(from), y, dy: y, dx: null,
        centered: layer.centered, epsilon: layer.epsilon, stats, skip: null, forwardBlocks: whole, deltaBlocks: plans.trained.has(from as number) ? whole : [],
      });
      plans.trained.add(layer.id);
      break;
    }
    case 'attention': {
      const { heads, kvHeads, headSize } = layer;
      alone(plans, layer);
      const o = outputBuffer(plans, layer), stats = plans.inner(layer, `${layer.name} statistics`, 2 * heads);
      const scores = plans.recompute === 'none' ? plans.inner(layer, `${layer.name} scores`, heads * plans.places) : null;
      plans.out.set(layer.id, o);
      plans.planOf.set(layer.id, plans.attentions.length);
      plans.attentions.push({ layer: layer.id, heads, kvHeads, headSize, qkv: plans.outOf(from), o, stats, scores, d: o });
      break;
    }
    case 'relu': {
      const next = plans.layer(layer.id + 1).kind;
      const inPlace = next === 'linear' && mayOverwrite(plans, from as number);
      if (inPlace) plans.masks.add(layer.id);
      plans.out.set(layer.id, inPlace ? plans.outOf(from) : outputBuffer(plans, layer));
      break;
    }
    case 'gelu':
    case 'swiglu':
      plans.out.set(layer.id, outputBuffer(plans, layer));
      break;
    case 'dropout':
      plans.out.set(layer.id, mayOverwrite(plans, from as number) ? plans.outOf(from) : outputBuffer(plans, layer));
      break;
    case 'rotary':
      alone(plans, layer);
      if (plans.readersOf(layer.id).some((other) => other.kind === 'add' && other.inputs[1] === layer.id)) throw new InvalidModel({ what: 'rotary positions at the end of a branch', where: layer.name, hint: 'put attention({ … }) behind them' });
      plans.out.set(layer.id, plans.outOf(from));
      break;
    case 'add': {
      const branch = layer.inputs[1] as number;
      plans.out.set(layer.id, mayOverwrite(plans, branch) ? plans.outOf(branch) : outputBuffer(plans, layer));
      break;
    }
    case 'softmaxCrossEntropy':
      if (plans.layer(from).kind === 'attention') throw new InvalidModel({ what: 'a loss over an attention', where: layer.name, hint: 'put linear(classes) in between' });
      break;
    default:
      layer satisfies never;
  }
  compute(plans, layer);
};

/** Whether the loss is formed with this layer, block by block. */
export const isHead = (plans: Plans, layer: Layer): boolean => plans.logits === 'streamed' && layer.kind === 'linear' && plans.model.layers[layer.id + 1]?.kind === 'softmaxCrossEntropy';

const placeHead = (plans: Plans, layer: LayerOf<'linear'>): void => {
  const from = layer.inputs[0], x = plans.outOf(from);
  const y = plans.buffer(`${layer.name} block`, Math.min(headBlock, layer.features)), stats = plans.buffer(`${layer.name} statistics`, 4);
  const blocks = plans.blocks.cut(layer.features, headBlock);
  plans.out.set(layer.id, y);
  plans.planOf.set(layer.id, plans.streamed.length);
  plans.streamed.push({ kind: 'head', layer: layer.id, weight: layer.weight, bias: layer.bias, tied: layer.tied, inputs: layer.inFeatures, outputs: layer.features, x, y, dy: y, dx: null, stats, forwardBlocks: blocks, deltaBlocks: blocks });
  plans.trained.add(layer.id);
};

/** The last layer of a block gives what the next block reads: it never shares its buffer with other blocks. */
const outputBuffer = (plans: Plans, layer: Layer): number =>
  leavesBlock(plans, layer) ? plans.buffer(layer.name, layer.features) : plans.inner(layer, layer.name, layer.features);

/** Whether this layer's buffer ends up as the block's output, itself or through steps in place. */
const leavesBlock = (plans: Plans, layer: Layer): boolean => {
  for (let at: Layer = layer; ;) {
    const next = plans.model.layers[at.id + 1];
    if (next === undefined || next.block !== layer.block) return true;
    const goesOn = (next.kind === 'dropout' && next.inputs[0] === at.id) || (next.kind === 'add' && next.inputs[1] === at.id);
    if (!goesOn || !mayOverwrite(plans, at.id)) return false;
    at = next;
  }
};

/** The passes and steps that compute a layer whose buffers are placed. */
const compute = (plans: Plans, layer: Layer): void => {
  const x = (): number => plans.outOf(layer.inputs[0]), y = (): number => plans.outOf(layer.id);
  switch (layer.kind) {
    case 'linear':
    case 'norm':
      if (isHead(plans, layer)) {
        for (const op of ['headMax', 'headSum'] as const) plans.pass({ op, streamed: plans.planOf.get(layer.id) as number, backward: false });
        return;
      }
      plans.pass({ op: 'forward', streamed: plans.planOf.get(layer.id) as number, backward: false });
      break;
    case 'attention':
      plans.pass({ op: 'attention', attention: plans.planOf.get(layer.id) as number, backward: false });
      break;
    case 'softmaxCrossEntropy':
      if (isHead(plans, plans.layer(layer.inputs[0]))) return;
      plans.local({ op: 'loss', layer: layer.id, x: x(), classes: layer.classes });
      plans.boundary(layer.inputs[0] as number, x(), -1);
      return;
    case 'tokens':
      return;
    case 'features':
    case 'embedding':
      break;
    default:
      plans.local(localOf(layer, x(), y(), layer.kind === 'add' ? plans.outOf(layer.inputs[1]) : -1));
  }
  plans.boundary(layer.id, y(), 1);
};

const localOf = (layer: LayerOf<'relu' | 'gelu' | 'swiglu' | 'dropout' | 'rotary' | 'add'>, x: number, y: number, branch: number): LocalStep => {
  switch (layer.kind) {
    case 'relu':
    case 'swiglu':
      return { op: layer.kind, layer: layer.id, x, y };
    case 'gelu':
      return { op: 'gelu', layer: layer.id, approximation: layer.approximation, x, y };
    case 'dropout':
      return { op: 'dropout', layer: layer.id, rate: layer.rate, x, y, direction: 1 };
    case 'rotary':
      return { op: 'rotary', layer: layer.id, x, direction: 1, heads: layer.heads, kvHeads: layer.kvHeads, headSize: layer.headSize };
    case 'add':
      return { op: 'add', layer: layer.id, x, branch, y, direction: 1 };
  }
};

/** Computes a block's inner activations again; what lies in the place of its output holds a delta by then and stays. */
export const replay = (plans: Plans, layers: readonly Layer[]): void => {
  const output = plans.outOf(layers[layers.length - 1]?.id);
  const inner = layers.filter((layer) => plans.outOf(layer.id) !== output);
  if (inner.length === 0) return;
  const first = inner[0] as Layer;
  if (first.kind !== 'linear' && first.kind !== 'norm' && first.kind !== 'attention') plans.pass({ op: 'locals', backward: true });
  const from = plans.passes.length;
  for (const layer of inner) compute(plans, layer);
  const read = plans.outOf(layers[0]?.inputs[0]), begin = first.kind !== 'linear' && first.kind !== 'norm' && first.kind !== 'attention' ? from - 1 : from;
  for (let i = begin; i < plans.passes.length; i++) {
    const pass = plans.passes[i];
    if (pass !== undefined) plans.passes[i] = { ...pass, backward: true, ...(i === begin && plans.recompute === 'offload' ? { returns: read } : {}) };
  }
};
