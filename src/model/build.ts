/**
 * Building a graph: layer specs become layers with places, names, shapes and parameters, or are refused.
 *
 *   input, [embedding, block([residual([norm, linear, attention, linear]), …]), norm, linear]  →  Model
 *
 * Not here: the vocabulary of layers (graph.ts, layers.ts), ready-made stacks (presets/).
 */
import { InvalidModel } from '../util/errors.js';
import type { Heads, Initializer, InputSpec, Layer, LayerOf, LayerSpec, Model, ParameterSpec } from './graph.js';

/** Largest number of values in one dimension; a plan may have larger tensors than a run (`checkRunnable`). */
const dimensionMax = 1 << 24;
/** Most values in one tensor of a model that runs. */
const tensorMax = 2 ** 31;

/** @throws InvalidModel for a tensor that no memory of this emulator holds in one piece; a plan needs none */
export const checkRunnable = (model: Model): void => {
  const large = model.parameters.find(({ size }) => size > tensorMax);
  if (large !== undefined) throw new InvalidModel({ what: `${large.name} has ${large.size} values`, limit: tensorMax, hint: 'use a smaller layer, or plan the model without running it' });
};

const checkSize = (what: string, value: number): void => {
  if (!Number.isInteger(value) || value < 1 || value > dimensionMax) {
    throw new InvalidModel({ what, value, limit: `an integer from 1 to ${dimensionMax}`, hint: 'give a whole positive number' });
  }
};

const checkHeads = (name: string, { heads, kvHeads, headSize }: Heads, features: number): void => {
  checkSize(`${name} heads`, heads);
  checkSize(`${name} kvHeads`, kvHeads);
  checkSize(`${name} headSize`, headSize);
  if (heads % kvHeads !== 0) throw new InvalidModel({ what: `${name}: key–value heads must divide heads`, value: kvHeads, limit: `a divisor of ${heads}` });
  const wanted = (heads + 2 * kvHeads) * headSize;
  if (features !== wanted) {
    throw new InvalidModel({ what: `${name} reads Q, K and V side by side`, value: features, limit: `${wanted} features for ${heads} heads and ${kvHeads} key–value heads of ${headSize}`, hint: `put linear(${wanted}) in front` });
  }
};

class Builder {
  readonly layers: Layer[] = [];
  readonly parameters: ParameterSpec[] = [];
  readonly #counts = new Map<string, number>();
  readonly #names = new Set<string>();
  readonly #parameterNames = new Set<string>();
  #blocks = 0;
  #block: number | null = null;

  get last(): Layer {
    return this.layers[this.layers.length - 1] as Layer;
  }

  parameter(layer: number, name: string, role: ParameterSpec['role'], shape: readonly number[], init: Initializer): number {
    const size = shape.reduce((a, b) => a * b, 1);
    if (this.#parameterNames.has(name)) throw new InvalidModel({ what: 'two parameters of one name', value: name, hint: 'give every layer its own name' });
    this.#parameterNames.add(name);
    this.parameters.push({ index: this.parameters.length, name, layer, role, shape, size, init });
    return this.parameters.length - 1;
  }

  #name(spec: { readonly name?: string; readonly kind: string }): string {
    const count = this.#counts.get(spec.kind) ?? 0;
    this.#counts.set(spec.kind, count + 1);
    const name = spec.name ?? `${spec.kind}${count}`;
    if (this.#names.has(name)) throw new InvalidModel({ what: 'two layers of one name', value: name, hint: 'give every layer its own name' });
    this.#names.add(name);
    return name;
  }

  add(specs: readonly LayerSpec[], path: string): void {
    for (const [position, spec] of specs.entries()) this.#addOne(spec, `${path}[${position}]`);
  }

  #push(layer: DistributiveOmit<Layer, 'id' | 'block' | 'inputs'> & { readonly inputs?: readonly number[] }): void {
    const id = this.layers.length;
    this.layers.push({ inputs: [id - 1], ...layer, id, block: this.#block } as Layer);
  }

  #addOne(spec: LayerSpec, where: string): void {
    const input = this.last, id = this.layers.length;
    if (spec.kind === 'residual' || spec.kind === 'block') {
      if (spec.layers.length === 0) throw new InvalidModel({ what: `an empty ${spec.kind}`, where, hint: 'give it layers' });
      if (input.kind === 'tokens') throw new InvalidModel({ what: `a ${spec.kind} over token ids`, where, hint: 'put embedding({ dim }) first' });
      if (spec.kind === 'block') this.#addBlock(spec.layers, where);
      else this.#addResidual(spec, input, where);
      return;
    }
    const name = this.#name(spec);
    const wantsSequence = (): void => {
      if (this.layers[0]?.kind !== 'tokens' || this.layers[0].context !== 1) {
        throw new InvalidModel({ what: `${spec.kind} works over the tokens of a sequence`, where, value: 'another input', limit: 'sequence({ vocabulary, context })' });
      }
    };
    if (spec.kind !== 'embedding' && input.kind === 'tokens') throw new InvalidModel({ what: 'a model of token ids', where, value: spec.kind, limit: 'embedding', hint: 'put embedding({ dim }) first' });
    const { features } = input;
    switch (spec.kind) {
      case 'embedding':
        this.#addEmbedding(spec, name, input, where);
        break;
      case 'linear':
        this.#addLinear(spec, name, features, where);
        break;
      case 'norm': {
        if (!(spec.epsilon > 0 && Number.isFinite(spec.epsilon))) throw new InvalidModel({ what: `${name} epsilon`, value: spec.epsilon, limit: 'a number above 0' });
        const weight = this.parameter(id, `${name}.weight`, 'gain', [features], { kind: 'ones' });
        const bias = spec.bias ? this.parameter(id, `${name}.bias`, 'bias', [features], { kind: 'zeros' }) : null;
        this.#push({ name, kind: 'norm', centered: spec.centered, epsilon: spec.epsilon, weight, bias, features });
        break;
      }
      case 'rotary': {
        wantsSequence();
        const { heads, kvHeads, headSize, theta } = spec;
        checkHeads(name, spec, features);
        if (headSize % 2 !== 0) throw new InvalidModel({ what: `${name} turns pairs of features`, value: headSize, limit: 'an even headSize' });
        if (!(theta > 1 && Number.isFinite(theta))) throw new InvalidModel({ what: `${name} theta`, value: theta, limit: 'a number above 1' });
        this.#push({ name, kind: 'rotary', heads, kvHeads, headSize, theta, scaling: spec.scaling ?? null, features });
        break;
      }
      case 'attention': {
        wantsSequence();
        const { heads, kvHeads, headSize } = spec;
        checkHeads(name, spec, features);
        this.#push({ name, kind: 'attention', heads, kvHeads, headSize, features: heads * headSize });
        break;
      }
      case 'swiglu':
        if (features % 2 !== 0) throw new InvalidModel({ what: `${name} reads a gate and as many values`, value: features, limit: 'an even number of features' });
        this.#push({ name, kind: 'swiglu', features: features / 2 });
        break;
      case 'dropout':
        if (!(spec.rate >= 0 && spec.rate < 1)) throw new InvalidModel({ what: `${name} rate`, value: spec.rate, limit: '0 ≤ rate < 1' });
        this.#push({ name, kind: 'dropout', rate: spec.rate, features });
        break;
      case 'relu':
        this.#push({ name, kind: 'relu', features });
        break;
      case 'gelu':
        this.#push({ name, kind: 'gelu', approximation: spec.approximation, features });
        break;
      default:
        spec satisfies never;
        throw new InvalidModel({ what: 'unknown layer', where, value: (spec as { kind: string }).kind, hint: 'use the functions of layers.ts' });
    }
  }

  #addBlock(layers: readonly LayerSpec[], where: string): void {
    if (this.#block !== null) throw new InvalidModel({ what: 'a block inside a block', where, hint: 'blocks stand one after the other' });
    this.#block = this.#blocks++;
    this.add(layers, `${where}.layers`);
    this.#block = null;
  }

  #addResidual(spec: Extract<LayerSpec, { kind: 'residual' }>, input: Layer, where: string): void {
    if (spec.layers.some((layer) => layer.kind === 'residual' || layer.kind === 'block')) throw new InvalidModel({ what: 'a residual inside a residual', where, hint: 'residuals stand one after the other' });
    this.add(spec.layers, `${where}.layers`);
    const branch = this.last;
    if (branch.features !== input.features) {
      throw new InvalidModel({ what: 'a residual adds its branch to what passes by', where, value: `${branch.features} features of the branch`, limit: `${input.features}`, hint: `end the branch with linear(${input.features})` });
    }
    this.#push({ name: this.#name({ ...spec, kind: 'residual' }), kind: 'add', inputs: [input.id, branch.id], features: input.features });
  }

  #addEmbedding(spec: Extract<LayerSpec, { kind: 'embedding' }>, name: string, input: Layer, where: string): void {
    checkSize(`${name} dim`, spec.dim);
    if (input.kind !== 'tokens') {
      throw new InvalidModel({ what: 'an embedding reads token ids', where, value: input.kind, limit: 'the input of a token model', hint: 'make the input tokens(…) or sequence(…) and the embedding the first layer' });
    }
    const id = this.layers.length;
    const table = this.parameter(id, `${name}.weight`, 'table', [input.vocabulary, spec.dim], spec.init ?? { kind: 'normal', std: 1 });
    let positions: number | null = null;
    if (spec.positions !== undefined) {
      if (this.places < 1) throw new InvalidModel({ what: `${name} positions`, where, value: 'an input of windows', limit: 'sequence({ vocabulary, context })' });
      positions = this.parameter(id, `${spec.positions.name ?? `${name}.positions`}.weight`, 'table', [this.places, spec.dim], spec.positions.init ?? { kind: 'normal', std: 0.02 });
    }
    this.#push({ name, kind: 'embedding', vocabulary: input.vocabulary, context: input.context, dim: spec.dim, table, positions, features: input.context * spec.dim });
  }

  #addLinear(spec: Extract<LayerSpec, { kind: 'linear' }>, name: string, inFeatures: number, where: string): void {
    checkSize(`${name} features`, spec.features);
    const id = this.layers.length, bound = 1 / Math.sqrt(inFeatures);
    if (spec.tied === true) {
      const embedding = this.layers.find((layer): layer is LayerOf<'embedding'> => layer.kind === 'embedding');
      if (embedding === undefined || embedding.dim !== inFeatures || embedding.vocabulary !== spec.features || spec.bias) {
        throw new InvalidModel({
          what: `${name} is tied to the embedding`, where, value: `${inFeatures} → ${spec.features}${spec.bias ? ' with a bias' : ''}`,
          limit: embedding === undefined ? 'an embedding layer' : `${embedding.dim} → ${embedding.vocabulary} without a bias`,
        });
      }
      if (this.layers.some((layer) => layer.kind === 'linear' && layer.tied)) throw new InvalidModel({ what: 'two layers tied to one embedding', where, hint: 'tie the last linear layer only' });
      this.#push({ name, kind: 'linear', inFeatures, weight: embedding.table, bias: null, tied: true, features: spec.features });
      return;
    }
    const weight = this.parameter(id, `${name}.weight`, 'weight', [inFeatures, spec.features], spec.init ?? { kind: 'uniform', bound });
    const bias = spec.bias ? this.parameter(id, `${name}.bias`, 'bias', [spec.features], spec.init === undefined ? { kind: 'uniform', bound } : { kind: 'zeros' }) : null;
    this.#push({ name, kind: 'linear', inFeatures, weight, bias, tied: false, features: spec.features });
  }

  /** Tokens of a sample; 0 where a sample is one token. */
  places = 0;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/**
 * Builds a checked graph: an input, a stack of layers, and a softmax cross-entropy over the last layer's features.
 *
 * @throws InvalidModel naming the layer, the value and the limit.
 */
export const model = (spec: { readonly name?: string; readonly input: InputSpec; readonly layers: readonly LayerSpec[] }): Model => {
  const builder = new Builder();
  const { layers, parameters } = builder;
  const { input } = spec;
  if (input.kind === 'features') {
    checkSize('input features', input.features);
    layers.push({ id: 0, name: 'input', kind: 'features', inputs: [], features: input.features, block: null });
  } else {
    checkSize('input vocabulary', input.vocabulary);
    checkSize('input context', input.context);
    if (input.kind === 'sequence' && input.context < 2) throw new InvalidModel({ what: 'a sequence has at least two tokens', where: 'input.context', value: input.context, hint: 'use tokens({ vocabulary, context: 1 }) for single ones' });
    const context = input.kind === 'sequence' ? 1 : input.context;
    layers.push({ id: 0, name: 'input', kind: 'tokens', inputs: [], features: context, vocabulary: input.vocabulary, context, block: null });
    if (spec.layers[0]?.kind !== 'embedding') {
      throw new InvalidModel({ what: 'a model of token ids', where: 'layers[0]', value: spec.layers[0]?.kind ?? 'nothing', limit: 'embedding', hint: 'put embedding({ dim }) first' });
    }
    if (input.kind === 'sequence') builder.places = input.context;
  }
  builder.add(spec.layers, 'layers');
  if (parameters.length === 0) throw new InvalidModel({ what: 'a model without parameters', where: 'layers', hint: 'add at least one linear layer' });
  const last = builder.last;
  layers.push({ id: layers.length, name: 'loss', kind: 'softmaxCrossEntropy', inputs: [last.id], features: last.features, classes: last.features, block: null });
  return {
    name: spec.name ?? 'model', layers, parameters, parameterCount: parameters.reduce((sum, p) => sum + p.size, 0),
    tokensPerSample: input.kind === 'sequence' ? input.context : 1,
  };
};
