/**
 * Generating in tests: weights that make models talk, prompts, and a generation on a machine of a given shape. Not here: the laws (laws/generation.test.ts).
 */
import fc from 'fast-check';
import { Cluster, type ClusterOptions, type GenerateOptions, type GenerationResult, type Model, type NamedTensor } from '../../src/index.js';
import { wordsFrom } from '../unit/kernels/arena.js';

/** Weights large enough that logits differ and texts do not stand still. */
export const lively = (model: Model, seed: number): NamedTensor[] => {
  const word = wordsFrom(seed);
  return model.parameters.map(({ name, shape, size, role }) => {
    const spread = role === 'gain' ? 0.3 : role === 'table' ? 1.5 : 2 / Math.sqrt(shape[0] ?? 1);
    return { name, shape, data: Float32Array.from({ length: size }, () => (role === 'gain' ? 1 : 0) + spread * (word() / 2 ** 31 - 1)) };
  });
};

export const vocabularyOf = (model: Model): number => {
  const input = model.layers[0];
  return input?.kind === 'tokens' ? input.vocabulary : 0;
};

/** Tokens of any kind, fixed by the seed. */
export const someTokens = (model: Model, length: number, seed: number): number[] => {
  const word = wordsFrom(seed);
  return Array.from({ length }, () => word() % vocabularyOf(model));
};

export const generateOn = async (shape: ClusterOptions, model: Model, options: GenerateOptions): Promise<GenerationResult> => {
  await using cluster = await Cluster.start({ dispatcher: 'local', ...shape });
  return await cluster.generate(model, options).finished;
};

/** Machines that must not show in a token. */
export const aMachine = (): fc.Arbitrary<ClusterOptions> =>
  fc
    .record({ numCsx: fc.constantFrom(1, 2, 5, 40), threads: fc.integer({ min: 1, max: 4 }), fanIn: fc.constantFrom(2 as const, 4 as const), scheduleSeed: fc.nat(), kernels: fc.constantFrom('auto' as const, 'auto' as const, 'simd128' as const, 'twin' as const) })
    .map((machine): ClusterOptions => ({ dispatcher: 'local', ...machine }));
