/** The layers a user writes, one function each, with the names of the field. Not here: shape checks (graph.ts). */
import type { InputSpec, Initializer, LayerSpec } from './graph.js';

/** Samples of `features` numbers each. */
export const features = (count: number): InputSpec => ({ kind: 'features', features: count });

/** Samples of `context` token ids, each below `vocabulary`. */
export const tokens = (spec: { readonly vocabulary: number; readonly context: number }): InputSpec => ({ kind: 'tokens', ...spec });

/** Looks up `dim` numbers for each token of the context and concatenates them: context · dim features. */
export const embedding = (spec: { readonly dim: number; readonly init?: Initializer }): LayerSpec => ({ kind: 'embedding', ...spec });

/** y = x · W + b with W of shape [inputs, features]. The bias can be left out. */
export const linear = (count: number, options: { readonly bias?: boolean; readonly init?: Initializer } = {}): LayerSpec => ({
  kind: 'linear',
  features: count,
  bias: options.bias ?? true,
  ...(options.init === undefined ? {} : { init: options.init }),
});

/** max(x, 0). */
export const relu = (): LayerSpec => ({ kind: 'relu' });

/** GELU in its tanh form. */
export const gelu = (): LayerSpec => ({ kind: 'gelu', approximation: 'tanh' });
