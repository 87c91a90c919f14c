/** The layers a user writes, one function each, with the names of the field. Not here: shape checks (build.ts). */
import type { Heads, InputSpec, Initializer, LayerSpec, RotaryScaling } from './graph.js';

/** Samples of `features` numbers each. */
export const features = (count: number): InputSpec => ({ kind: 'features', features: count });

/** Samples of `context` token ids, each below `vocabulary`. */
export const tokens = (spec: { readonly vocabulary: number; readonly context: number }): InputSpec => ({ kind: 'tokens', ...spec });

/** Sequences of `context` token ids, each id a token with a label of its own: the next one. */
export const sequence = (spec: { readonly vocabulary: number; readonly context: number }): InputSpec => ({ kind: 'sequence', ...spec });

/**
 * Looks up `dim` numbers for each id; those of a window's places stand side by side. `positions`: learned positions of a sequence, a second table
 * [context, dim] that is added.
 */
export const embedding = (spec: { readonly name?: string; readonly dim: number; readonly init?: Initializer; readonly positions?: { readonly name?: string; readonly init?: Initializer } }): LayerSpec => ({ kind: 'embedding', ...spec });

/** y = x · W + b with W of shape [inputs, features]. The bias can be left out; `tied` takes the embedding's table for W. */
export const linear = (count: number, options: { readonly name?: string; readonly bias?: boolean; readonly init?: Initializer; readonly tied?: boolean } = {}): LayerSpec => ({
  kind: 'linear',
  features: count,
  ...options,
  bias: options.bias ?? options.tied !== true,
});

/** max(x, 0). */
export const relu = (): LayerSpec => ({ kind: 'relu' });

/** GELU in its tanh form, or with erf. */
export const gelu = (options: { readonly approximation?: 'tanh' | 'erf' } = {}): LayerSpec => ({ kind: 'gelu', approximation: options.approximation ?? 'tanh' });

/** silu(first half of the features) · second half. */
export const swiglu = (): LayerSpec => ({ kind: 'swiglu' });

/** LayerNorm over a token's features, with gain and bias. */
export const layerNorm = (options: { readonly name?: string; readonly epsilon?: number; readonly bias?: boolean } = {}): LayerSpec => ({ kind: 'norm', centered: true, ...options, epsilon: options.epsilon ?? 1e-5, bias: options.bias ?? true });

/** RMSNorm over a token's features, with a gain. */
export const rmsNorm = (options: { readonly name?: string; readonly epsilon?: number } = {}): LayerSpec => ({ kind: 'norm', centered: false, ...options, epsilon: options.epsilon ?? 1e-5, bias: false });

/** Turns Q and K of a fused projection by their places (rotary positions, halves paired as Hugging Face does). */
export const rotary = (spec: Heads & { readonly name?: string; readonly theta?: number; readonly scaling?: RotaryScaling }): LayerSpec => ({ kind: 'rotary', ...spec, theta: spec.theta ?? 10_000 });

/** Causal attention: reads Q, K and V side by side, (heads + 2 · kvHeads) · headSize features, and gives heads · headSize. */
export const attention = (spec: Heads & { readonly name?: string }): LayerSpec => ({ kind: 'attention', ...spec });

/** Keeps a value with probability 1 − rate, scaled; the mask depends on seed, step, layer and place in the batch alone. Training only. */
export const dropout = (rate: number): LayerSpec => ({ kind: 'dropout', rate });

/** x + layers(x). */
export const residual = (layers: readonly LayerSpec[], options: { readonly name?: string } = {}): LayerSpec => ({ kind: 'residual', layers, ...options });

/** Groups layers whose activations may be recomputed together (`recompute: 'block'`). */
export const block = (layers: readonly LayerSpec[]): LayerSpec => ({ kind: 'block', layers });
