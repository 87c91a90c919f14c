/**
 * Laws of the oracle: its gradients are derivatives; its bounds hold for an honest fp32 evaluation; they do not hold for a faulty one.
 *
 * The mutation tests stay: a bound that lets a planted fault pass would let a real one pass.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeVerdict } from '../../src/reference/compare.js';
import { referenceForward, referenceStep } from '../../src/reference/step.js';
import { bfloat16, type Fault, witnessStep } from '../support/mutations.js';
import { aCase, type Case, caseOf, reluModel, smoothModel, sturdyModels, tokenModel, verdicts } from '../support/mutations-cases.js';

const seed = 20240817;

test('an honest fp32 evaluation lies within the bounds', () => {
  let worst = 0;
  fc.assert(
    fc.property(aCase(100, [0.1, 1, 4, 30]), ({ model, parameters, batch }) => {
      const all = verdicts(model, witnessStep(model, parameters, batch), referenceStep(model, parameters, batch));
      const bad = all.find((v) => !v.ok);
      assert.ok(bad === undefined, bad && describeVerdict(bad));
      worst = Math.max(worst, ...all.map((v) => v.ratio));
    }),
    { seed, numRuns: 150 },
  );
  // A worst-case bound is reached by no random data; but one that stays far away everywhere says nothing.
  assert.ok(worst > 0.1, `the nearest approach to a bound was ${worst}`);
});

test('gradients agree with central differences in f64', () => {
  let checked = 0;
  fc.assert(
    fc.property(aCase(6, [0.5, 1.5]), fc.nat(), ({ model, parameters, batch }, pick) => {
      const { gradients } = referenceStep(model, parameters, batch);
      for (const spec of model.parameters) {
        const at = pick % spec.size;
        const probe = (step: number): { loss: number; signs: string } => {
          const moved = parameters.map((p) => Float64Array.from(p));
          const tensor = moved[spec.index] as Float64Array;
          tensor[at] = (tensor[at] as number) + step;
          const { loss, activations } = referenceForward(model, moved, batch);
          const signs = model.layers.flatMap((l) => (l.kind === 'relu' ? [...(activations[l.inputs[0] as number]?.value ?? [])].map((v) => (v > 0 ? '+' : '-')) : [])).join('');
          return { loss: loss.value[0] as number, signs };
        };
        const h = 2 ** -13;
        const [up, down, up2, down2] = [probe(h), probe(-h), probe(2 * h), probe(-2 * h)];
        if (new Set([up.signs, down.signs, up2.signs, down2.signs]).size > 1) continue; // a ReLU turns over in between
        const near = (up.loss - down.loss) / (2 * h), far = (up2.loss - down2.loss) / (4 * h);
        // The error of `near` is h²·f'''/6 + …, a third of far − near; and 2^-53 of the loss, some roundings of it, over h.
        const tolerance = Math.abs(far - near) + (2 ** -53 * 64 * (1 + up.loss)) / h;
        const gradient = gradients[spec.index]?.value[at] as number;
        assert.ok(Math.abs(near - gradient) <= tolerance, `${spec.name}[${at}]: ${gradient}, difference quotient ${near} ± ${tolerance}`);
        checked++;
      }
    }),
    { seed, numRuns: 150 },
  );
  assert.ok(checked > 300, `only ${checked} elements were away from kinks`);
});

/** Runs a fault on a case and says whether anything, or loss and gradients alone, is out of bounds. */
const caught = ({ model, parameters, batch }: Case, fault: Fault): { readonly anywhere: boolean; readonly gradients: boolean } => {
  const witness = witnessStep(model, parameters, batch, fault), reference = referenceStep(model, parameters, batch);
  return { anywhere: verdicts(model, witness, reference).some((v) => !v.ok), gradients: verdicts(model, witness, reference, 'gradients').some((v) => !v.ok) };
};
const largestAt = (count: number, size: (index: number) => number): number => Array.from({ length: count }, (_, i) => i).reduce((a, b) => (size(b) > size(a) ? b : a), 0);

const samples = 80;
const aSeed = fc.nat();

test('a dropped term is caught', () => {
  // Forward, first layer: |w·x| ≥ 1/(4·√300) for every term, while the bound of the sum is below 2^-24 · 300 · 300/√300, a hundredth of it. Elsewhere the term is
  // the largest of its sum, so at least a 1/80 of Σ |terms|, while bounds are some 10^-4 of it. ReLU's zeros are why the smooth model is taken.
  fc.assert(
    fc.property(aSeed, fc.nat(), fc.nat(), (s, element, term) => {
      const c = caseOf(smoothModel, samples, s % 1000, { masked: false });
      const honest = witnessStep(c.model, c.parameters, c.batch);
      const [x, hidden, dHidden, dLogits] = [c.batch.inputs, honest.activations[2] as Float32Array, honest.deltas[1] as Float32Array, honest.deltas[3] as Float32Array];
      const output = c.parameters[2] as Float32Array;
      const first = { kind: 'droppedTerm', of: 'forward', layer: 1, element: element % (samples * 12), term: term % 300 } as const;
      assert.deepEqual(caught(c, first), { anywhere: true, gradients: true }, JSON.stringify(first));

      const y = element % (samples * 5), dw = element % (300 * 12), dx = element % (samples * 12);
      const chosen: Fault[] = [
        { kind: 'droppedTerm', of: 'forward', layer: 3, element: y, term: largestAt(12, (i) => Math.abs((output[i * 5 + (y % 5)] as number) * (hidden[Math.floor(y / 5) * 12 + i] as number))) },
        { kind: 'droppedTerm', of: 'delta', layer: 3, element: dx, term: largestAt(5, (o) => Math.abs((output[(dx % 12) * 5 + o] as number) * (dLogits[Math.floor(dx / 12) * 5 + o] as number))) },
        { kind: 'droppedTerm', of: 'gradient', layer: 1, element: dw, term: largestAt(samples, (t) => Math.abs((x[t * 300 + Math.floor(dw / 12)] as number) * (dHidden[t * 12 + (dw % 12)] as number))) },
      ];
      for (const fault of chosen) assert.ok(caught(c, fault).anywhere, JSON.stringify(fault));
    }),
    { seed, numRuns: 6 },
  );
});

test('a slab counted twice is caught', () => {
  // A leaf sums 32 (the last 16) tokens with random signs: among all elements of a gradient some leaf is about √16 terms, against bounds of
  // 10^-4 of Σ |terms|; one uncertain ReLU would blind one column and not the layer.
  fc.assert(
    fc.property(aSeed, fc.constantFrom(...sturdyModels), fc.nat({ max: 2 }), fc.nat(), (s, model, slab, pick) => {
      const layers = model.layers.filter((l) => l.kind === 'linear' || l.kind === 'embedding' || l.kind === 'softmaxCrossEntropy');
      const fault: Fault = { kind: 'slabTwice', layer: layers[pick % layers.length]?.id ?? 0, slab };
      assert.ok(caught(caseOf(model, samples, s % 1000), fault).gradients, JSON.stringify(fault));
    }),
    { seed, numRuns: 30 },
  );
});

test('a flipped sign is caught', () => {
  // Twice the value against its own bound: anything but a value within its bound of zero, which is left out, shows at the element itself.
  fc.assert(
    fc.property(aSeed, fc.constantFrom(...sturdyModels), fc.constantFrom('activations' as const, 'deltas' as const), fc.nat(), fc.nat(), (s, model, of, pick, place) => {
      const c = caseOf(model, samples, s % 1000);
      const layers = model.layers.filter((l) => l.inputs.length > 0 && l.kind !== 'softmaxCrossEntropy');
      const layer = layers[pick % layers.length]?.id ?? 0;
      const expected = referenceStep(model, c.parameters, c.batch)[of][layer];
      const element = place % (expected?.value.length ?? 1);
      fc.pre(Math.abs(expected?.value[element] as number) > 2 * (expected?.bound[element] as number));
      const fault: Fault = { kind: 'flippedSign', of, layer, element };
      assert.ok(caught(c, fault).anywhere, JSON.stringify(fault));
    }),
    { seed, numRuns: 30 },
  );
});

test('a tensor rounded to 16 bits is caught, also by loss and gradients alone', () => {
  // Rounding moves the worst of hundreds of values by nearly 2^-9 of it; bounds are below 2^-14 of the values.
  for (const [s, model] of sturdyModels.entries()) {
    const c = caseOf(model, samples, s);
    for (const layer of model.layers) {
      for (const of of ['activations', 'deltas'] as const) {
        // Token ids stay as they are; the input and the loss have no delta; probabilities are not read again, so only their own check sees them.
        if (layer.kind === 'tokens' || (of === 'deltas' && (layer.inputs.length === 0 || layer.kind === 'softmaxCrossEntropy'))) continue;
        const fault: Fault = { kind: 'bfloat16', of, layer: layer.id };
        assert.deepEqual(caught(c, fault), { anywhere: true, gradients: layer.kind !== 'softmaxCrossEntropy' }, `${model.name}: ${JSON.stringify(fault)}`);
      }
    }
    for (const spec of model.parameters) {
      const rounded = c.parameters.map((p, index) => (index === spec.index ? p.map(bfloat16) : p));
      const reference = referenceStep(model, c.parameters, c.batch);
      assert.ok(verdicts(model, witnessStep(model, rounded, c.batch), reference, 'gradients').some((v) => !v.ok), `${model.name}: weights ${spec.name}`);
      const witness = witnessStep(model, c.parameters, c.batch);
      const gradients = witness.gradients.map((g, index) => (index === spec.index ? g.map(bfloat16) : g));
      assert.ok(verdicts(model, { ...witness, gradients }, reference).some((v) => !v.ok), `${model.name}: gradient of ${spec.name}`);
    }
  }
});

test('kinks are few, listed, and the only places where fp32 takes the other side', () => {
  let listed = 0, units = 0;
  for (let s = 0; s < 8; s++) {
    const c = caseOf(reluModel, samples, s);
    const reference = referenceStep(reluModel, c.parameters, c.batch), witness = witnessStep(reluModel, c.parameters, c.batch);
    const before = reference.activations[1], actual = witness.activations[1] as Float32Array;
    for (let i = 0; i < actual.length; i++) {
      const otherSide = (actual[i] as number) > 0 !== (before?.value[i] as number) > 0;
      assert.ok(!otherSide || reference.kinks.some((k) => k.token * 24 + k.feature === i));
    }
    listed += reference.kinks.length;
    units += actual.length;
  }
  assert.ok(listed < units / 1000, `${listed} of ${units}`);

  // A product and a bias that cancel: the value is 0, its bound is not.
  const c = caseOf(reluModel, 1, 1);
  const weights = c.parameters.map((p) => p.slice());
  const first = weights[0] as Float32Array, bias = weights[1] as Float32Array, x = c.batch.inputs as Float32Array;
  x.fill(0);
  x[0] = 1;
  bias[0] = 2 ** -30;
  first[0] = -(2 ** -30);
  const kinked = referenceStep(reluModel, weights, c.batch);
  assert.deepEqual(kinked.kinks.map((k) => [k.layer, k.token, k.feature]), [[2, 0, 0]]);
  const delta = kinked.deltas[1];
  assert.ok((delta?.bound[0] as number) >= Math.abs(kinked.deltas[2]?.value[0] as number), 'the whole delta is uncertain there');
});

test('a row that no sample reads has gradient zero, exactly', () => {
  const c = caseOf(tokenModel, samples, 5);
  const ids = (c.batch.inputs as Int32Array).map((id) => (id === 4 ? 3 : id));
  const table = referenceStep(tokenModel, c.parameters, { ...c.batch, inputs: ids }).gradients[0];
  assert.deepEqual([...(table?.value.subarray(16, 20) ?? []), ...(table?.bound.subarray(16, 20) ?? [])], [0, 0, 0, 0, 0, 0, 0, 0]);
});
