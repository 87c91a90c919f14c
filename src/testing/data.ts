/**
 * Arbitrary training data that fits a model: features, token ids, text or streams of ids for sequences, with masked labels now and then.
 *
 * Not here: batches (the order of samples is the run's own), files (formats).
 */
import fc from 'fast-check';
import type { Model, TrainingData } from '../index.js';
import { InvalidModel } from '../index.js';
import { purposes, randomUnit, randomWord } from '../util/prng.js';

/** What `someData` may draw. */
export interface DataOptions {
  /** Most samples of single tokens; 150 unless given. Sequences: a tenth as many. */
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
      if (model.tokensPerSample > 1) return sequences(model, Math.max(1, Math.ceil(samples / 10)), { draw, mask, text, classes: loss.classes });
      if (text) return { kind: 'text', bytes: Uint8Array.from({ length: samples + input.features }, (_, i) => draw(i, 0, 256)) };
      const labels = Int32Array.from({ length: samples }, (_, i) => (mask && i > 0 && draw(i, 1, 6) === 0 ? -1 : draw(i, 2, loss.classes)));
      if (input.kind === 'tokens') return { kind: 'tokens', ids: Int32Array.from({ length: samples * input.context }, (_, i) => draw(i, 3, input.vocabulary)), labels };
      return { kind: 'features', inputs: Float32Array.from({ length: samples * input.features }, (_, i) => scale * (2 * randomUnit(seed, purposes.testData, i, 4) - 1)), labels };
    });
};

/** A stream of whole sequences and a few ids that are left over; labels of its own, or each id labelled with the next. */
const sequences = (model: Model, samples: number, o: { readonly draw: (i: number, what: number, below: number) => number; readonly mask: boolean; readonly text: boolean; readonly classes: number }): TrainingData => {
  const { draw, mask, text, classes } = o, input = model.layers[0];
  const vocabulary = input?.kind === 'tokens' ? input.vocabulary : 0, tokens = model.tokensPerSample;
  const length = samples * tokens + 1 + draw(0, 5, tokens);
  if (text) return { kind: 'text', bytes: Uint8Array.from({ length }, (_, i) => draw(i, 0, 256)) };
  const labelled = mask || vocabulary > classes || draw(1, 5, 2) === 0;
  const id = (_: unknown, i: number): number => draw(i, 3, vocabulary);
  const ids = [() => Uint8Array.from({ length }, id), () => Uint16Array.from({ length }, id), () => Int32Array.from({ length }, id)][draw(2, 5, 3)]?.() ?? new Int32Array(0);
  if (!labelled) return { kind: 'sequence', ids };
  // Single tokens are masked, the ends of samples as padding is, and now and then a whole sample.
  const isMasked = (i: number): boolean => {
    const sample = Math.floor(i / tokens), kept = sample > 0 && draw(sample, 6, 8) === 0 ? 0 : draw(sample, 7, 3) === 0 ? 1 + draw(sample, 8, tokens) : tokens;
    return mask && i > 0 && (i % tokens >= kept || draw(i, 1, 6) === 0);
  };
  return { kind: 'sequence', ids, labels: Int32Array.from({ length }, (_, i) => (isMasked(i) ? -1 : draw(i, 2, classes))) };
};
