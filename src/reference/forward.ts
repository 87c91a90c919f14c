/**
 * The oracle's forward pass: every layer's output for one global batch, in f64, with bounds.
 *
 *   parameters, batch ─▶ activations of all layers ─▶ probabilities, losses of the tokens, their mean
 *
 * Activations are [tokens][features]; the tokens of a sample stand one behind the other. Not here: deltas and gradients (step.ts).
 */
import type { Model } from '../model/graph.js';
import type { NumberType } from '../model/precision.js';
import { EmulatorBug, InvalidConfig } from '../util/errors.js';
import { geluForward, type Kink, reluForward } from './activations.js';
import { attentionForward } from './attention.js';
import { type Bounded, exact, type Values } from './bounded.js';
import { embeddingForward } from './embedding.js';
import { swigluForward } from './gated.js';
import { geluErfForward } from './gelu-erf.js';
import { linearForward, transposed } from './linear.js';
import { type LossResult, softmaxCrossEntropy } from './loss.js';
import { boundaryOf, type Boundary } from './narrow.js';
import { normalize, type Normalized, normForward } from './norm.js';
import { add, dropout, type DropoutKeys } from './passing.js';
import { rotate } from './rotary.js';
import { type TokenTree, tokenTree } from './tokens.js';

/** One global batch: `inputs` [tokens][features] or ids [tokens][context]; `labels` [tokens], −1 masked. A token is a sample, or sample · tokensPerSample + place. */
export interface ReferenceBatch {
  readonly inputs: Float32Array | Int32Array;
  readonly labels: Int32Array;
  /** Keys of the step's dropout masks; without them dropout layers pass everything on, as in an evaluation. */
  readonly dropout?: DropoutKeys;
  /** What outputs and deltas are rounded to; float32 unless given. */
  readonly activations?: NumberType;
  /** The factor on the loss beside its mean, a power of two; 1 unless given. Deltas and gradients carry it. */
  readonly lossScale?: number;
}

export interface ReferenceForward {
  /** The mean over the valid labels: one value. */
  readonly loss: Bounded;
  /** Each token's loss, 0 where masked. */
  readonly tokenLosses: Bounded;
  /** By layer, [tokens][features]; the inputs as given for layer 0, probabilities for the loss. */
  readonly activations: readonly Bounded[];
  /** Inputs of ReLU within their bound of zero. */
  readonly kinks: readonly Kink[];
  /** Numbers that may have left the range of the type that they are rounded to. */
  readonly overflows: number;
}

/**
 * What the layers behind read in the place of a tensor just made: that tensor with its bounds, or given values that are exact, so that
 * errors do not pile up from layer to layer.
 */
export type Settle = (of: 'activations' | 'deltas', layer: number, made: Bounded) => Bounded;
/** Every layer reads what the oracle made. */
export const asMade: Settle = (_of, _layer, made) => made;

/** What the backward pass reads beside it. */
export interface ForwardState extends ReferenceForward {
  /** By layer, the activations that others read. */
  readonly read: readonly Bounded[];
  readonly last: LossResult;
  /** By layer id. */
  readonly norms: ReadonlyMap<number, Normalized>;
  readonly tree: TokenTree;
}

export const at = <T>(list: readonly T[], index: number | undefined): T => {
  const item = index === undefined ? undefined : list[index];
  if (item === undefined) throw new EmulatorBug({ what: 'the oracle reads a layer or parameter that is not there', value: index });
  return item;
};

/** @throws InvalidConfig if parameters or batch do not have the model's sizes. */
export const checkBatch = (model: Model, parameters: readonly Values[], batch: ReferenceBatch): void => {
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

export const f64 = (parameters: readonly Values[]): readonly Float64Array[] => parameters.map((p) => Float64Array.from(p));

/** All layers in order; sizes are checked already. */
export const forward = (model: Model, weights: readonly Float64Array[], batch: ReferenceBatch, settle: Settle, boundary: Boundary): ForwardState => {
  const { tokensPerSample } = model, tree = tokenTree(batch.labels.length, tokensPerSample), { tokens } = tree;
  const activations: Bounded[] = [], read: Bounded[] = [];
  const kinks: Kink[] = [];
  const norms = new Map<number, Normalized>();
  const weight = (index: number | null): Float64Array | null => (index === null ? null : at(weights, index));
  let last: LossResult | undefined;
  const logits = model.layers[model.layers.length - 1]?.inputs[0];
  for (const layer of model.layers) {
    const input = (place = 0): Bounded => at(read, layer.inputs[place]);
    switch (layer.kind) {
      case 'features':
      case 'tokens':
        activations.push(exact(batch.inputs));
        break;
      case 'embedding':
        activations.push(embeddingForward(at(weights, layer.table), weight(layer.positions), Int32Array.from(input().value), layer.dim, tokensPerSample));
        break;
      case 'linear': {
        const w = at(weights, layer.weight), turned = layer.tied ? transposed(w, layer.features, layer.inFeatures) : w;
        activations.push(linearForward(turned, weight(layer.bias), layer.inFeatures, layer.features, input(), tokens));
        break;
      }
      case 'relu':
        activations.push(reluForward(input(), layer.id, layer.features, kinks));
        break;
      case 'gelu':
        activations.push(layer.approximation === 'erf' ? geluErfForward(input()) : geluForward(input()));
        break;
      case 'swiglu':
        activations.push(swigluForward(input(), layer.features));
        break;
      case 'norm': {
        const normalized = normalize(input(), layer.features, layer.epsilon, layer.centered);
        norms.set(layer.id, normalized);
        activations.push(normForward(normalized, at(weights, layer.weight), weight(layer.bias)));
        break;
      }
      case 'rotary':
        activations.push(rotate(layer, input(), tokensPerSample, 1));
        break;
      case 'attention':
        activations.push(attentionForward(layer, input(), tokensPerSample));
        break;
      case 'dropout':
        activations.push(dropout(layer, input(), batch.dropout ?? null));
        break;
      case 'add':
        activations.push(add(input(0), input(1)));
        break;
      case 'softmaxCrossEntropy':
        last = softmaxCrossEntropy(input(), batch.labels, layer.classes, tree, batch.lossScale);
        activations.push(last.probabilities);
        break;
      default:
        layer satisfies never;
    }
    if (layer.kind !== 'tokens' && layer.kind !== 'softmaxCrossEntropy' && layer.id !== logits) activations[layer.id] = boundary.pass(at(activations, layer.id));
    const made = at(activations, layer.id);
    read.push(layer.inputs.length === 0 || layer.kind === 'softmaxCrossEntropy' ? made : settle('activations', layer.id, made));
  }
  if (last === undefined) throw new EmulatorBug({ what: 'a model without a loss' });
  return { loss: last.loss, tokenLosses: last.tokenLosses, activations, read, kinks, overflows: boundary.overflows, last, norms, tree };
};

/**
 * Forward pass alone.
 *
 * @throws InvalidConfig if parameters or batch do not have the model's sizes.
 */
export const referenceForward = (model: Model, parameters: readonly Values[], batch: ReferenceBatch): ReferenceForward => {
  checkBatch(model, parameters, batch);
  const { loss, tokenLosses, activations, kinks, overflows } = forward(model, f64(parameters), batch, asMade, boundaryOf(batch.activations ?? 'float32', 'snap'));
  return { loss, tokenLosses, activations, kinks, overflows };
};
