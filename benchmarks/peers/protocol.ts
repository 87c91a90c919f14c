/**
 * What the bench process says to a peer in a child process, one JSON line a message, one line back.
 *
 * Peers make their data themselves (harness/data.ts): inputs x [tokens][inputs] salt 1, weight w [inputs][outputs] salt 2, delta dy [tokens][outputs] salt 3, all of
 * scale 2; a masked weight stores position i where mixed(i, maskSalt) + ½ ≥ sparsity; a network's layer l has weights of salt 10 + l and scale 2/√inputs, biases 0, labels sample mod classes. Not here: the processes (child.ts).
 */

/** forward: x·w; delta: dy·wᵀ; gradient: xᵀ·dy. */
export type Product = 'forward' | 'delta' | 'gradient';

export interface LinearShape {
  readonly tokens: number;
  readonly inputs: number;
  readonly outputs: number;
}

export interface GptNumbers {
  readonly layers: number;
  readonly heads: number;
  readonly dim: number;
  readonly context: number;
  readonly vocabulary: number;
  /** Of weights, and the salt of ids. */
  readonly scale: number;
  readonly dataSalt: number;
}

export type PeerCommand =
  /** Prepares one product and runs it once; answers `{ check }`: the results at `checkPlaces`. */
  | ({ readonly op: 'linear'; readonly product: Product } & LinearShape)
  /** Prepares forward, delta and gradient of one layer, to be run one after the other; answers `{ check }`: the results at `checkPlaces` of each in turn. */
  | ({ readonly op: 'linearStep' } & LinearShape)
  /** Prepares the forward product with a masked weight that is stored in compressed rows; answers as 'linear'. */
  | ({ readonly op: 'compressed'; readonly sparsity: number; readonly maskSalt: number } & LinearShape)
  /** Runs the prepared product `times` times; answers `{ seconds }`, of one. */
  | { readonly op: 'time'; readonly times: number }
  /** Prepares a network and its batch. `transposeFirst`: TensorFlow.js transposes before a product, rather than asking the product to. */
  | { readonly op: 'mlp'; readonly sizes: readonly number[]; readonly batch: number; readonly learningRate: number; readonly transposeFirst: boolean }
  /** Prepares a GPT and its batch (harness/transformer.ts says which numbers), AdamW with its defaults. */
  | ({ readonly op: 'gpt'; readonly batch: number; readonly learningRate: number } & GptNumbers)
  /** Prepares a GPT and prompts: `prompts` lists of `promptTokens` ids. */
  | ({ readonly op: 'gptPrompts'; readonly prompts: number; readonly promptTokens: number } & GptNumbers)
  /** Greedily continues all prompts by `count` tokens; answers `{ tokens, gaps, firstSeconds, seconds }`. */
  | { readonly op: 'generate'; readonly count: number }
  /** Trains on; answers `{ seconds, losses }`, one of each a step. */
  | { readonly op: 'steps'; readonly count: number };

export interface PeerAnswer {
  readonly check?: readonly number[];
  readonly seconds?: number | readonly number[];
  readonly losses?: readonly number[];
  /** New tokens of every prompt; and how far the two best logits behind each were apart. */
  readonly tokens?: readonly (readonly number[])[];
  readonly gaps?: readonly (readonly number[])[];
  /** Seconds until the first new tokens. */
  readonly firstSeconds?: number;
  readonly error?: string;
}

const checks = 64;

/** Which elements of a result of `length` values are compared. */
export const checkPlaces = (length: number): readonly number[] => Array.from({ length: checks }, (_, i) => Math.floor((i * (length - 1)) / (checks - 1)));

/** Rows and columns of a product's result, as peers hold it. */
export const resultShape = (product: Product, s: LinearShape): readonly [number, number] =>
  product === 'forward' ? [s.tokens, s.outputs] : product === 'delta' ? [s.tokens, s.inputs] : [s.inputs, s.outputs];

/** Floating point operations of one product, a multiply-add counted as two. */
export const flops = (s: LinearShape): number => 2 * s.tokens * s.inputs * s.outputs;
