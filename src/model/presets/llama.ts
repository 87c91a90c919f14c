/**
 * Llama: RMSNorm, rotary positions, grouped heads, SwiGLU, no biases.
 *
 *   embed_tokens ─▶ [ x + o_proj(attention(rotary(qkv_proj(norm(x))))) ─▶ x + down_proj(swiglu(gate_up_proj(norm(x)))) ] × layers ─▶ norm ─▶ lm_head
 *
 * Q, K and V are one projection, and so are gate and up; files hold them apart (formats/). Layers carry Hugging Face's names. Not here: published shapes (shapes.ts).
 */
import { model } from '../build.js';
import type { Initializer, Model, RotaryScaling } from '../graph.js';
import { attention, block, embedding, linear, residual, rmsNorm, rotary, sequence, swiglu } from '../layers.js';

export interface LlamaOptions {
  readonly layers: number;
  readonly heads: number;
  /** Key–value heads; as many as heads unless given. */
  readonly kvHeads?: number;
  readonly dim: number;
  /** Features of the gated part (`intermediate_size`). */
  readonly hidden: number;
  readonly context: number;
  readonly vocabulary: number;
  /** Features of a head; dim / heads unless given. */
  readonly headSize?: number;
  /** Base of the rotary frequencies; 10,000 unless given. */
  readonly theta?: number;
  readonly scaling?: RotaryScaling;
  /** The output layer shares the embedding's table; false unless given. */
  readonly tied?: boolean;
  readonly epsilon?: number;
  readonly initStd?: number;
  readonly name?: string;
}

/** A Llama of the given shape. @throws InvalidModel */
export const llama = (o: LlamaOptions): Model => {
  const { layers, heads, kvHeads = heads, dim, hidden, context, vocabulary, headSize = dim / heads, theta = 10_000, tied = false, epsilon = 1e-5, initStd = 0.02 } = o;
  const init: Initializer = { kind: 'normal', std: initStd };
  const shape = { heads, kvHeads, headSize };
  return model({
    name: o.name ?? 'llama',
    input: sequence({ vocabulary, context }),
    layers: [
      embedding({ name: 'model.embed_tokens', dim, init }),
      ...Array.from({ length: layers }, (_, i) => {
        const at = `model.layers.${i}`;
        return block([
          residual([
            rmsNorm({ name: `${at}.input_layernorm`, epsilon }),
            linear((heads + 2 * kvHeads) * headSize, { name: `${at}.self_attn.qkv_proj`, bias: false, init }),
            rotary({ ...shape, theta, ...(o.scaling === undefined ? {} : { scaling: o.scaling }) }),
            attention({ ...shape, name: `${at}.self_attn` }),
            linear(dim, { name: `${at}.self_attn.o_proj`, bias: false, init }),
          ]),
          residual([
            rmsNorm({ name: `${at}.post_attention_layernorm`, epsilon }),
            linear(2 * hidden, { name: `${at}.mlp.gate_up_proj`, bias: false, init }),
            swiglu(),
            linear(dim, { name: `${at}.mlp.down_proj`, bias: false, init }),
          ]),
        ]);
      }),
      rmsNorm({ name: 'model.norm', epsilon }),
      linear(vocabulary, tied ? { name: 'lm_head', tied } : { name: 'lm_head', bias: false, init }),
    ],
  });
};
