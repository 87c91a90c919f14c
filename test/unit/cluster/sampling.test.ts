/** Choosing a token (docs/numerics.md §13): ties, candidates by their definitions, frequencies, keys. Not here: generations (emulator/generate.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseToken, greedyToken } from '../../../src/cluster/coordinator/sampling.js';
import { expF32 } from '../../../src/kernels/functions.js';
import { purposes, randomUnit } from '../../../src/util/prng.js';

const seed = 20_261_127;
const f = Math.fround;
const someLogits = fc.array(fc.oneof(fc.float({ min: -19, max: 19, noNaN: true }), fc.constantFrom(0, -0, 1, 2)), { minLength: 1, maxLength: 600 }).chain((values) => fc.constantFrom(1, 1, 1, 30).map((times) => Array.from({ length: values.length * times }, (_, i) => (values[i % values.length] as number) + (i % 7) / 8))).map((values) => Float32Array.from(values));

/** The definition, with sorted lists of [id, z]. */
const defined = (logits: Float32Array, o: { readonly temperature: number; readonly topK: number | null; readonly topP: number; readonly seed: number }, place: number, id: number): number => {
  const byId = (a: Pair, b: Pair): number => a[0] - b[0], byZ = (a: Pair, b: Pair): number => b[1] - a[1] || a[0] - b[0];
  type Pair = readonly [number, number];
  let left: Pair[] = [...logits].map((logit, i): Pair => [i, f(logit / f(o.temperature))]).toSorted(byZ).slice(0, o.topK ?? undefined);
  const max = left[0]?.[1] ?? 0, e = (pair: Pair): number => expF32(f(pair[1] - max));
  const total = (pairs: readonly Pair[]): number => {
    const chunks = Array.from({ length: Math.ceil(pairs.length / 256) }, (_, c) => pairs.slice(256 * c, 256 * c + 256).reduce((sum, pair) => f(sum + e(pair)), 0));
    return chunks.reduce((sum, chunk) => f(sum + chunk));
  };
  if (o.topP < 1) {
    const goal = f(f(o.topP) * total(left.toSorted(byId)));
    let sum = 0;
    const enough = left.findIndex((pair) => (sum = f(sum + e(pair))) >= goal);
    left = enough < 0 ? left : left.slice(0, enough + 1);
  }
  left = left.toSorted(byId);
  const goal = f(randomUnit(o.seed, purposes.sampling, place, id) * total(left));
  let running = 0;
  return (left.find((pair) => (running = f(running + e(pair))) > goal) ?? left.findLast((pair) => e(pair) > 0) ?? [0])[0];
};

test('greedy takes the largest, of equals the lowest id, and no NaN', () => {
  assert.equal(greedyToken(Float32Array.of(1, 3, 3, 2)), 1);
  assert.equal(greedyToken(Float32Array.of(-0, 0)), 0);
  assert.equal(greedyToken(Float32Array.of(-Infinity, -5)), 1);
  assert.equal(greedyToken(Float32Array.of(1, Number.NaN, 2)), -1);
  assert.equal(greedyToken(Float32Array.of(Number.NaN, 2)), -1);
});

test('a draw is what its definition says', () => {
  fc.assert(
    fc.property(someLogits, fc.constantFrom(0.2, 0.7, 1, 3), fc.option(fc.integer({ min: 1, max: 600 }), { nil: null }), fc.constantFrom(1, 0.95, 0.5, 0.01), fc.nat(), fc.nat(), fc.nat(), (logits, temperature, topK, topP, drawSeed, place, id) => {
      const options = { temperature, topK, topP, seed: drawSeed };
      assert.equal(chooseToken(logits, options, place, id), defined(logits, options, place, id));
    }),
    { seed, numRuns: 1500 },
  );
});

test('ids are drawn as often as their probabilities say', () => {
  const logits = Float32Array.of(0, 1, 2, -1, 0.5), temperature = 0.8, draws = 40_000;
  const e = [...logits].map((x) => Math.exp(x / temperature)), all = e.reduce((a, b) => a + b);
  const seen = logits.map(() => 0);
  for (let place = 0; place < draws; place++) {
    const id = chooseToken(logits, { temperature, topK: null, topP: 1, seed: 42 }, place, 7);
    seen[id] = (seen[id] as number) + 1;
  }
  // Five standard deviations.
  e.forEach((value, id) => {
    const p = value / all;
    assert.ok(Math.abs((seen[id] as number) - draws * p) < 5 * Math.sqrt(draws * p * (1 - p)), `id ${id}: ${seen[id]} of ${draws * p}`);
  });
});

test('seed, place and the prompt\'s id each change the draw', () => {
  const logits = new Float32Array(400), draw = (drawSeed: number, place: number, id: number): number => chooseToken(logits, { temperature: 1, topK: null, topP: 1, seed: drawSeed }, place, id);
  const drawn = [draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)];
  assert.equal(new Set(drawn).size, 4);
  assert.equal(draw(1, 2, 3), drawn[0]);
});
