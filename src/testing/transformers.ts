/**
 * Arbitrary transformers of the GPT and Llama kinds, small enough to train by the hundred: grouped heads of any size, widths with tails, sequences that are no multiple
 * of a slab, learned or rotary positions, norms of both kinds, dropout, tied heads, with blocks to recompute or without.
 *
 * Not here: models whose samples are single tokens (models.ts), data (data.ts).
 */
import fc from 'fast-check';
import { attention, block, dropout, embedding, gelu, layerNorm, linear, model, residual, rmsNorm, rotary, sequence, swiglu, type LayerSpec, type Model } from '../index.js';

/** What `aTransformer` may draw. */
export interface TransformerOptions {
  /** Most blocks; 3 unless given. */
  readonly depthMax?: number;
  /** Longest sequence; 100 unless given. */
  readonly contextMax?: number;
  /** Now and then 256 ids and classes, fit for text; true unless given. */
  readonly bytes?: boolean;
  /** Dropout now and then; true unless given. */
  readonly dropout?: boolean;
}

const aContext = (most: number): fc.Arbitrary<number> => {
  const upTo = (low: number, high: number): fc.Arbitrary<number> => fc.integer({ min: Math.min(low, most), max: Math.min(high, most) });
  return fc.oneof({ weight: 4, arbitrary: upTo(2, 31) }, { weight: 4, arbitrary: upTo(33, 63) }, { weight: 3, arbitrary: upTo(65, 100) }, { weight: 1, arbitrary: fc.constantFrom(32, 64, 96).map((n) => Math.min(n, most)) });
};

interface Style {
  readonly family: 'gpt' | 'llama';
  readonly rate: number;
}

const aNorm = ({ family }: Style): fc.Arbitrary<() => LayerSpec> =>
  fc.record({ centered: fc.boolean(), bias: fc.boolean(), epsilon: fc.constantFrom(1e-5, 1e-6, 1e-3) }).map(({ centered, bias, epsilon }) => () => (family === 'gpt' && (centered || bias) ? layerNorm({ bias, epsilon }) : rmsNorm({ epsilon })));

/** The layers of one block over `dim` features. */
const aBlock = (style: Style, dim: number): fc.Arbitrary<readonly LayerSpec[]> =>
  fc
    .record({
      kvHeads: fc.integer({ min: 1, max: 4 }), group: fc.integer({ min: 1, max: 4 }), headSize: fc.integer({ min: 1, max: 10 }), hidden: fc.integer({ min: 1, max: 40 }), bias: fc.boolean(), turned: fc.boolean(),
      theta: fc.constantFrom(100, 10_000), inner: fc.constantFrom('tanh' as const, 'erf' as const, 'swiglu' as const), norms: fc.tuple(aNorm(style), aNorm(style)), grouped: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }), drops: fc.tuple(fc.boolean(), fc.boolean()),
    })
    .map(({ kvHeads, group, headSize, hidden, bias, turned, theta, inner, norms, grouped, drops }) => {
      const isLlama = style.family === 'llama', isTurned = isLlama || turned;
      const perGroup = Math.min(group, Math.floor(4 / kvHeads));
      const heads = { heads: kvHeads * perGroup, kvHeads, headSize: isTurned ? headSize + (headSize % 2) : headSize };
      const drop = (which: 0 | 1): LayerSpec[] => (style.rate > 0 && drops[which] ? [dropout(style.rate)] : []);
      const withBias = { bias: bias && !isLlama };
      const inside: LayerSpec[] = isLlama || inner === 'swiglu' ? [linear(2 * hidden, withBias), swiglu()] : [linear(hidden, withBias), gelu({ approximation: inner })];
      const layers = [
        residual([norms[0](), linear((heads.heads + 2 * kvHeads) * heads.headSize, withBias), ...(isTurned ? [rotary({ ...heads, theta })] : []), attention(heads), linear(dim, withBias), ...drop(0)]),
        residual([norms[1](), ...inside, linear(dim, withBias), ...drop(1)]),
      ];
      // Outside of a block nothing is recomputed with it.
      return grouped ? [block(layers)] : layers;
    });

/** A small transformer; its first weights come from the seed of the run. */
export const aTransformer = (options: TransformerOptions = {}): fc.Arbitrary<Model> => {
  const { depthMax = 3, contextMax = 100, bytes = true, dropout: drops = true } = options;
  const aVocabulary = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 2, max: 40 }) }, { weight: bytes ? 1 : 0, arbitrary: fc.constant(256) });
  return fc
    .record({
      family: fc.constantFrom('gpt' as const, 'llama' as const), context: aContext(contextMax), vocabulary: aVocabulary, rate: drops ? fc.constantFrom(0, 0.1, 0.5) : fc.constant(0), learned: fc.boolean(),
      dim: fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 1, max: 40 }) }, { weight: 1, arbitrary: fc.integer({ min: 255, max: 262 }) }), tied: fc.boolean(), headBias: fc.boolean(), normed: fc.boolean(),
    })
    .chain(({ family, context, vocabulary, rate, learned, dim, tied, headBias, normed }) => {
      const style = { family, rate };
      return fc.record({ blocks: fc.array(aBlock(style, dim), { maxLength: depthMax }), last: aNorm(style), dropFirst: fc.boolean() }).map(({ blocks, last, dropFirst }) =>
        model({
          name: `arbitrary ${family}`,
          input: sequence({ vocabulary, context }),
          layers: [
            embedding({ dim, ...(learned ? { positions: {} } : {}) }),
            ...(rate > 0 && dropFirst ? [dropout(rate)] : []),
            ...blocks.flat(),
            ...(normed || blocks.length > 0 ? [last()] : []),
            linear(vocabulary, tied ? { tied } : { bias: headBias }),
          ],
        }),
      );
    });
};
