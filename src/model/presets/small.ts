/** Small ready-made models whose samples are single tokens. Not here: data for them (formats/), transformers (gpt.ts, llama.ts). */
import { InvalidModel } from '../../util/errors.js';
import { model } from '../build.js';
import type { LayerSpec, Model } from '../graph.js';
import { embedding, features, gelu, linear, relu, tokens } from '../layers.js';

/**
 * A fully connected classifier: mlp([784, 512, 10]) reads 784 features, has one hidden layer of 512 and 10 classes.
 *
 * @throws InvalidModel if fewer than two sizes are given or one is no positive whole number.
 */
export const mlp = (sizes: readonly number[], options: { readonly activation?: 'relu' | 'gelu'; readonly bias?: boolean } = {}): Model => {
  const [inputs, ...rest] = sizes;
  if (inputs === undefined || rest.length === 0) {
    throw new InvalidModel({ what: 'an mlp needs the number of inputs and of classes', where: 'sizes', value: [...sizes], hint: 'write for instance mlp([784, 512, 10])' });
  }
  const activation = options.activation === 'gelu' ? gelu : relu;
  const layers: LayerSpec[] = rest.flatMap((size, i) => [linear(size, { bias: options.bias ?? true }), ...(i + 1 < rest.length ? [activation()] : [])]);
  return model({ name: 'mlp', input: features(inputs), layers });
};

/**
 * A neural n-gram language model over bytes (Bengio et al., "A neural probabilistic language model", 2003): the embeddings of the
 * last `context` bytes, concatenated, pass `layers` hidden layers with GELU and give 256 logits.
 */
export const byteLm = (options: { readonly context?: number; readonly embed?: number; readonly hidden?: number; readonly layers?: number } = {}): Model => {
  const { context = 12, embed = 32, hidden = 512, layers = 2 } = options;
  if (!Number.isInteger(layers) || layers < 0 || layers > 256) throw new InvalidModel({ what: 'hidden layers of a byteLm', where: 'layers', value: layers, limit: '0 to 256' });
  const hiddenLayers = Array.from({ length: layers }, () => [linear(hidden), gelu()]).flat();
  return model({ name: 'byteLm', input: tokens({ vocabulary: 256, context }), layers: [embedding({ dim: embed }), ...hiddenLayers, linear(256)] });
};
