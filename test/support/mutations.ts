/**
 * A second witness and its planted faults: the training step on one device in scalar fp32, after docs/numerics.md, every operation rounded.
 *
 * It knows neither the kernels nor the oracle. Without a fault its results must lie within the oracle's bounds; with a fault they must not: that
 * is what shows that the bounds are no formality. Written for clearness and small sizes.
 * Not here: its arithmetic (witness-arithmetic.ts), a transformer's layers (witness-layers.ts), the optimizers' witness (mutations-update.ts), the data on which faults show (mutations-cases.ts).
 */
import type { Model } from '../../src/model/graph.js';
import type { ReferenceBatch } from '../../src/reference/step.js';
import { bfloat16, exp, f, featureSum, fill, log, tokenSum } from './witness-arithmetic.js';
import * as layers from './witness-layers.js';

export { bfloat16 } from './witness-arithmetic.js';

export type Fault =
  /** Term number `term` is left out of the sum of one element: of y (forward), of dx (delta) or of dw (gradient) of a linear layer. */
  | { readonly kind: 'droppedTerm'; readonly of: 'forward' | 'delta' | 'gradient'; readonly layer: number; readonly element: number; readonly term: number }
  /** One leaf of all gradients of a layer enters the tree twice. */
  | { readonly kind: 'slabTwice'; readonly layer: number; readonly slab: number }
  /** One element of a layer's output or delta changes its sign. */
  | { readonly kind: 'flippedSign'; readonly of: 'activations' | 'deltas'; readonly layer: number; readonly element: number }
  /** A layer's output or delta loses its low 16 bits by rounding. */
  | { readonly kind: 'bfloat16'; readonly of: 'activations' | 'deltas'; readonly layer: number };

export interface Witness {
  readonly loss: number;
  readonly activations: readonly Float32Array[];
  readonly deltas: readonly Float32Array[];
  readonly gradients: readonly Float32Array[];
}

/** The step in fp32 with at most one fault. `parameters` in graph order. */
export const witnessStep = (model: Model, parameters: readonly Float32Array[], batch: ReferenceBatch, fault?: Fault): Witness => {
  const samples = batch.labels.length, T = model.tokensPerSample;
  const norms = new Map<number, layers.WitnessNorm>();
  const activations: Float32Array[] = model.layers.map(() => new Float32Array(0));
  const deltas: Float32Array[] = model.layers.map(() => new Float32Array(0));
  const gradients: Float32Array[] = model.parameters.map((p) => new Float32Array(p.size));
  const parameter = (index: number): Float32Array => parameters[index] as Float32Array;
  const spoil = (of: 'activations' | 'deltas', layer: number, values: Float32Array): Float32Array => {
    if (fault?.kind === 'flippedSign' && fault.of === of && fault.layer === layer) values[fault.element] = -(values[fault.element] as number);
    if (fault?.kind === 'bfloat16' && fault.of === of && fault.layer === layer) return values.map(bfloat16);
    return values;
  };
  const dropped = (of: 'forward' | 'delta' | 'gradient', layer: number, element: number): number =>
    fault?.kind === 'droppedTerm' && fault.of === of && fault.layer === layer && fault.element === element ? fault.term : -1;
  const doubled = (layer: number): number => (fault?.kind === 'slabTwice' && fault.layer === layer ? fault.slab : -1);

  const valid = batch.labels.reduce((n, label) => n + (label >= 0 ? 1 : 0), 0);
  const factor = f(1 / valid);
  let loss = NaN;
  for (const layer of model.layers) {
    const before = layer.inputs[0] ?? 0, x = activations[before] as Float32Array, width = layer.features;
    let y: Float32Array = new Float32Array(0);
    if (layer.kind === 'features' || layer.kind === 'tokens') y = Float32Array.from(batch.inputs);
    else if (layer.kind === 'embedding') {
      const { dim, positions } = layer;
      y = fill(samples * width, (at) => {
        const row = parameter(layer.table)[(batch.inputs[Math.floor(at / dim)] as number) * dim + (at % dim)] as number;
        return positions === null ? row : f(row + (parameter(positions)[(Math.floor(at / dim) % T) * dim + (at % dim)] as number));
      });
    }
    else if (layer.kind === 'relu') y = x.map((v) => (v > 0 ? v : 0));
    else if (layer.kind === 'gelu') y = x.map((v) => layers.gelu(v, layer.approximation).y);
    else if (layer.kind === 'swiglu') y = layers.swiglu(x, width);
    else if (layer.kind === 'norm') {
      const made = layers.norm(layer, x, parameter(layer.weight), layer.bias === null ? null : parameter(layer.bias));
      norms.set(layer.id, made);
      y = made.y;
    } else if (layer.kind === 'rotary') y = layers.rotary(layer, x, T, 1);
    else if (layer.kind === 'attention') y = layers.attention(layer, x, T);
    else if (layer.kind === 'dropout') y = layers.dropout(layer, x, batch.dropout).slice();
    else if (layer.kind === 'add') y = x.map((v, at) => f(v + ((activations[layer.inputs[1] as number] as Float32Array)[at] as number)));
    else if (layer.kind === 'linear') {
      const w = parameter(layer.weight), n = layer.inFeatures;
      y = fill(samples * width, (at) => {
        const t = Math.floor(at / width), o = at % width;
        const sum = featureSum(n, (i) => f((w[layer.tied ? o * n + i : i * width + o] as number) * (x[t * n + i] as number)), dropped('forward', layer.id, at));
        return layer.bias === null ? sum : f(sum + (parameter(layer.bias)[o] as number));
      });
    } else {
      const losses = new Float32Array(samples), delta = new Float32Array(samples * width);
      y = new Float32Array(samples * width);
      for (let t = 0; t < samples; t++) {
        const row = x.subarray(t * width, t * width + width), label = batch.labels[t] as number;
        const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
        const e = row.map((v) => exp(f(v - max)));
        const s = featureSum(width, (k) => e[k] as number);
        for (let k = 0; k < width; k++) {
          const p = f((e[k] as number) / s);
          y[t * width + k] = p;
          delta[t * width + k] = label < 0 ? 0 : f((k === label ? f(p - 1) : p) * factor);
        }
        losses[t] = label < 0 ? 0 : f(log(s) - f((row[label] as number) - max));
      }
      loss = f(tokenSum(samples, T, (t) => ((batch.labels[t] as number) < 0 ? [] : [losses[t] as number]), -1, doubled(layer.id)) * factor);
      deltas[before] = spoil('deltas', before, delta);
    }
    activations[layer.id] = spoil('activations', layer.id, y);
  }

  for (const layer of model.layers.toReversed()) {
    const before = layer.inputs[0] ?? 0, x = activations[before] as Float32Array, d = deltas[layer.id] as Float32Array, width = layer.features;
    /** What passes by comes first: a residual stands behind its branch. */
    const hand = (to: number, made: Float32Array): void => {
      if (to === 0) return;
      const met = deltas[to] as Float32Array;
      deltas[to] = spoil('deltas', to, met.length === 0 ? made : met.map((v, at) => f(v + (made[at] as number))));
    };
    if (layer.kind === 'linear') {
      const w = parameter(layer.weight), n = layer.inFeatures;
      gradients[layer.weight] = fill(n * width, (at) => {
        const i = layer.tied ? at % n : Math.floor(at / width), o = layer.tied ? Math.floor(at / n) : at % width;
        return tokenSum(samples, T, (t) => [f((x[t * n + i] as number) * (d[t * width + o] as number))], dropped('gradient', layer.id, at), doubled(layer.id));
      });
      if (layer.bias !== null) gradients[layer.bias] = fill(width, (o) => tokenSum(samples, T, (t) => [d[t * width + o] as number], -1, doubled(layer.id)));
      if (before > 0) {
        hand(before, fill(samples * n, (at) => {
          const t = Math.floor(at / n), i = at % n;
          return featureSum(width, (o) => f((w[layer.tied ? o * n + i : i * width + o] as number) * (d[t * width + o] as number)), dropped('delta', layer.id, at));
        }));
      }
    } else if (layer.kind === 'relu') hand(before, d.map((v, at) => ((activations[layer.id] as Float32Array)[at] as number) > 0 ? v : 0));
    else if (layer.kind === 'gelu') hand(before, d.map((v, at) => f(v * layers.gelu(x[at] as number, layer.approximation).slope)));
    else if (layer.kind === 'swiglu') hand(before, layers.swigluDelta(d, x, width));
    else if (layer.kind === 'norm') {
      const made = norms.get(layer.id) as layers.WitnessNorm;
      gradients[layer.weight] = fill(width, (i) => tokenSum(samples, T, (t) => [f((d[t * width + i] as number) * (made.xhat[t * width + i] as number))], -1, doubled(layer.id)));
      if (layer.bias !== null) gradients[layer.bias] = fill(width, (i) => tokenSum(samples, T, (t) => [d[t * width + i] as number], -1, doubled(layer.id)));
      if (before > 0) hand(before, layers.normDelta(layer, d, made, parameter(layer.weight)));
    } else if (layer.kind === 'rotary') hand(before, layers.rotary(layer, d, T, -1));
    else if (layer.kind === 'attention') hand(before, layers.attentionDelta(layer, d, x, activations[layer.id] as Float32Array, T));
    else if (layer.kind === 'dropout') hand(before, layers.dropout(layer, d, batch.dropout).slice());
    else if (layer.kind === 'add') for (const input of layer.inputs) hand(input, d.slice());
    else if (layer.kind === 'embedding') {
      const { context, dim } = layer, ids = batch.inputs;
      if (layer.positions !== null) gradients[layer.positions] = fill(T * dim, (at) => tokenSum(samples, T, (t) => (t % T === Math.floor(at / dim) ? [d[t * dim + (at % dim)] as number] : []), -1, doubled(layer.id)));
      const head = gradients[layer.table] as Float32Array, tied = model.layers.some((l) => l.kind === 'linear' && l.tied);
      const table = fill(layer.vocabulary * dim, (at) => {
        const v = Math.floor(at / dim), k = at % dim;
        return tokenSum(samples, T, (t) => Array.from({ length: context }, (_, c) => c).filter((c) => ids[t * context + c] === v).map((c) => d[(t * context + c) * dim + k] as number), -1, doubled(layer.id));
      });
      gradients[layer.table] = tied ? table.map((v, at) => f((head[at] as number) + v)) : table;
    }
  }
  return { loss, activations, deltas, gradients };
};
