/**
 * The oracle's training step: forward, loss, deltas and gradients of one global batch on one device, in f64, with bounds.
 *
 *   parameters (the cluster's own bits before the step), batch ─▶ loss, activations, deltas, gradients, each { value, bound }
 *
 * It shares no code with what it judges: plain loops, the engine's own elementary functions, no chunks but in the bounds.
 * Not here: the optimizer (update.ts), many steps (train.ts), the verdict (compare.ts).
 */
import type { Layer, Model } from '../model/graph.js';
import { EmulatorBug, InvalidConfig } from '../util/errors.js';
import { geluDelta, geluForward, type Kink, reluDelta, reluForward } from './activations.js';
import { type Bounded, bounded, exact, type Values } from './bounded.js';
import { embeddingForward, embeddingGradient } from './embedding.js';
import { biasGradient, linearDelta, linearForward, weightGradient } from './linear.js';
import { type LossResult, softmaxCrossEntropy } from './loss.js';

/** One global batch: `inputs` [samples][features] or ids [samples][context]; `labels` [samples], −1 masked. */
export interface ReferenceBatch {
  readonly inputs: Float32Array | Int32Array;
  readonly labels: Int32Array;
}

export interface ReferenceForward {
  /** The mean over the valid labels: one value. */
  readonly loss: Bounded;
  /** Each sample's loss, 0 where masked. */
  readonly tokenLosses: Bounded;
  /** By layer, [samples][features]; the inputs as given for layer 0, probabilities for the loss. */
  readonly activations: readonly Bounded[];
  /** Inputs of ReLU within their bound of zero. */
  readonly kinks: readonly Kink[];
}

export interface ReferenceStep extends ReferenceForward {
  /** By layer, the gradient of the loss by the layer's output, [samples][features]; empty for the input and the loss. */
  readonly deltas: readonly Bounded[];
  /** By parameter, in graph order and dense index order. */
  readonly gradients: readonly Bounded[];
}

const at = <T>(list: readonly T[], index: number | undefined): T => {
  const item = index === undefined ? undefined : list[index];
  if (item === undefined) throw new EmulatorBug({ what: 'the oracle reads a layer or parameter that is not there', value: index });
  return item;
};

const checkBatch = (model: Model, parameters: readonly Values[], batch: ReferenceBatch): void => {
  const input = at(model.layers, 0);
  for (const spec of model.parameters) {
    if (parameters[spec.index]?.length !== spec.size) throw new InvalidConfig({ what: `parameter ${spec.name}`, value: parameters[spec.index]?.length ?? 'nothing', limit: `${spec.size} values` });
  }
  if (batch.inputs.length !== batch.labels.length * input.features) {
    throw new InvalidConfig({ what: 'input values of the batch', value: batch.inputs.length, limit: `${batch.labels.length * input.features} for ${batch.labels.length} labels` });
  }
  if ((input.kind === 'tokens') !== batch.inputs instanceof Int32Array) {
    throw new InvalidConfig({ what: 'inputs of the batch', value: batch.inputs.constructor.name, limit: input.kind === 'tokens' ? 'Int32Array of ids' : 'Float32Array of features' });
  }
};

const f64 = (parameters: readonly Values[]): readonly Float64Array[] => parameters.map((p) => Float64Array.from(p));

const forward = (model: Model, weights: readonly Float64Array[], batch: ReferenceBatch): ReferenceForward & { readonly last: LossResult } => {
  const samples = batch.labels.length;
  const activations: Bounded[] = [];
  const kinks: Kink[] = [];
  let last: LossResult | undefined;
  for (const layer of model.layers) {
    const input = (): Bounded => at(activations, layer.inputs[0]);
    switch (layer.kind) {
      case 'features':
      case 'tokens':
        activations.push(exact(batch.inputs));
        break;
      case 'embedding':
        activations.push(embeddingForward(at(weights, layer.table), Int32Array.from(input().value), layer.dim));
        break;
      case 'linear':
        activations.push(linearForward(at(weights, layer.weight), layer.bias === null ? null : at(weights, layer.bias), layer.inFeatures, layer.features, input(), samples));
        break;
      case 'relu':
        activations.push(reluForward(input(), layer.id, layer.features, kinks));
        break;
      case 'gelu':
        activations.push(geluForward(input()));
        break;
      case 'softmaxCrossEntropy':
        last = softmaxCrossEntropy(input(), batch.labels, layer.classes);
        activations.push(last.probabilities);
        break;
      default:
        layer satisfies never;
    }
  }
  if (last === undefined) throw new EmulatorBug({ what: 'a model without a loss' });
  return { loss: last.loss, tokenLosses: last.tokenLosses, activations, kinks, last };
};

/**
 * Forward pass alone.
 *
 * @throws InvalidConfig if parameters or batch do not have the model's sizes.
 */
export const referenceForward = (model: Model, parameters: readonly Values[], batch: ReferenceBatch): ReferenceForward => {
  checkBatch(model, parameters, batch);
  const { loss, tokenLosses, activations, kinks } = forward(model, f64(parameters), batch);
  return { loss, tokenLosses, activations, kinks };
};

/**
 * The whole step but the update: `parameters` in graph order, taken as exact.
 *
 * @throws InvalidConfig if parameters or batch do not have the model's sizes.
 */
export const referenceStep = (model: Model, parameters: readonly Values[], batch: ReferenceBatch): ReferenceStep => {
  checkBatch(model, parameters, batch);
  const weights = f64(parameters);
  const samples = batch.labels.length;
  const { loss, tokenLosses, activations, kinks, last } = forward(model, weights, batch);
  const deltas: Bounded[] = model.layers.map(() => bounded(0));
  const gradients: Bounded[] = model.parameters.map(() => bounded(0));
  /** Hands `delta()` to the layer that is read, unless that is the input. */
  const pass = (layer: Layer, delta: () => Bounded): void => {
    const from = at(model.layers, layer.inputs[0]);
    if (from.inputs.length > 0) deltas[from.id] = delta();
  };
  for (const layer of model.layers.toReversed()) {
    const input = (): Bounded => at(activations, layer.inputs[0]);
    const delta = at(deltas, layer.id);
    switch (layer.kind) {
      case 'softmaxCrossEntropy':
        pass(layer, () => last.delta);
        break;
      case 'linear':
        gradients[layer.weight] = weightGradient(input(), delta, layer.inFeatures, layer.features, samples);
        if (layer.bias !== null) gradients[layer.bias] = biasGradient(delta, layer.features, samples);
        pass(layer, () => linearDelta(at(weights, layer.weight), layer.inFeatures, layer.features, delta, samples));
        break;
      case 'relu':
        pass(layer, () => reluDelta(delta, input()));
        break;
      case 'gelu':
        pass(layer, () => geluDelta(delta, input()));
        break;
      case 'embedding':
        gradients[layer.table] = embeddingGradient(delta, Int32Array.from(input().value), layer.vocabulary, layer.context, layer.dim);
        break;
      case 'features':
      case 'tokens':
        break;
      default:
        layer satisfies never;
    }
  }
  return { loss, tokenLosses, activations, kinks, deltas, gradients };
};
