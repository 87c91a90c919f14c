/**
 * Models of the ledger's rows that are no preset, by the configurations that the vendor publishes for them. Not here: what is planned for them (ask.ts).
 */
import { attention, block, embedding, features, gelu, gpt, gptShape, layerNorm, linear, llama, llamaShape, model, residual, rotary, sequence, type Model } from '../../src/index.js';

/**
 * GPT-J 6B: 28 layers of 4,096 features, 16 heads of 256, rotary positions, no biases in attention, an output layer of its own. Its attention and its feed-forward part read the
 * same input; here one comes behind the other, which is the same products and one norm more.
 */
export const gptJ = (): Model => {
  const [dim, heads, headSize] = [4096, 16, 256];
  return model({
    name: 'gpt-j-6b',
    input: sequence({ vocabulary: 50_257, context: 2048 }),
    layers: [
      embedding({ dim }),
      ...Array.from({ length: 28 }, () =>
        block([
          residual([layerNorm(), linear(3 * dim, { bias: false }), rotary({ heads, kvHeads: heads, headSize }), attention({ heads, kvHeads: heads, headSize }), linear(dim, { bias: false })]),
          residual([layerNorm(), linear(4 * dim), gelu(), linear(dim)]),
        ])),
      layerNorm(),
      linear(50_257),
    ],
  });
};

/** Llama 2 7B with sequences of 2,048 tokens, as in the logs. */
export const llama7b = (): Model => llama({ ...llamaShape('llama2-7b'), context: 2048 });

/** The published family, by size. */
export const cerebrasGpt = (size: '111m' | '256m' | '590m' | '1.3b' | '2.7b' | '6.7b' | '13b' | '175b'): Model => gpt(gptShape(size));

/** GPT-2 small as configured for the log: sequences of 2,048 tokens. */
export const gpt2Small = (): Model => gpt({ ...gptShape('gpt2'), context: 2048 });

/** A trillion parameters in a shape of ours: what was trained is not said. */
export const trillion = (): Model => gpt({ name: 'a trillion', layers: 128, heads: 160, dim: 25_600, context: 2048, vocabulary: 50_257 });

/** One matrix of `size` × `size`. */
export const oneMatrix = (size: number): Model => model({ name: `${size} × ${size}`, input: features(size), layers: [linear(size, { bias: false })] });
