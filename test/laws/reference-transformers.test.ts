/**
 * Laws of the oracle over transformers: its gradients are derivatives, an honest fp32 evaluation lies within all its bounds, planted faults do not.
 *
 * Three kinds of bounds are meant: worst cases through the whole model, those of single layers given the machine's own bits (anchors), and probed ones.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gpt } from '../../src/model/presets/gpt.js';
import { llama } from '../../src/model/presets/llama.js';
import { describeVerdict, type Verdict } from '../../src/reference/compare.js';
import { probedStep } from '../../src/reference/probed.js';
import { type Anchors, referenceForward, referenceStep } from '../../src/reference/step.js';
import { type Fault, type Witness, witnessStep } from '../support/mutations.js';
import { aTransformerCase, caseOf, verdicts } from '../support/mutations-cases.js';

const seed = 20250611;

/** Everything that the machine made, for the layers behind. */
const anchorsOf = (witness: Witness): Anchors => {
  const filled = (list: readonly Float32Array[]): Map<number, Float32Array> => new Map([...list.entries()].filter(([, values]) => values.length > 0));
  return { activations: filled(witness.activations), deltas: filled(witness.deltas) };
};
const none = (kind: string, all: readonly Verdict[]): number => {
  const bad = all.find((v) => !v.ok);
  assert.ok(bad === undefined, bad && `${kind}: ${describeVerdict(bad)}`);
  return Math.max(...all.map((v) => v.ratio));
};

test('gradients of transformers agree with central differences in f64', () => {
  let checked = 0;
  fc.assert(
    fc.property(aTransformerCase(2, 6), fc.nat(), ({ model, parameters, batch }, pick) => {
      const { gradients } = referenceStep(model, parameters, batch);
      for (const spec of model.parameters) {
        const at = pick % spec.size;
        const probe = (step: number): number => {
          const moved = parameters.map((p) => Float64Array.from(p)), tensor = moved[spec.index] as Float64Array;
          tensor[at] = (tensor[at] as number) + step;
          return referenceForward(model, moved, batch).loss.value[0] as number;
        };
        const h = 2 ** -13, near = (probe(h) - probe(-h)) / (2 * h), far = (probe(2 * h) - probe(-2 * h)) / (4 * h);
        // The error of `near` is h²·f'''/6 + …, a third of far − near where h⁴ is small beside it; and 2^-53 of the loss, some roundings of it, over h.
        const tolerance = Math.abs(far - near) + (2 ** -53 * 2048) / h;
        const gradient = gradients[spec.index]?.value[at] as number;
        assert.ok(Math.abs(near - gradient) <= tolerance, `${spec.name}[${at}]: ${gradient}, difference quotient ${near} ± ${tolerance}`);
        checked++;
      }
    }),
    { seed, numRuns: 60 },
  );
  assert.ok(checked > 500, `${checked}`);
});

test('an honest fp32 evaluation of a transformer lies within worst cases, probed bounds and those of every single layer', () => {
  let whole = 0, layer = 0, probed = 0;
  fc.assert(
    fc.property(aTransformerCase(3), (c) => {
      const { model, parameters, batch } = c, witness = witnessStep(model, parameters, batch);
      whole = Math.max(whole, none('whole', verdicts(model, witness, referenceStep(model, parameters, batch))));
      layer = Math.max(layer, none('single layers', verdicts(model, witness, referenceStep(model, parameters, batch, anchorsOf(witness)))));
      probed = Math.max(probed, none('probed', verdicts(model, witness, probedStep(model, parameters, batch))));
    }),
    { seed, numRuns: 40 },
  );
  // Worst-case bounds are reached by no random data; but bounds that stay far away everywhere say nothing.
  assert.ok(whole > 0.1 && layer > 0.1 && probed > 0.1, `the nearest approaches: ${whole}, ${layer}, ${probed}`);
});

const shapes = { layers: 2, heads: 2, dim: 8, context: 35, vocabulary: 7 } as const;
const sturdy = [gpt({ ...shapes, dropout: 0.2, activation: 'erf' }), llama({ ...shapes, heads: 4, kvHeads: 2, headSize: 2, hidden: 6 })];

for (const [s, model] of sturdy.entries()) {
  const c = caseOf(model, 2, s + 1, { masked: false }), { parameters, batch } = c;
  const reference = probedStep(model, parameters, batch);
  const outside = (all: readonly Verdict[]): boolean => all.some((v) => !v.ok);
  /** Whether loss and gradients show it against probed bounds, and whether some single layer shows it given its own input. */
  const caught = (fault: Fault): { readonly gradients: boolean; readonly layer: boolean } => {
    const witness = witnessStep(model, parameters, batch, fault);
    return { gradients: outside(verdicts(model, witness, reference, 'gradients')), layer: outside(verdicts(model, witness, referenceStep(model, parameters, batch, anchorsOf(witness)))) };
  };

  test(`${model.name}: an activation or delta rounded to 16 bits, or with one sign flipped, is caught`, () => {
    // A rounding to 16 bits moves the worst of hundreds of values by nearly 2^-9 of it; probed bounds are some 2^-13 of the largest value.
    for (const layer of model.layers.filter((l) => l.inputs.length > 0)) {
      for (const of of ['activations', 'deltas'] as const) {
        if (of === 'deltas' && layer.kind === 'softmaxCrossEntropy') continue;
        const expected = reference[of][layer.id]?.value ?? new Float64Array(0);
        // What a dropout throws away is seen by nobody behind it.
        const mask = model.layers.find((l) => l.kind === 'dropout' && (of === 'activations' ? l.inputs[0] === layer.id : l.id === layer.id));
        const kept = (i: number): boolean => mask === undefined || reference.activations[mask.id]?.value[i] !== 0;
        const largest = expected.reduce((best, v, i) => (kept(i) && Math.abs(v) > Math.abs(expected[best] as number) ? i : best), expected.findIndex((_, i) => kept(i)));
        for (const fault of [{ kind: 'bfloat16', of, layer: layer.id }, { kind: 'flippedSign', of, layer: layer.id, element: largest }] as const) {
          // Probabilities are not read again: only their own check sees them.
          assert.deepEqual(caught(fault), { gradients: layer.kind !== 'softmaxCrossEntropy', layer: true }, `${layer.name}: ${JSON.stringify(fault)}`);
        }
      }
    }
  });

  test(`${model.name}: a slab counted twice is caught by gradients alone`, () => {
    // Two sequences of two slabs each: leaves 0 … 3.
    for (const layer of model.layers.filter((l) => ['linear', 'norm', 'embedding', 'softmaxCrossEntropy'].includes(l.kind))) {
      const fault: Fault = { kind: 'slabTwice', layer: layer.id, slab: layer.id % 4 };
      assert.deepEqual(caught(fault), { gradients: true, layer: true }, `${layer.name}: ${JSON.stringify(fault)}`);
    }
  });

  test(`${model.name}: probed bounds are far below the gradients`, () => {
    for (const spec of model.parameters) {
      const { value, bound } = reference.gradients[spec.index] ?? { value: new Float64Array(0), bound: new Float64Array(0) };
      const largest = (list: Float64Array): number => list.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
      assert.ok(largest(bound) < largest(value) / 1000, `${spec.name}: ${largest(bound)} beside ${largest(value)}`);
    }
  });
}
