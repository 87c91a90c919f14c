/**
 * Arbitrary training data that fits a model: features, token ids or text, with masked labels now and then.
 *
 * Not here: batches (the order of samples is the run's own), files (formats).
 */
import fc from 'fast-check';
import type { Model, TrainingData } from '../index.js';
import { InvalidModel } from '../index.js';
import { purposes, randomUnit, randomWord } from '../util/prng.js';

/** What `someData` may draw. */
export interface DataOptions {
  /** Most samples; 150 unless given. */
  readonly samplesMax?: number;
  /** Labels of −1 now and then; true unless given. At least one label stays. */
  readonly masked?: boolean;
}

/** Training data for a model, a function of few drawn numbers, so that a failure prints briefly and shrinks to fewer samples. */
export const someData = (model: Model, options: DataOptions = {}): fc.Arbitrary<TrainingData> => {
  const { samplesMax = 150, masked = true } = options;
  const input = model.layers[0], loss = model.layers[model.layers.length - 1];
  if (input === undefined || loss?.kind !== 'softmaxCrossEntropy') throw new InvalidModel({ what: 'a model without input or loss', hint: 'build it with model({ … })' });
  const isText = input.kind === 'tokens' && input.vocabulary >= 256 && loss.classes >= 256;
  return fc
    .record({
      samples: fc.integer({ min: 1, max: samplesMax }),
      seed: fc.nat(),
      scale: fc.constantFrom(0.5, 1, 3),
      masked: masked ? fc.oneof({ weight: 2, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }) : fc.constant(false),
      text: isText ? fc.boolean() : fc.constant(false),
    })
    .map(({ samples, seed, scale, masked: mask, text }): TrainingData => {
      const draw = (i: number, what: number, below: number): number => randomWord(seed, purposes.testData, i, what) % below;
      if (text) return { kind: 'text', bytes: Uint8Array.from({ length: samples + input.features }, (_, i) => draw(i, 0, 256)) };
      const labels = Int32Array.from({ length: samples }, (_, i) => (mask && i > 0 && draw(i, 1, 6) === 0 ? -1 : draw(i, 2, loss.classes)));
      if (input.kind === 'tokens') return { kind: 'tokens', ids: Int32Array.from({ length: samples * input.context }, (_, i) => draw(i, 3, input.vocabulary)), labels };
      return { kind: 'features', inputs: Float32Array.from({ length: samples * input.features }, (_, i) => scale * (2 * randomUnit(seed, purposes.testData, i, 4) - 1)), labels };
    });
};
