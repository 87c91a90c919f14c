/**
 * The oracle's training step: forward, loss, deltas and gradients of one global batch on one device, in f64, with bounds.
 *
 *   parameters (the cluster's own bits before the step), batch ─▶ loss, activations, deltas, gradients, each { value, bound }
 *
 * It shares no code with what it judges: plain loops, the engine's own elementary functions, no chunks but in the bounds. Where several layers read one,
 * their deltas meet: what passes by first, what comes through the branch after it. Not here: the forward pass (forward.ts), bounds through deep models
 * (probed.ts), the optimizer (update.ts), many steps (train.ts), the verdict (compare.ts).
 */
import type { LayerOf, Model } from '../model/graph.js';
import { EmulatorBug, InvalidConfig } from '../util/errors.js';
import { geluDelta, reluDelta } from './activations.js';
import { attentionDelta } from './attention.js';
import { type Bounded, bounded, exact, type Values } from './bounded.js';
import { embeddingGradient, placesOf } from './embedding.js';
import { at, checkBatch, f64, forward, type ReferenceBatch, type ReferenceForward, type Settle } from './forward.js';
import { swigluDelta } from './gated.js';
import { geluErfDelta } from './gelu-erf.js';
import { biasGradient, linearDelta, transposed, weightGradient } from './linear.js';
import { boundaryOf, type Boundary } from './narrow.js';
import { gainGradient, normDelta, type Normalized } from './norm.js';
import { add, dropout } from './passing.js';
import { rotate } from './rotary.js';

export { type ReferenceBatch, referenceForward, type ReferenceForward } from './forward.js';

export interface ReferenceStep extends ReferenceForward {
  /** By layer, the gradient of the loss by the layer's output, [tokens][features]; empty for the input and the loss. */
  readonly deltas: readonly Bounded[];
  /** By parameter, in graph order and dense index order. */
  readonly gradients: readonly Bounded[];
}

const turned = (matrix: Bounded, rows: number, columns: number): Bounded => ({ value: transposed(matrix.value, rows, columns), bound: transposed(matrix.bound, rows, columns) });

/** Tensors of the machine itself, by layer id, [tokens][features] of the whole batch: the layers behind start from these bits. */
export interface Anchors {
  readonly activations?: ReadonlyMap<number, Values>;
  readonly deltas?: ReadonlyMap<number, Values>;
}

/**
 * The whole step but the update: `parameters` in graph order, taken as exact. Bounds are worst cases; through a dozen layers those say little. With
 * `anchors` every layer is judged by itself: what it makes is bounded given the machine's own input, however deep the model is.
 *
 * @throws InvalidConfig if parameters, batch or anchors do not have the model's sizes.
 */
export const referenceStep = (model: Model, parameters: readonly Values[], batch: ReferenceBatch, anchors: Anchors = {}): ReferenceStep => {
  checkBatch(model, parameters, batch);
  const boundary = boundaryOf(batch.activations ?? 'float32', 'snap');
  return stepWith(model, f64(parameters), batch, boundary, (of, layer, made) => {
    const given = anchors[of]?.get(layer);
    if (given === undefined) return made;
    if (given.length !== made.value.length) throw new InvalidConfig({ what: `${of} of layer ${layer} as anchors`, value: given.length, limit: `${made.value.length} values` });
    return exact(given);
  });
};

/** The step with any rule of what layers read; sizes are checked already. */
export const stepWith = (model: Model, weights: readonly Float64Array[], batch: ReferenceBatch, boundary: Boundary, settle: Settle): ReferenceStep => {
  const { tokensPerSample } = model;
  const { loss, tokenLosses, activations, read, kinks, last, norms, tree } = forward(model, weights, batch, settle, boundary);
  const { tokens } = tree;
  const deltas: Bounded[] = model.layers.map(() => bounded(0));
  const gradients: Bounded[] = model.parameters.map(() => bounded(0));
  /** By layer, deltas of those that read it, the last reader's first. */
  const meeting: Bounded[][] = model.layers.map(() => []);
  const meet = ([first, ...rest]: readonly Bounded[]): Bounded => (first === undefined ? bounded(0) : rest.length === 0 ? first : add(first, meet(rest)));

  const linear = (layer: LayerOf<'linear'>, x: Bounded, delta: Bounded): void => {
    const gradient = weightGradient(x, delta, layer.inFeatures, layer.features, tree);
    // A tied weight's tree stands left of the table's own, which the embedding adds.
    gradients[layer.weight] = layer.tied ? turned(gradient, layer.inFeatures, layer.features) : gradient;
    if (layer.bias !== null) gradients[layer.bias] = biasGradient(delta, layer.features, tree);
  };
  const norm = (layer: LayerOf<'norm'>, normalized: Normalized, delta: Bounded): void => {
    gradients[layer.weight] = gainGradient(delta, normalized, layer.features, tree);
    if (layer.bias !== null) gradients[layer.bias] = biasGradient(delta, layer.features, tree);
  };
  const embedding = (layer: LayerOf<'embedding'>, x: Bounded, delta: Bounded): void => {
    const table = embeddingGradient(delta, Int32Array.from(x.value), layer.vocabulary, layer.context, layer.dim, tree);
    const head = at(gradients, layer.table);
    gradients[layer.table] = head.value.length === 0 ? table : add(head, table);
    if (layer.positions !== null) gradients[layer.positions] = embeddingGradient(delta, placesOf(tokens, tokensPerSample), tokensPerSample, 1, layer.dim, tree);
  };

  for (const layer of model.layers.toReversed()) {
    const input = (): Bounded => at(read, layer.inputs[0]);
    const met = boundary.pass(meet(at(meeting, layer.id)));
    deltas[layer.id] = met;
    const delta = met.value.length === 0 ? met : settle('deltas', layer.id, met);
    /** Hands `made()` to a layer that is read, unless that is the input. */
    const pass = (made: () => Bounded, place = 0): void => {
      const from = at(model.layers, layer.inputs[place]);
      if (from.inputs.length > 0) at(meeting, from.id).push(made());
    };
    switch (layer.kind) {
      case 'softmaxCrossEntropy':
        pass(() => last.delta);
        break;
      case 'linear':
        linear(layer, input(), delta);
        pass(() => {
          const weight = at(weights, layer.weight);
          return linearDelta(layer.tied ? transposed(weight, layer.features, layer.inFeatures) : weight, layer.inFeatures, layer.features, delta, tokens);
        });
        break;
      case 'relu':
        pass(() => reluDelta(delta, input()));
        break;
      case 'gelu':
        pass(() => (layer.approximation === 'erf' ? geluErfDelta(delta, input()) : geluDelta(delta, input())));
        break;
      case 'swiglu':
        pass(() => swigluDelta(delta, input(), layer.features));
        break;
      case 'norm': {
        const normalized = norms.get(layer.id);
        if (normalized === undefined) throw new EmulatorBug({ what: 'a norm that was not evaluated', value: layer.name });
        norm(layer, normalized, delta);
        pass(() => normDelta(delta, normalized, at(weights, layer.weight), layer.centered));
        break;
      }
      case 'rotary':
        pass(() => rotate(layer, delta, tokensPerSample, -1));
        break;
      case 'attention':
        pass(() => attentionDelta(layer, delta, input(), at(read, layer.id), tokensPerSample));
        break;
      case 'dropout':
        pass(() => dropout(layer, delta, batch.dropout ?? null));
        break;
      case 'add':
        pass(() => delta, 0);
        pass(() => delta, 1);
        break;
      case 'embedding':
        embedding(layer, input(), delta);
        break;
      case 'features':
      case 'tokens':
        break;
      default:
        layer satisfies never;
    }
  }
  return { loss, tokenLosses, activations, kinks, overflows: boundary.overflows, deltas, gradients };
};
