/**
 * The graph: what is trained, as plain data with every shape checked when it is built (build.ts).
 *
 *   model({ name, input, layers: [linear(512), relu(), linear(10)] })  →  Model { layers, parameters }
 *
 * Layers stand in topological order and name the layers that they read: one each, but for `add`, which reads what passes by and what its branch gives.
 * Shapes are per token: a layer's output has `features` values for each token. A sample is one token, or a sequence of `tokensPerSample` of them.
 * Not here: values of parameters (init.ts), placement (compiler/), arithmetic (kernels/).
 */

export type LayerId = number;

/** How a parameter tensor is first filled; see docs/numerics.md §8. */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly std: number };

/** A trained tensor: rank 1 or 2, f32, dense index row-major. */
export interface ParameterSpec {
  /** Place in graph order; the key of its random numbers. */
  readonly index: number;
  /** `<layer>.weight` or `<layer>.bias`. */
  readonly name: string;
  readonly layer: LayerId;
  readonly role: 'weight' | 'bias' | 'table' | 'gain';
  /** Linear weight [inputs, outputs], bias [outputs], norm gain [features], embedding table [vocabulary, dim], positions [places, dim]. */
  readonly shape: readonly number[];
  readonly size: number;
  readonly init: Initializer;
}

/** Scaling of rotary frequencies, by Hugging Face's names. */
export type RotaryScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  | { readonly kind: 'llama3'; readonly factor: number; readonly lowFrequencyFactor: number; readonly highFrequencyFactor: number; readonly originalContext: number };

/** Heads along the features of a fused projection: heads · headSize of Q, then kvHeads · headSize of K, then as many of V. */
export interface Heads {
  readonly heads: number;
  /** Key–value heads: `heads` (multi-head), fewer (grouped), or 1 (multi-query). */
  readonly kvHeads: number;
  readonly headSize: number;
}

interface LayerBase {
  readonly id: LayerId;
  readonly name: string;
  readonly inputs: readonly LayerId[];
  /** Values per token that this layer gives. */
  readonly features: number;
  /** Which block of the model it belongs to (the unit of recomputation), or null. */
  readonly block: number | null;
}

export type Layer =
  | (LayerBase & { readonly kind: 'features' })
  /** `context` ids a token: one for each place of a window, or one where a sample is a sequence. */
  | (LayerBase & { readonly kind: 'tokens'; readonly vocabulary: number; readonly context: number })
  /** `positions`: a second table, gathered by the token's place in its sample, or null. */
  | (LayerBase & { readonly kind: 'embedding'; readonly vocabulary: number; readonly context: number; readonly dim: number; readonly table: number; readonly positions: number | null })
  /** tied: the weight is the embedding's table [outputs, inputs]. */
  | (LayerBase & { readonly kind: 'linear'; readonly inFeatures: number; readonly weight: number; readonly bias: number | null; readonly tied: boolean })
  | (LayerBase & { readonly kind: 'relu' })
  | (LayerBase & { readonly kind: 'gelu'; readonly approximation: 'tanh' | 'erf' })
  /** silu(first half) · second half. */
  | (LayerBase & { readonly kind: 'swiglu' })
  /** LayerNorm (centered) or RMSNorm. */
  | (LayerBase & { readonly kind: 'norm'; readonly centered: boolean; readonly epsilon: number; readonly weight: number; readonly bias: number | null })
  /** Turns Q and K of a fused projection by their places. */
  | (LayerBase & { readonly kind: 'rotary'; readonly theta: number; readonly scaling: RotaryScaling | null } & Heads)
  /** Causal attention over the fused projection of a whole sample. */
  | (LayerBase & { readonly kind: 'attention' } & Heads)
  | (LayerBase & { readonly kind: 'dropout'; readonly rate: number })
  /** inputs[0] passes by, inputs[1] is the branch. */
  | (LayerBase & { readonly kind: 'add' })
  | (LayerBase & { readonly kind: 'softmaxCrossEntropy'; readonly classes: number });

export type LayerKind = Layer['kind'];
export type LayerOf<K extends LayerKind> = Extract<Layer, { kind: K }>;

/** A checked graph. Plain data: it survives structured clone and JSON. */
export interface Model {
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly parameters: readonly ParameterSpec[];
  /** Σ sizes of all parameters. */
  readonly parameterCount: number;
  /** Tokens of a sample: 1, or the context of a sequence model. */
  readonly tokensPerSample: number;
}

/** What a model reads for each sample. */
export type InputSpec =
  /** `features` numbers. */
  | { readonly kind: 'features'; readonly features: number }
  /** One window of `context` ids below `vocabulary`, which is one token with one label. */
  | { readonly kind: 'tokens'; readonly vocabulary: number; readonly context: number }
  /** A sequence of `context` ids, each a token with a label of its own. */
  | { readonly kind: 'sequence'; readonly vocabulary: number; readonly context: number };

/** Any layer may be given the name that its parameters then carry. */
interface Named {
  readonly name?: string;
}

/** A layer before it has a place: made by the functions of layers.ts. */
export type LayerSpec = Named &
  (
    | { readonly kind: 'embedding'; readonly dim: number; readonly init?: Initializer; readonly positions?: { readonly name?: string; readonly init?: Initializer } }
    | { readonly kind: 'linear'; readonly features: number; readonly bias: boolean; readonly init?: Initializer; readonly tied?: boolean }
    | { readonly kind: 'relu' }
    | { readonly kind: 'gelu'; readonly approximation: 'tanh' | 'erf' }
    | { readonly kind: 'swiglu' }
    | { readonly kind: 'norm'; readonly centered: boolean; readonly epsilon: number; readonly bias: boolean }
    | ({ readonly kind: 'rotary'; readonly theta: number; readonly scaling?: RotaryScaling } & Heads)
    | ({ readonly kind: 'attention' } & Heads)
    | { readonly kind: 'dropout'; readonly rate: number }
    /** x + layers(x). */
    | { readonly kind: 'residual'; readonly layers: readonly LayerSpec[] }
    /** Layers whose activations may be recomputed together. */
    | { readonly kind: 'block'; readonly layers: readonly LayerSpec[] }
  );

/** The input layer of a model. @throws nothing: every built model has one */
export const inputOf = (model: Model): LayerOf<'features' | 'tokens'> => model.layers[0] as LayerOf<'features' | 'tokens'>;
/** Whether a sample is a sequence of tokens with a label each. */
export const isSequence = (model: Model): boolean => model.tokensPerSample > 1;
