/**
 * GPT: the stack of GPT-2 and GPT-3, and of the GPT family that the field trains by weight streaming.
 *
 *   wte + wpe ─▶ [ x + c_proj(attention(c_attn(ln_1(x)))) ─▶ x + c_proj(gelu(c_fc(ln_2(x)))) ] × layers ─▶ ln_f ─▶ lm_head
 *
 * Layers carry Hugging Face's names, so parameters do. Not here: published shapes (shapes.ts), files (formats/).
 */
import { model } from '../build.js';
import type { Initializer, LayerSpec, Model } from '../graph.js';
import { attention, block, dropout, embedding, gelu, layerNorm, linear, residual, sequence } from '../layers.js';

export interface GptOptions {
  readonly layers: number;
  readonly heads: number;
  /** Features of the residual stream, d; a multiple of `heads`. */
  readonly dim: number;
  /** Tokens of a sample, T. */
  readonly context: number;
  readonly vocabulary: number;
  /** Features inside the feed-forward part; 4 · dim unless given. */
  readonly hidden?: number;
  /** Rate of all three dropouts; 0 unless given. */
  readonly dropout?: number;
  /** The output layer shares the embedding's table; true unless given. */
  readonly tied?: boolean;
  readonly activation?: 'tanh' | 'erf';
  readonly epsilon?: number;
  /** Standard deviation of first weights; 0.02 unless given. */
  readonly initStd?: number;
  readonly name?: string;
}

/**
 * A GPT with learned positions. First weights as published for GPT-2: normal, projections back into the residual stream narrower by √(2 · layers).
 *
 * @throws InvalidModel
 */
export const gpt = (o: GptOptions): Model => {
  const { layers, heads, dim, context, vocabulary, hidden = 4 * dim, dropout: rate = 0, tied = true, activation = 'tanh', epsilon = 1e-5, initStd = 0.02 } = o;
  const init: Initializer = { kind: 'normal', std: initStd }, back: Initializer = { kind: 'normal', std: initStd / Math.sqrt(2 * layers) };
  const drop = (): LayerSpec[] => (rate === 0 ? [] : [dropout(rate)]);
  const headSize = dim / heads;
  return model({
    name: o.name ?? 'gpt',
    input: sequence({ vocabulary, context }),
    layers: [
      embedding({ name: 'wte', dim, init, positions: { name: 'wpe', init } }),
      ...drop(),
      ...Array.from({ length: layers }, (_, i) =>
        block([
          residual([
            layerNorm({ name: `h.${i}.ln_1`, epsilon }),
            linear(3 * dim, { name: `h.${i}.attn.c_attn`, init }),
            attention({ name: `h.${i}.attn`, heads, kvHeads: heads, headSize }),
            linear(dim, { name: `h.${i}.attn.c_proj`, init: back }),
            ...drop(),
          ]),
          residual([
            layerNorm({ name: `h.${i}.ln_2`, epsilon }),
            linear(hidden, { name: `h.${i}.mlp.c_fc`, init }),
            gelu({ approximation: activation }),
            linear(dim, { name: `h.${i}.mlp.c_proj`, init: back }),
            ...drop(),
          ]),
        ]),
      ),
      layerNorm({ name: 'ln_f', epsilon }),
      linear(vocabulary, tied ? { name: 'lm_head', tied } : { name: 'lm_head', bias: false, init }),
    ],
  });
};
