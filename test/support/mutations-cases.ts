/**
 * Models, weights and batches on which the witness is compared and faults are planted: functions of a seed.
 *
 * All numbers have magnitudes in [½, 1) times a scale and random signs. So no term of a sum is small beside the others, no value has the
 * few significant bits that a 16-bit rounding would leave alone, and a fault of one term stands far above bounds of some hundred roundings.
 * Not here: the faults themselves (mutations.ts).
 */
import fc from 'fast-check';
import { model } from '../../src/model/build.js';
import type { LayerSpec, Model } from '../../src/model/graph.js';
import { attention, block, dropout, embedding, features, gelu, layerNorm, linear, relu, residual, rmsNorm, rotary, sequence, swiglu, tokens } from '../../src/model/layers.js';
import type { ReferenceBatch, ReferenceForward } from '../../src/reference/step.js';
import { type Verdict, worstWithin } from '../../src/reference/compare.js';
import { purposes, randomUnit, randomWord } from '../../src/util/prng.js';
import type { Witness } from './mutations.js';
import type { Bounded } from '../../src/reference/bounded.js';

export interface Case {
  readonly model: Model;
  readonly parameters: readonly Float32Array[];
  readonly batch: ReferenceBatch;
}

/** `count` numbers with magnitudes in [scale/2, scale) and random signs. */
export const stout = (count: number, scale: number, seed: number, purpose: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (randomWord(seed, purposes.testData, i, 1, purpose) % 2 === 0 ? 1 : -1) * scale * (0.5 + 0.5 * randomUnit(seed, purposes.testData, i, 0, purpose)));

/** A case of a model: weights of `scale` over the root of a sum's length; one label in eight masked if `masked`, never the first. */
export const caseOf = (m: Model, samples: number, seed: number, options: { readonly scale?: number; readonly masked?: boolean } = {}): Case => {
  const { scale = 1, masked = true } = options;
  const input = m.layers[0];
  const loss = m.layers[m.layers.length - 1];
  if (input === undefined || loss?.kind !== 'softmaxCrossEntropy') throw new Error('a case needs a whole model');
  const draw = (i: number, purpose: number, below: number): number => randomWord(seed, purposes.testData, i, 2, purpose) % below;
  const count = samples * m.tokensPerSample;
  const inputs = input.kind === 'tokens' ? Int32Array.from({ length: count * input.context }, (_, i) => draw(i, 1, input.vocabulary)) : stout(count * input.features, 1, seed, 2);
  const labels = Int32Array.from({ length: count }, (_, t) => (masked && t > 0 && draw(t, 3, 8) === 0 ? -1 : draw(t, 4, loss.classes)));
  const parameters = m.parameters.map((p) => stout(p.size, p.role === 'weight' ? scale / Math.sqrt(p.shape[0] as number) : p.role === 'bias' ? 0.1 * scale : 1, seed, 10 + p.index));
  return { model: m, parameters, batch: { inputs, labels, dropout: { seed, step: seed % 7 } } };
};

/** Two chunks of features, three slabs of samples (the last not full), smooth: no kink hides a fault. */
export const smoothModel = model({ name: 'smooth', input: features(300), layers: [linear(12), gelu(), linear(5)] });
export const reluModel = model({ name: 'relu', input: features(40), layers: [linear(24), relu(), linear(6, { bias: false })] });
export const tokenModel = model({ name: 'tokens', input: tokens({ vocabulary: 9, context: 3 }), layers: [embedding({ dim: 4 }), linear(10), gelu(), linear(9)] });
export const sturdyModels = [smoothModel, reluModel, tokenModel] as const;

/** Small models of every layer kind, widths that cross a chunk's edge now and then. */
export const aModel = (): fc.Arbitrary<Model> => {
  const aHidden: fc.Arbitrary<LayerSpec[]> = fc
    .record({ width: fc.integer({ min: 1, max: 20 }), bias: fc.boolean(), after: fc.constantFrom('relu', 'gelu', 'nothing') })
    .map(({ width, bias, after }) => [linear(width, { bias }), ...(after === 'relu' ? [relu()] : after === 'gelu' ? [gelu()] : [])]);
  const aFirst = fc.oneof(
    fc.record({ kind: fc.constant('features' as const), width: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 24 }) }, { weight: 1, arbitrary: fc.integer({ min: 255, max: 530 }) }) }),
    fc.record({ kind: fc.constant('tokens' as const), vocabulary: fc.integer({ min: 1, max: 12 }), context: fc.integer({ min: 1, max: 4 }), dim: fc.integer({ min: 1, max: 6 }) }),
  );
  return fc.record({ first: aFirst, hidden: fc.array(aHidden, { maxLength: 3 }), classes: fc.integer({ min: 1, max: 12 }), bias: fc.boolean() }).map(({ first, hidden, classes, bias }) =>
    model({
      input: first.kind === 'features' ? features(first.width) : tokens(first),
      layers: [...(first.kind === 'tokens' ? [embedding({ dim: first.dim })] : []), ...hidden.flat(), linear(classes, { bias })],
    }),
  );
};

/** Small transformers of every layer kind: one or two blocks, grouped heads, sequences shorter and longer than a slab. */
export const aTransformer = (tokensMax = 40): fc.Arbitrary<Model> =>
  fc
    .record({
      context: fc.integer({ min: 2, max: tokensMax }), vocabulary: fc.integer({ min: 2, max: 9 }), dim: fc.integer({ min: 1, max: 9 }), blocks: fc.integer({ min: 1, max: 2 }),
      kvHeads: fc.integer({ min: 1, max: 2 }), group: fc.integer({ min: 1, max: 2 }), half: fc.integer({ min: 1, max: 3 }), turned: fc.boolean(), learned: fc.boolean(),
      centered: fc.boolean(), inner: fc.constantFrom('tanh' as const, 'erf' as const, 'swiglu' as const), rate: fc.constantFrom(0, 0.25), tied: fc.boolean(),
    })
    .map((o) => {
      const shape = { heads: o.kvHeads * o.group, kvHeads: o.kvHeads, headSize: 2 * o.half };
      const norm = (): LayerSpec => (o.centered ? layerNorm() : rmsNorm());
      const drop = (): LayerSpec[] => (o.rate === 0 ? [] : [dropout(o.rate)]);
      const inside: LayerSpec[] = o.inner === 'swiglu' ? [linear(10), swiglu()] : [linear(7), gelu({ approximation: o.inner })];
      const projected = linear((shape.heads + 2 * shape.kvHeads) * shape.headSize);
      return model({
        input: sequence(o),
        layers: [
          embedding({ dim: o.dim, ...(o.learned ? { positions: {} } : {}) }),
          ...drop(),
          ...Array.from({ length: o.blocks }, () =>
            block([residual([norm(), projected, ...(o.turned ? [rotary(shape)] : []), attention(shape), linear(o.dim), ...drop()]), residual([norm(), ...inside, linear(o.dim, { bias: false }), ...drop()])]),
          ),
          norm(),
          linear(o.vocabulary, o.tied ? { tied: true } : { bias: false }),
        ],
      });
    });

/** A case of a drawn transformer, of at most `samplesMax` sequences. */
export const aTransformerCase = (samplesMax: number, tokensMax?: number): fc.Arbitrary<Case> =>
  fc
    .record({ model: aTransformer(tokensMax), samples: fc.integer({ min: 1, max: samplesMax }), seed: fc.nat(), masked: fc.boolean() })
    .map(({ model: m, samples, seed, masked }) => caseOf(m, samples, seed, { masked }));

export const aCase = (samplesMax: number, scales: readonly number[]): fc.Arbitrary<Case> =>
  fc
    .record({ model: aModel(), samples: fc.integer({ min: 1, max: samplesMax }), seed: fc.nat(), scale: fc.constantFrom(...scales), masked: fc.boolean() })
    .map(({ model: m, samples, seed, scale, masked }) => caseOf(m, samples, seed, { scale, masked }));

const pair = (name: string, actual: Float32Array | undefined, expected: Bounded | undefined): Verdict => {
  if (actual === undefined || expected === undefined) throw new Error(`${name} is missing`);
  return worstWithin(name, actual, expected);
};

/** Verdicts on everything a step gives. `of` limits them: what lies on the wafers, or what leaves them. */
export const verdicts = (m: Model, witness: Witness, reference: ReferenceForward & { readonly deltas: readonly Bounded[]; readonly gradients: readonly Bounded[] }, of: 'all' | 'gradients' = 'all'): Verdict[] => {
  return [
    pair('loss', Float32Array.of(witness.loss), reference.loss),
    ...m.parameters.map((p) => pair(`gradient of ${p.name}`, witness.gradients[p.index], reference.gradients[p.index])),
    ...(of === 'gradients' ? [] : m.layers.flatMap((l) => [pair(`activations of ${l.name}`, witness.activations[l.id], reference.activations[l.id]), pair(`deltas of ${l.name}`, witness.deltas[l.id], reference.deltas[l.id])])),
  ];
};
