/**
 * The graph: what is trained, as plain data with every shape checked when it is built.
 *
 *   model({ name, input, layers: [linear(512), relu(), linear(10)] })  →  Model { layers, parameters }
 *
 * Layers stand in topological order and name the layers that they read. Shapes are per token: a layer's output has
 * `features` values for each token (a sample of these models is one token).
 * Not here: values of parameters (init.ts), placement (compiler/), arithmetic (kernels/).
 */
import { InvalidModel } from '../util/errors.js';

export type LayerId = number;

/** How a parameter tensor is first filled; see docs/numerics.md §8. */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly std: number };

/** A trained tensor: rank 1 or 2, f32, dense index row-major. */
export interface ParameterSpec {
  /** Place in graph order; the key of its random numbers. */
  readonly index: number;
  /** `<layer>.weight` or `<layer>.bias`. */
  readonly name: string;
  readonly layer: LayerId;
  readonly role: 'weight' | 'bias' | 'table';
  /** Linear weight [inputs, outputs], bias [outputs], embedding table [vocabulary, dim]. */
  readonly shape: readonly number[];
  readonly size: number;
  readonly init: Initializer;
}

interface LayerBase {
  readonly id: LayerId;
  readonly name: string;
  readonly inputs: readonly LayerId[];
  /** Values per token that this layer gives. */
  readonly features: number;
}

export type Layer =
  | (LayerBase & { readonly kind: 'features' })
  | (LayerBase & { readonly kind: 'tokens'; readonly vocabulary: number; readonly context: number })
  | (LayerBase & { readonly kind: 'embedding'; readonly vocabulary: number; readonly context: number; readonly dim: number; readonly table: number })
  | (LayerBase & { readonly kind: 'linear'; readonly inFeatures: number; readonly weight: number; readonly bias: number | null })
  | (LayerBase & { readonly kind: 'relu' })
  | (LayerBase & { readonly kind: 'gelu'; readonly approximation: 'tanh' })
  | (LayerBase & { readonly kind: 'softmaxCrossEntropy'; readonly classes: number });

export type LayerKind = Layer['kind'];

/** A checked graph. Plain data: it survives structured clone and JSON. */
export interface Model {
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly parameters: readonly ParameterSpec[];
  /** Σ sizes of all parameters. */
  readonly parameterCount: number;
}

/** What a model reads for each sample: `features` numbers, or `context` token ids below `vocabulary`. */
export type InputSpec =
  | { readonly kind: 'features'; readonly features: number }
  | { readonly kind: 'tokens'; readonly vocabulary: number; readonly context: number };

/** A layer before it has a place: made by the functions of layers.ts. */
export type LayerSpec =
  | { readonly kind: 'embedding'; readonly dim: number; readonly init?: Initializer }
  | { readonly kind: 'linear'; readonly features: number; readonly bias: boolean; readonly init?: Initializer }
  | { readonly kind: 'relu' }
  | { readonly kind: 'gelu'; readonly approximation: 'tanh' };

/** Largest number of values in one dimension; indices stay far below 2^31. */
const dimensionMax = 1 << 24;

const checkSize = (what: string, value: number): void => {
  if (!Number.isInteger(value) || value < 1 || value > dimensionMax) {
    throw new InvalidModel({ what, value, limit: `an integer from 1 to ${dimensionMax}`, hint: 'give a whole positive number' });
  }
};

/**
 * Builds a checked graph: an input, a chain of layers, and a softmax cross-entropy over the last layer's features.
 *
 * @throws InvalidModel naming the layer, the value and the limit.
 */
export const model = (spec: { readonly name?: string; readonly input: InputSpec; readonly layers: readonly LayerSpec[] }): Model => {
  const layers: Layer[] = [];
  const parameters: ParameterSpec[] = [];
  const addParameter = (layer: LayerId, layerName: string, role: ParameterSpec['role'], shape: readonly number[], init: Initializer): number => {
    const size = shape.reduce((a, b) => a * b, 1);
    if (size > 2 ** 29) {
      throw new InvalidModel({ what: `${layerName}.${role} has ${size} values`, limit: 2 ** 29, hint: 'use a smaller layer' });
    }
    const name = `${layerName}.${role === 'table' ? 'weight' : role}`;
    parameters.push({ index: parameters.length, name, layer, role, shape, size, init });
    return parameters.length - 1;
  };

  if (spec.input.kind === 'features') {
    checkSize('input features', spec.input.features);
    layers.push({ id: 0, name: 'input', kind: 'features', inputs: [], features: spec.input.features });
  } else {
    checkSize('input vocabulary', spec.input.vocabulary);
    checkSize('input context', spec.input.context);
    layers.push({ id: 0, name: 'input', kind: 'tokens', inputs: [], features: spec.input.context, vocabulary: spec.input.vocabulary, context: spec.input.context });
    if (spec.layers[0]?.kind !== 'embedding') {
      throw new InvalidModel({ what: 'a model of token ids', where: 'layers[0]', value: spec.layers[0]?.kind ?? 'nothing', limit: 'embedding', hint: 'put embedding({ dim }) first' });
    }
  }

  const counts = new Map<string, number>();
  for (const [position, layer] of spec.layers.entries()) {
    const input = layers[layers.length - 1] as Layer;
    const count = counts.get(layer.kind) ?? 0;
    counts.set(layer.kind, count + 1);
    const id = layers.length;
    const name = `${layer.kind}${count}`;
    const inputs = [input.id];
    switch (layer.kind) {
      case 'embedding': {
        checkSize(`${name} dim`, layer.dim);
        if (input.kind !== 'tokens') {
          throw new InvalidModel({ what: 'an embedding reads token ids', where: `layers[${position}]`, value: input.kind, limit: 'the input of a token model', hint: 'make the input tokens({ vocabulary, context }) and the embedding the first layer' });
        }
        const table = addParameter(id, name, 'table', [input.vocabulary, layer.dim], layer.init ?? { kind: 'normal', std: 1 });
        layers.push({ id, name, kind: 'embedding', inputs, features: input.context * layer.dim, vocabulary: input.vocabulary, context: input.context, dim: layer.dim, table });
        break;
      }
      case 'linear': {
        checkSize(`${name} features`, layer.features);
        const bound = 1 / Math.sqrt(input.features);
        const weight = addParameter(id, name, 'weight', [input.features, layer.features], layer.init ?? { kind: 'uniform', bound });
        const bias = layer.bias ? addParameter(id, name, 'bias', [layer.features], { kind: 'uniform', bound }) : null;
        layers.push({ id, name, kind: 'linear', inputs, features: layer.features, inFeatures: input.features, weight, bias });
        break;
      }
      case 'relu':
        layers.push({ id, name, kind: 'relu', inputs, features: input.features });
        break;
      case 'gelu':
        layers.push({ id, name, kind: 'gelu', approximation: layer.approximation, inputs, features: input.features });
        break;
      default:
        layer satisfies never;
        throw new InvalidModel({ what: 'unknown layer', where: `layers[${position}]`, value: (layer as { kind: string }).kind, hint: 'use embedding, linear, relu or gelu' });
    }
  }
  if (parameters.length === 0) throw new InvalidModel({ what: 'a model without parameters', where: 'layers', hint: 'add at least one linear layer' });
  const last = layers[layers.length - 1] as Layer;
  layers.push({ id: layers.length, name: 'loss', kind: 'softmaxCrossEntropy', inputs: [last.id], features: last.features, classes: last.features });
  return { name: spec.name ?? 'model', layers, parameters, parameterCount: parameters.reduce((sum, p) => sum + p.size, 0) };
};
