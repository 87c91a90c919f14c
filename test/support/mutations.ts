/**
 * A second witness and its planted faults: the training step on one device in scalar fp32, after docs/numerics.md, every operation rounded.
 *
 * It knows neither the kernels nor the oracle. Without a fault its results must lie within the oracle's bounds; with a fault they must not: that
 * is what shows that the bounds are no formality. Written for clearness and small sizes.
 * Not here: the optimizers' witness (mutations-update.ts), the data on which faults show (mutations-cases.ts).
 */
import type { Model } from '../../src/model/graph.js';
import type { ReferenceBatch } from '../../src/reference/step.js';
import { purposes, randomWord } from '../../src/util/prng.js';

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

const f = Math.fround;
const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

/** `value` moved by `steps` representable numbers away from zero. */
const moved = (value: number, steps: number): number => {
  word[0] = value;
  if (value !== 0 && Number.isFinite(value)) bits[0] = (bits[0] as number) + steps;
  return word[0] as number;
};

/** Round to nearest even to 8 bits of significand. */
export const bfloat16 = (value: number): number => {
  word[0] = value;
  const b = bits[0] as number;
  bits[0] = (b + 0x7fff + ((b >>> 16) & 1)) & 0xffff0000;
  return word[0] as number;
};

/** Elementary functions with an error of up to 1.5 ulp, drawn from the argument's bits: within the stated 2, and not the engine's best. */
const rough = (of: (x: number) => number, x: number): number => {
  word[0] = x;
  const draw = randomWord(1, purposes.testData, bits[0] as number) % 3;
  return moved(f(of(x)), draw - 1);
};
const exp = (x: number): number => (x === 0 ? 1 : rough(Math.exp, x));
const tanh = (x: number): number => (Math.abs(x) > 9.1 ? Math.sign(x) : Math.max(-1, Math.min(1, rough(Math.tanh, x))));
const log = (x: number): number => rough(Math.log, x);

/** Chunks of 256 from +0, ascending; chunk sums ascending. */
const featureSum = (n: number, term: (i: number) => number, dropped = -1): number => {
  let sum = 0;
  for (let first = 0; first < n; first += 256) {
    let chunk = 0;
    for (let i = first; i < Math.min(n, first + 256); i++) if (i !== dropped) chunk = f(chunk + term(i));
    sum = first === 0 ? chunk : f(sum + chunk);
  }
  return sum;
};

/** Leaves of 32 tokens in the full binary tree; `term` gives the terms of a token, in order. */
const tokenSum = (tokens: number, terms: (t: number) => readonly number[], droppedToken = -1, doubledSlab = -1): number => {
  const leaf = (slab: number): number | null => {
    let sum = 0, any = false;
    for (let t = slab * 32; t < Math.min(tokens, slab * 32 + 32); t++) {
      if (t === droppedToken) continue;
      for (const term of terms(t)) {
        sum = f(sum + term);
        any = true;
      }
    }
    return any ? (slab === doubledSlab ? f(sum + sum) : sum) : null;
  };
  const node = (first: number, width: number): number | null => {
    if (first * 32 >= tokens) return null;
    if (width === 1) return leaf(first);
    const left = node(first, width / 2), right = node(first + width / 2, width / 2);
    return left === null ? right : right === null ? left : f(left + right);
  };
  let width = 1;
  while (width * 32 < tokens) width *= 2;
  return node(0, width) ?? 0;
};

const gelu = (x: number): { readonly y: number; readonly slope: number } => {
  const c = f(Math.sqrt(2 / Math.PI)), a = f(0.044715), a3 = f(3 * 0.044715);
  const u = f(c * f(x + f(a * f(f(x * x) * x))));
  const th = tanh(u), s = f(1 - f(th * th)), g = f(c * f(1 + f(a3 * f(x * x))));
  return { y: f(f(0.5 * x) * f(1 + th)), slope: f(f(0.5 * f(1 + th)) + f(f(f(0.5 * x) * s) * g)) };
};

const fill = (size: number, of: (index: number) => number): Float32Array<ArrayBuffer> => Float32Array.from({ length: size }, (_, index) => of(index));

/** The step in fp32 with at most one fault. `parameters` in graph order. */
export const witnessStep = (model: Model, parameters: readonly Float32Array[], batch: ReferenceBatch, fault?: Fault): Witness => {
  const samples = batch.labels.length;
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
    else if (layer.kind === 'embedding') y = fill(samples * width, (at) => parameter(layer.table)[(batch.inputs[Math.floor(at / layer.dim)] as number) * layer.dim + (at % layer.dim)] as number);
    else if (layer.kind === 'relu') y = x.map((v) => (v > 0 ? v : 0));
    else if (layer.kind === 'gelu') y = x.map((v) => gelu(v).y);
    else if (layer.kind === 'linear') {
      const w = parameter(layer.weight), n = layer.inFeatures;
      y = fill(samples * width, (at) => {
        const t = Math.floor(at / width), o = at % width;
        const sum = featureSum(n, (i) => f((w[i * width + o] as number) * (x[t * n + i] as number)), dropped('forward', layer.id, at));
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
      loss = f(tokenSum(samples, (t) => ((batch.labels[t] as number) < 0 ? [] : [losses[t] as number]), -1, doubled(layer.id)) * factor);
      deltas[before] = spoil('deltas', before, delta);
    }
    activations[layer.id] = spoil('activations', layer.id, y);
  }

  for (const layer of model.layers.toReversed()) {
    const before = layer.inputs[0] ?? 0, x = activations[before] as Float32Array, d = deltas[layer.id] as Float32Array, width = layer.features;
    if (layer.kind === 'linear') {
      const w = parameter(layer.weight), n = layer.inFeatures;
      gradients[layer.weight] = fill(n * width, (at) => {
        const i = Math.floor(at / width), o = at % width;
        return tokenSum(samples, (t) => [f((x[t * n + i] as number) * (d[t * width + o] as number))], dropped('gradient', layer.id, at), doubled(layer.id));
      });
      if (layer.bias !== null) gradients[layer.bias] = fill(width, (o) => tokenSum(samples, (t) => [d[t * width + o] as number], -1, doubled(layer.id)));
      if (before > 0) {
        deltas[before] = spoil('deltas', before, fill(samples * n, (at) => {
          const t = Math.floor(at / n), i = at % n;
          return featureSum(width, (o) => f((w[i * width + o] as number) * (d[t * width + o] as number)), dropped('delta', layer.id, at));
        }));
      }
    } else if (layer.kind === 'relu') deltas[before] = spoil('deltas', before, d.map((v, at) => ((activations[layer.id] as Float32Array)[at] as number) > 0 ? v : 0));
    else if (layer.kind === 'gelu') deltas[before] = spoil('deltas', before, d.map((v, at) => f(v * gelu(x[at] as number).slope)));
    else if (layer.kind === 'embedding') {
      const { context, dim } = layer, ids = batch.inputs;
      gradients[layer.table] = fill(layer.vocabulary * dim, (at) => {
        const v = Math.floor(at / dim), k = at % dim;
        return tokenSum(samples, (t) => Array.from({ length: context }, (_, c) => c).filter((c) => ids[t * context + c] === v).map((c) => d[(t * context + c) * dim + k] as number), -1, doubled(layer.id));
      });
    }
  }
  return { loss, activations, deltas, gradients };
};
