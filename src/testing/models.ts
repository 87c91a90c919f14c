/**
 * Arbitrary models: small chains that meet every edge of the emulator: widths that are no multiple of anything, sums over more than one
 * chunk, layers of several blocks, activations in any order and place, with and without biases.
 *
 * Not here: data for them (data.ts), machines to run them on (shapes.ts).
 */
import fc from 'fast-check';
import { embedding, features, gelu, linear, model, relu, tokens, type LayerSpec, type Model } from '../index.js';

/** What `aModel` may draw. */
export interface ModelOptions {
  /** 'features' (like an mlp), 'tokens' (like a byteLm, with any vocabulary), 'bytes' (256 ids and classes, fit for text), or any of these. */
  readonly input?: 'features' | 'tokens' | 'bytes' | 'any';
  /** Most hidden linear layers; 3 unless given. */
  readonly hiddenMax?: number;
  /** Sums longer than a chunk of 256 features and layers of more than one block now and then; true unless given. */
  readonly wide?: boolean;
}

const activations = { none: [], relu: [relu()], gelu: [gelu()], geluRelu: [gelu(), relu()], reluGelu: [relu(), gelu()], reluRelu: [relu(), relu()] } as const satisfies Record<string, readonly LayerSpec[]>;

const someActivations = (): fc.Arbitrary<readonly LayerSpec[]> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(activations.relu, activations.gelu) },
    { weight: 2, arbitrary: fc.constantFrom(activations.none, activations.geluRelu, activations.reluGelu, activations.reluRelu) },
  );

const aWidth = (wide: boolean): fc.Arbitrary<number> =>
  wide ? fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 1, max: 40 }) }, { weight: 1, arbitrary: fc.integer({ min: 319, max: 330 }) }, { weight: 1, arbitrary: fc.integer({ min: 255, max: 270 }) }) : fc.integer({ min: 1, max: 24 });

interface Front {
  readonly input: Parameters<typeof model>[0]['input'];
  readonly layers: readonly LayerSpec[];
  readonly classes?: number;
}

const aFront = (kind: 'features' | 'tokens' | 'bytes', wide: boolean): fc.Arbitrary<Front> => {
  switch (kind) {
    case 'features':
      return aWidth(wide).map((width) => ({ input: features(width), layers: [] }));
    case 'tokens':
      return fc
        .record({ vocabulary: fc.integer({ min: 1, max: 20 }), context: fc.integer({ min: 1, max: 5 }), dim: fc.integer({ min: 1, max: 9 }) })
        .map(({ vocabulary, context, dim }) => ({ input: tokens({ vocabulary, context }), layers: [embedding({ dim })] }));
    case 'bytes':
      return fc
        .record({ context: fc.integer({ min: 1, max: 4 }), dim: fc.integer({ min: 1, max: 6 }) })
        .map(({ context, dim }) => ({ input: tokens({ vocabulary: 256, context }), layers: [embedding({ dim })], classes: 256 }));
  }
};

/** A small model; its first weights come from the seed of the run. */
export const aModel = (options: ModelOptions = {}): fc.Arbitrary<Model> => {
  const { input = 'any', hiddenMax = 3, wide = true } = options;
  const front = input === 'any' ? fc.oneof({ weight: 4, arbitrary: aFront('features', wide) }, { weight: 3, arbitrary: aFront('tokens', wide) }, { weight: 1, arbitrary: aFront('bytes', wide) }) : aFront(input, wide);
  const hidden = fc.array(fc.record({ width: aWidth(wide), bias: fc.boolean(), after: someActivations() }), { maxLength: hiddenMax });
  return fc
    .record({
      front,
      behindInput: fc.oneof({ weight: 4, arbitrary: fc.constant<readonly LayerSpec[]>([]) }, { weight: 1, arbitrary: someActivations() }),
      hidden,
      classes: fc.integer({ min: 1, max: 20 }),
      bias: fc.boolean(),
      beforeLoss: fc.oneof({ weight: 4, arbitrary: fc.constant<readonly LayerSpec[]>([]) }, { weight: 1, arbitrary: someActivations() }),
    })
    .map(({ front: { input: spec, layers, classes: fixed }, behindInput, hidden: middle, classes, bias, beforeLoss }) =>
      model({
        name: 'arbitrary',
        input: spec,
        layers: [...layers, ...behindInput, ...middle.flatMap(({ width, bias: b, after }) => [linear(width, { bias: b }), ...after]), linear(fixed ?? classes, { bias }), ...beforeLoss],
      }),
    );
};
