/** What the oracle's transformer layers must be by definition: causal, turning, normalized, tied; and how their batches are gathered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { model } from '../../../src/model/build.js';
import type { LayerOf, Model } from '../../../src/model/graph.js';
import { attention, embedding, layerNorm, linear, rotary, sequence } from '../../../src/model/layers.js';
import { gpt } from '../../../src/model/presets/gpt.js';
import { llama } from '../../../src/model/presets/llama.js';
import { attentionDelta, attentionForward } from '../../../src/reference/attention.js';
import { type Bounded, exact } from '../../../src/reference/bounded.js';
import { referenceClip } from '../../../src/reference/clip.js';
import { siluAt, siluSecondMax, siluThirdMax } from '../../../src/reference/gated.js';
import { erf, geluErfAt } from '../../../src/reference/gelu-erf.js';
import { dropout } from '../../../src/reference/passing.js';
import { rotaryFrequencies, rotate } from '../../../src/reference/rotary.js';
import { referenceForward, referenceStep } from '../../../src/reference/step.js';
import { tokenTree } from '../../../src/reference/tokens.js';
import { gatherBatch, referenceTrain } from '../../../src/reference/train.js';
import { sgd } from '../../../src/model/optimizer.js';
import { InvalidConfig } from '../../../src/util/errors.js';
import { caseOf, stout } from '../../support/mutations-cases.js';

const layerOf = <K extends 'attention' | 'rotary' | 'dropout'>(m: Model, kind: K): LayerOf<K> => m.layers.find((l): l is LayerOf<K> => l.kind === kind) as LayerOf<K>;
const near = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = ''): void => {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < expected.length; i++) assert.ok(Math.abs((actual[i] as number) - (expected[i] as number)) <= tolerance, `${what}[${i}]: ${actual[i]}, expected ${expected[i]}`);
};
const heads = (shape: { readonly heads: number; readonly kvHeads: number; readonly headSize: number }): LayerOf<'attention'> =>
  layerOf(model({ input: sequence({ vocabulary: 3, context: 5 }), layers: [embedding({ dim: (shape.heads + 2 * shape.kvHeads) * shape.headSize }), attention(shape)] }), 'attention');

test('a later token changes no earlier activation', () => {
  for (const m of [gpt({ layers: 2, heads: 2, dim: 8, context: 35, vocabulary: 9 }), llama({ layers: 2, heads: 4, kvHeads: 2, dim: 8, hidden: 6, context: 35, vocabulary: 9 })]) {
    const { parameters, batch } = caseOf(m, 2, 3), ids = (batch.inputs as Int32Array).slice();
    const place = 20;
    ids[35 + place] = ((ids[35 + place] as number) + 1) % 9;
    const before = referenceForward(m, parameters, batch), after = referenceForward(m, parameters, { ...batch, inputs: ids });
    for (const { id, features, name } of m.layers.slice(1)) {
      const [a, b] = [before, after].map((run) => run.activations[id]?.value as Float64Array) as [Float64Array, Float64Array];
      assert.deepEqual(a.subarray(0, (35 + place) * features), b.subarray(0, (35 + place) * features), name);
      assert.notDeepEqual(a.subarray((35 + place) * features), b.subarray((35 + place) * features), name);
    }
  }
});

test('attention weights sum to 1, and equal keys share evenly', () => {
  const layer = heads({ heads: 2, kvHeads: 1, headSize: 2 });
  const qkv = stout(5 * 8, 2, 1, 40);
  for (let t = 0; t < 5; t++) qkv.set([1, t], t * 8 + 6);
  const o = attentionForward(layer, exact(qkv), 5).value;
  for (let t = 0; t < 5; t++) near([o[t * 4] as number, o[t * 4 + 2] as number], [1, 1], 1e-15);
  for (let t = 0; t < 5; t++) qkv.set([3, 3], t * 8 + 4);
  const even = attentionForward(layer, exact(qkv), 5).value;
  for (let t = 0; t < 5; t++) near([even[t * 4 + 1] as number], [t / 2], 1e-15, 'mean of the places up to the query');
});

test('shared key–value heads are repeated ones, and their deltas the sums', () => {
  const grouped = heads({ heads: 4, kvHeads: 2, headSize: 2 }), repeated = heads({ heads: 4, kvHeads: 4, headSize: 2 });
  const x = stout(5 * 16, 1, 2, 41), d = exact(stout(5 * 8, 1, 3, 42));
  const wide = Float32Array.from({ length: 5 * 24 }, (_, at) => {
    const t = Math.floor(at / 24), k = at % 24;
    return x[t * 16 + (k < 8 ? k : 8 + Math.floor((k - 8) / 8) * 4 + Math.floor(((k - 8) % 8) / 4) * 2 + (k % 2))] as number;
  });
  const run = (layer: LayerOf<'attention'>, qkv: Float32Array): readonly [Bounded, Bounded] => {
    const o = attentionForward(layer, exact(qkv), 5);
    return [o, attentionDelta(layer, d, exact(qkv), o, 5)];
  };
  const [o, dx] = run(grouped, x), [oWide, dWide] = run(repeated, wide);
  near(o.value, oWide.value, 1e-15);
  const folded = new Float64Array(5 * 16);
  for (let at = 0; at < 5 * 24; at++) {
    const t = Math.floor(at / 24), k = at % 24, to = t * 16 + (k < 8 ? k : 8 + Math.floor((k - 8) / 8) * 4 + Math.floor(((k - 8) % 8) / 4) * 2 + (k % 2));
    folded[to] = (folded[to] as number) + (dWide.value[at] as number);
  }
  near(dx.value, folded, 1e-14);
});

test('rotary positions turn: lengths stay, the delta turns back, a score knows the distance alone; V stays', () => {
  const shape = { heads: 2, kvHeads: 1, headSize: 6 };
  const m = model({ input: sequence({ vocabulary: 3, context: 9 }), layers: [embedding({ dim: 24 }), rotary({ ...shape, theta: 100 }), attention(shape)] });
  const layer = layerOf(m, 'rotary'), row = stout(24, 1, 4, 43);
  const x = exact(Float32Array.from({ length: 9 * 24 }, (_, at) => row[at % 24] as number)), y = rotate(layer, x, 9, 1);
  near(rotate(layer, y, 9, -1).value, x.value, 1e-15);
  const score = (q: number, k: number): number => [0, 1, 2, 3, 4, 5].reduce((sum, i) => sum + (y.value[q * 24 + i] as number) * (y.value[k * 24 + 12 + i] as number), 0);
  // Angles were rounded to f32, so distances agree to some of its roundings.
  for (const distance of [0, 1, 3]) for (let k = 0; k + distance < 9; k++) near([score(k + distance, k)], [score(distance, 0)], 1e-5);
  for (let t = 0; t < 9; t++) assert.deepEqual(y.value.subarray(t * 24 + 18, t * 24 + 24), x.value.subarray(18, 24));
  assert.ok(Math.abs(score(5, 0) - score(0, 0)) > 0.01);
});

test('scaled frequencies: often turning pairs stay, rarely turning ones slow down by the factor, none is faster than its neighbour before', () => {
  const shape = { heads: 1, kvHeads: 1, headSize: 64 };
  const of = (scaling?: Parameters<typeof rotary>[0]['scaling']): Float64Array =>
    rotaryFrequencies(layerOf(model({ input: sequence({ vocabulary: 3, context: 2 }), layers: [embedding({ dim: 192 }), rotary({ ...shape, theta: 500_000, ...(scaling === undefined ? {} : { scaling }) })] }), 'rotary'));
  const plain = of(), scaled = of({ kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 });
  assert.deepEqual(of({ kind: 'linear', factor: 4 }), plain.map((v) => v / 4));
  assert.equal(scaled[0], 1);
  assert.equal(scaled[31], (plain[31] as number) / 8);
  const between = [...scaled].filter((v, i) => v !== plain[i] && v !== (plain[i] as number) / 8);
  assert.ok(between.length > 0 && scaled.every((v, i) => i === 0 || v < (scaled[i - 1] as number)));
});

test('a LayerNorm gives mean 0 and variance 1 before gain and bias', () => {
  const m = model({ input: sequence({ vocabulary: 5, context: 4 }), layers: [embedding({ dim: 300 }), layerNorm({ epsilon: 1e-12 }), linear(5)] });
  const { parameters, batch } = caseOf(m, 1, 9);
  const [gain, bias] = [new Float32Array(300).fill(1), new Float32Array(300)];
  const y = referenceForward(m, parameters.map((p, i) => (i === 1 ? gain : i === 2 ? bias : p)), batch).activations[2]?.value as Float64Array;
  for (let t = 0; t < 4; t++) {
    const row = y.subarray(t * 300, t * 300 + 300);
    near([row.reduce((a, v) => a + v, 0), row.reduce((a, v) => a + v * v, 0) / 300], [0, 1], 1e-9);
  }
});

test('erf, and the derivatives of silu and erf-GELU', () => {
  near([0, 0.5, 1, 2, 3, 3.5, -1].map(erf), [0, 0.5204998778130465, 0.8427007929497149, 0.9953222650189527, 0.9999779095030014, 0.9999992569016276, -0.8427007929497149], 4e-16);
  near([erf(3 - 1e-12)], [erf(3)], 1e-15);
  let second = 0, third = 0;
  const h = 2 ** -12;
  for (const of of [siluAt, geluErfAt]) {
    [second, third] = [0, 0];
    for (let x = -12; x <= 12; x += 2 ** -8) {
      const [, d1, d2] = of(x), [up, upFirst, upSecond] = of(x + h), [down, downFirst, downSecond] = of(x - h);
      assert.ok(Math.abs((up - down) / (2 * h) - d1) < h * h && Math.abs((upFirst - downFirst) / (2 * h) - d2) < h * h, `at ${x}`);
      second = Math.max(second, Math.abs(d2));
      third = Math.max(third, Math.abs(upSecond - downSecond) / (2 * h));
    }
    const [secondMax, thirdMax] = of === siluAt ? [siluSecondMax, siluThirdMax] : [0.8, 0.8];
    assert.ok(second <= secondMax && second > 0.9 * secondMax && third <= thirdMax && third > 0.9 * thirdMax, `${second}, ${third}`);
  }
});

test('dropout keeps its share, scaled; nothing without keys; another step draws another mask', () => {
  const layer = layerOf(gpt({ layers: 1, heads: 1, dim: 8, context: 4, vocabulary: 5, dropout: 0.25 }), 'dropout');
  const x = exact(new Float32Array(8 * 1000).fill(3));
  const [one, again, other] = [1, 1, 2].map((step) => dropout(layer, x, { seed: 5, step }).value) as [Float64Array, Float64Array, Float64Array];
  assert.deepEqual(one, again);
  assert.notDeepEqual(one, other);
  assert.ok(one.every((v) => v === 0 || v === 4));
  const kept = one.filter((v) => v !== 0).length / 8000;
  // Six standard deviations of a share of 8,000 draws.
  assert.ok(Math.abs(kept - 0.75) < 6 * Math.sqrt((0.25 * 0.75) / 8000), `${kept}`);
  assert.equal(dropout(layer, x, null), x);
});

test('a tied head adds its gradient to the table of the embedding', () => {
  const options = { layers: 1, heads: 1, dim: 4, context: 6, vocabulary: 7 };
  const tied = gpt(options), loose = gpt({ ...options, tied: false });
  const { parameters, batch } = caseOf(tied, 2, 4);
  const table = parameters[0] as Float32Array;
  const head = Float32Array.from({ length: 28 }, (_, at) => table[(at % 7) * 4 + Math.floor(at / 7)] as number);
  const one = referenceStep(tied, parameters, batch), two = referenceStep(loose, [...parameters, head], batch);
  const [own, turned] = [two.gradients[0]?.value as Float64Array, two.gradients.at(-1)?.value as Float64Array];
  near(one.gradients[0]?.value ?? [], own.map((v, at) => v + (turned[(at % 4) * 7 + Math.floor(at / 4)] as number)), 1e-15);
  near(one.deltas[1]?.value ?? [], two.deltas[1]?.value ?? [0], 1e-15);
});

test('slabs lie within samples, and the tree stands on a power of two of them for each sample', () => {
  assert.deepEqual([tokenTree(70, 1), tokenTree(140, 70), tokenTree(96, 32)].map(({ edges, depth }) => [edges, depth]), [
    [[0, 32, 64, 70], 2],
    [[0, 32, 64, 70, 102, 134, 140], 3],
    [[0, 32, 64, 96], 2],
  ]);
  assert.throws(() => tokenTree(10, 4), InvalidConfig);
});

test('clipping: the factor is maxNorm over the norm, exactly 1 below it, and a bound away from its fp32 form', () => {
  const gradients = [stout(3000, 1, 6, 50), stout(40, 2, 7, 51)];
  const { norm, factor } = referenceClip(gradients, 5);
  const squares = gradients.flatMap((g) => [...g]).reduce((a, v) => a + v * v, 0);
  near([norm.value[0] as number, factor.value[0] as number], [Math.sqrt(squares), 5 / (Math.sqrt(squares) + 1e-6)], 1e-12);
  assert.ok((factor.bound[0] as number) > 0 && (factor.bound[0] as number) < 1e-4 * (factor.value[0] as number));
  const f = Math.fround;
  const leaves = gradients.map((g) => Array.from({ length: Math.ceil(g.length / 1024) }, (_, leaf) => g.subarray(leaf * 1024, leaf * 1024 + 1024).reduce((a, v) => f(a + f(v * v)), 0)));
  const total = leaves.map(([a = 0, b = 0, ...rest]) => f(f(a + b) + (rest[0] ?? 0))).reduce((a, v) => f(a + v), 0);
  assert.ok(Math.abs(f(Math.sqrt(total)) - (norm.value[0] as number)) <= (norm.bound[0] as number));
  assert.ok(Math.abs(f(5 / f(f(Math.sqrt(total)) + f(1e-6))) - (factor.value[0] as number)) <= (factor.bound[0] as number));
  assert.deepEqual([referenceClip(gradients, 1000), referenceClip(gradients, Infinity)].map((c) => [c.factor.value[0], c.factor.bound[0]]), [[1, 0], [1, 0]]);
});

test('sequences are gathered as the stream runs, labelled with the id behind or with labels of their own', () => {
  const m = gpt({ layers: 1, heads: 1, dim: 2, context: 4, vocabulary: 50 });
  const ids = Uint16Array.from({ length: 21 }, (_, i) => 2 * i);
  const { inputs, labels, dropout: keys } = gatherBatch(m, { kind: 'sequence', ids }, 5, 3, 8);
  assert.deepEqual(keys, { seed: 8, step: 3 });
  for (let i = 0; i < 20; i++) assert.equal(labels[i], (inputs[i] as number) + 2);
  assert.deepEqual([0, 4, 8, 12, 16].map((i) => inputs[i] as number).toSorted((a, b) => a - b), [0, 8, 16, 24, 32]);
  const own = gatherBatch(m, { kind: 'sequence', ids, labels: Int32Array.from(ids, (v) => (v === 6 ? -1 : v)) }, 5, 0, 8);
  assert.ok(own.inputs.every((v, i) => own.labels[i] === (v === 6 ? -1 : v)) && own.labels.includes(-1));
  assert.throws(() => gatherBatch(m, { kind: 'tokens', ids: Int32Array.of(1), labels: Int32Array.of(1) }, 1, 0, 0), InvalidConfig);
});

test('training follows each parameter\'s own group, and the clipped norm', () => {
  const m = gpt({ layers: 1, heads: 1, dim: 4, context: 6, vocabulary: 7 }), { parameters, batch } = caseOf(m, 2, 4);
  const still = referenceTrain({ model: m, parameters, optimizer: sgd({ learningRate: 1, groups: [{ name: 'ln_1.weight' }, { rank: 1, learningRateFactor: 0 }, { rank: 2, learningRateFactor: 0 }] }), steps: 2, batchAt: () => batch, clipNorm: 0.01 });
  for (const spec of m.parameters) {
    const moved = Math.sqrt((still.parameters[spec.index] as Float64Array).reduce((a, v, i) => a + (v - (parameters[spec.index]?.[i] as number)) ** 2, 0));
    if (spec.name.includes('ln_1.weight')) assert.ok(moved > 0 && moved <= 0.02, `${spec.name} moved by ${moved}`);
    else assert.equal(moved, 0, spec.name);
  }
  assert.ok((still.norms[0] as number) > 0.01);
});

test('anchors of another size are refused', () => {
  const m = gpt({ layers: 1, heads: 1, dim: 4, context: 6, vocabulary: 7 }), { parameters, batch } = caseOf(m, 2, 4);
  assert.throws(() => referenceStep(m, parameters, batch, { activations: new Map([[2, new Float32Array(3)]]) }), InvalidConfig);
});
