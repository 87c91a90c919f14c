/**
 * The oracle against PyTorch in float64 over a GPT-2 and a Llama stack: every activation, delta and gradient by name, and the losses of 50 AdamW steps.
 *
 * Both compute in f64. Gradients and losses stand in the file as f64; activations and deltas were rounded once to float32, which is half a unit in the last place.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceForward, referenceStep } from '../../../src/reference/step.js';
import { gatherBatch, referenceTrain } from '../../../src/reference/train.js';
import { loadTransformer } from '../../support/golden-transformers.js';

/** |actual − expected| ≤ relative · largest + roundings · |expected|; the worst element by name, index and value. */
const close = (what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, relative: number, rounding = 0): number => {
  assert.equal(actual.length, expected.length, what);
  let largest = 0, worst = 0, at = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i] as number));
  assert.ok(largest > 0, `${what} is all zero and says nothing`);
  for (let i = 0; i < expected.length; i++) {
    const ratio = Math.abs((actual[i] as number) - (expected[i] as number)) / (relative * largest + rounding * Math.abs(expected[i] as number));
    if (ratio > worst || Number.isNaN(ratio)) [worst, at] = [ratio, i];
    if (Number.isNaN(ratio)) break;
  }
  assert.ok(worst <= 1, `${what}[${at}]: ${actual[at]} and torch ${expected[at]}: ${worst} of the bound`);
  return worst;
};

/** Of some hundred f64 roundings on the way to a value, relative to the largest value of its tensor; measured below 3e-15. */
const computed = 2e-14;
/** Half a unit in the last place of float32. */
const stored = 2 ** -24;

for (const name of ['gpt2', 'llama'] as const) {
  test(`${name}: activations, deltas, gradients and loss of one batch are PyTorch's`, async () => {
    const golden = await loadTransformer(name), { model } = golden;
    const step = referenceStep(model, golden.parameters.map(({ data }) => data), golden.batch);
    close('loss', step.loss.value, [golden.loss], computed);
    const layers = model.layers.slice(1);
    // Nothing is left out on either side.
    assert.deepEqual(golden.names('activations').toSorted(), layers.map((layer) => layer.name).toSorted());
    assert.deepEqual(golden.names('deltas').toSorted(), layers.slice(0, -1).map((layer) => layer.name).toSorted());
    assert.deepEqual(golden.names('gradients').toSorted(), model.parameters.map((p) => p.name).toSorted());
    for (const { id, name: layer } of layers) close(`activations of ${layer}`, step.activations[id]?.value ?? [], golden.value('activations', layer), computed, stored);
    for (const { id, name: layer } of layers.slice(0, -1)) close(`deltas of ${layer}`, step.deltas[id]?.value ?? [], golden.value('deltas', layer), computed, stored);
    for (const p of model.parameters) close(`gradient of ${p.name}`, step.gradients[p.index]?.value ?? [], golden.value('gradients', p.name), computed);
  });

  test(`${name}: a swapped pair of the file's tensors is found`, async () => {
    const { model, parameters, batch, value } = await loadTransformer(name);
    const gains = model.parameters.filter((p) => p.role === 'gain'), [a, b] = [gains[0]?.index ?? 0, gains[1]?.index ?? 0];
    const swapped = parameters.map(({ data }, i) => parameters[i === a ? b : i === b ? a : i]?.data ?? data);
    const { activations } = referenceForward(model, swapped, batch);
    assert.throws(() => close('logits', activations.at(-2)?.value ?? [], value('activations', 'lm_head'), 1e-3), /of the bound/);
  });

  test(`${name}: 50 AdamW steps follow PyTorch, with and without clipping`, async () => {
    const golden = await loadTransformer(name), { model } = golden;
    assert.equal(golden.batches.length, 50);
    for (const run of golden.runs) {
      const parameters = golden.parameters.map(({ data }) => data);
      const ours = referenceTrain({
        model, parameters, optimizer: run.optimizer, steps: run.losses64.length, batchAt: (step) => golden.batches[step] ?? golden.batch, ...(run.clip === null ? {} : { clipNorm: run.clip }),
      });
      // Roundings of f64 grow over the steps; measured below 1e-14.
      close('losses', ours.losses, run.losses64, 1e-13);
      if (run.clip !== null) close('norms', ours.norms, run.norms64, 1e-13);
      // PyTorch's own float32 run stays near its float64 run: the file pairs the right numbers.
      close('float32 losses', run.losses32, run.losses64, 1e-5);
      assert.ok((run.losses64.at(-1) ?? Infinity) < 0.9 * (run.losses64[0] ?? 0), 'the loss falls');
    }
  });
}

test('training data laid out for a seed are drawn in the order of the batches', async () => {
  const golden = await loadTransformer('gpt2'), data = golden.dataAs(77);
  for (const [step, batch] of golden.batches.entries()) {
    const { inputs, labels } = gatherBatch(golden.model, data, golden.samplesPerBatch, step, 77);
    assert.deepEqual({ inputs, labels }, batch);
  }
});

test('gpt2: greedy generation is PyTorch\'s, token for token', async () => {
  const { model, parameters, generation } = await loadTransformer('gpt2');
  const [input] = model.layers;
  assert.ok(input?.kind === 'tokens' && generation.length === 8);
  const weights = parameters.map(({ data }) => data), tokens = model.tokensPerSample, head = model.layers.at(-2);
  for (const { prompt, tokens: expected, gaps } of generation) {
    const ids = [...prompt];
    for (const [place, gap] of gaps.entries()) {
      // Places behind the last id are filled up: causal attention does not see them.
      const inputs = Int32Array.from({ length: tokens }, (_, i) => ids[i] ?? 0);
      const { activations } = referenceForward(model, weights, { inputs, labels: new Int32Array(tokens) });
      const logits = [...(activations[head?.id ?? -1]?.value ?? [])].slice((ids.length - 1) * input.vocabulary, ids.length * input.vocabulary);
      const [best = NaN, second = NaN] = logits.toSorted((a, b) => b - a);
      assert.ok(Math.abs(best - second - gap) < 1e-12, `gap ${place} behind [${prompt.join(' ')}]: ${best - second} and torch ${gap}`);
      ids.push(logits.indexOf(best));
    }
    assert.deepEqual(ids.slice(prompt.length), expected);
  }
});
