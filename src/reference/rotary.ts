/**
 * Rotary positions of the oracle: pairs (i, i + headSize/2) of the heads of Q and K are turned by their place's angle; V passes as it is.
 *
 *   angle(place, i) = f32(place · f32(frequency i))        the angle is data, rounded as the contract says; its cosine and sine are the engine's
 *
 * The cluster's table keeps within one unit in the last place of them, which is part of the bound. Frequencies are rounded from f64: another way to
 * compute the power may round one in some 10^8 to the other side. Not here: attention.
 */
import type { LayerOf } from '../model/graph.js';
import { type Bounded, bounded, growth, productError, roundedError, tiny, unit } from './bounded.js';

/** Frequencies of the pairs, in f64: θ^(−2i / headSize), scaled as the field does. */
export const rotaryFrequencies = ({ headSize, theta, scaling }: LayerOf<'rotary'>): Float64Array =>
  Float64Array.from({ length: headSize / 2 }, (_, i) => {
    const frequency = theta ** ((-2 * i) / headSize);
    if (scaling === null) return frequency;
    if (scaling.kind === 'linear') return frequency / scaling.factor;
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
    // How often the pair turns within the context of the first training: rarely, slowed down by the whole factor; often, left alone.
    const turns = (originalContext * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const share = (turns - low) / (high - low);
    return (1 - share) * (frequency / factor) + share * frequency;
  });

/** direction 1: forward; −1: the delta, which turns back. */
export const rotate = (layer: LayerOf<'rotary'>, x: Bounded, tokensPerSample: number, direction: 1 | -1): Bounded => {
  const { heads, kvHeads, headSize, features } = layer, half = headSize / 2;
  const y = bounded(x.value.length);
  y.value.set(x.value);
  y.bound.set(x.bound);
  const frequencies = Float32Array.from(rotaryFrequencies(layer)), tokens = x.value.length / features, grown = growth(3);
  for (let t = 0; t < tokens; t++) {
    const place = t % tokensPerSample;
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(place * (frequencies[i] as number));
      const cos = Math.cos(angle), sin = direction * Math.sin(angle);
      const cosError = place === 0 ? 0 : 2 * unit * Math.abs(cos) + tiny, sinError = place === 0 ? 0 : 2 * unit * Math.abs(sin) + tiny;
      for (let head = 0; head < heads + kvHeads; head++) {
        const a = t * features + head * headSize + i, b = a + half;
        const u = x.value[a] as number, uError = x.bound[a] as number, v = x.value[b] as number, vError = x.bound[b] as number;
        const first = u * cos - v * sin, second = v * cos + u * sin;
        y.value[a] = first;
        y.bound[a] = roundedError(first, productError(u, uError, cos, cosError) + productError(v, vError, sin, sinError)) * grown;
        y.value[b] = second;
        y.bound[b] = roundedError(second, productError(v, vError, cos, cosError) + productError(u, uError, sin, sinError)) * grown;
      }
    }
  }
  return y;
};
