/** The graph: names, shapes and parameters of what is built; what is refused. First weights. */
import assert from 'node:assert/strict';
import { checkRunnable } from '../../../src/model/build.js';
import { test } from 'node:test';
import fc from 'fast-check';
import { model } from '../../../src/model/build.js';
import type { Model } from '../../../src/model/graph.js';
import { initialize } from '../../../src/model/init.js';
import { embedding, features, gelu, linear, relu, tokens } from '../../../src/model/layers.js';
import { byteLm, mlp } from '../../../src/model/presets/small.js';
import { aModel } from '../../../src/testing/index.js';
import { InvalidModel } from '../../../src/util/errors.js';

const shapes = (m: Model): string[] => m.parameters.map((p) => `${p.name} ${p.shape.join('×')}`);

test('an mlp: layers between the sizes, weights [inputs, outputs], biases unless left out', () => {
  const m = mlp([784, 512, 10]);
  assert.deepEqual(shapes(m), ['linear0.weight 784×512', 'linear0.bias 512', 'linear1.weight 512×10', 'linear1.bias 10']);
  assert.deepEqual(m.layers.map((l) => l.kind), ['features', 'linear', 'relu', 'linear', 'softmaxCrossEntropy']);
  assert.equal(m.parameterCount, 784 * 512 + 512 + 512 * 10 + 10);
  assert.deepEqual(shapes(mlp([3, 2], { bias: false })), ['linear0.weight 3×2']);
  assert.ok(mlp([3, 4, 2], { activation: 'gelu' }).layers.some((l) => l.kind === 'gelu'));
});

test('a byteLm: a table, the context concatenated, hidden layers, 256 logits', () => {
  const m = byteLm({ context: 4, embed: 6, hidden: 20, layers: 2 });
  assert.deepEqual(shapes(m), ['embedding0.weight 256×6', 'linear0.weight 24×20', 'linear0.bias 20', 'linear1.weight 20×20', 'linear1.bias 20', 'linear2.weight 20×256', 'linear2.bias 256']);
  assert.equal(byteLm({ layers: 0 }).layers.length, 4);
});

test('any model: shapes follow each other, parameters are numbered, plain data survives JSON', () => {
  fc.assert(
    fc.property(aModel(), (m) => {
      m.layers.forEach((layer, id) => {
        assert.equal(layer.id, id);
        const from = m.layers[layer.inputs[0] ?? -1];
        if (layer.kind === 'linear') assert.deepEqual(m.parameters[layer.weight]?.shape, [from?.features, layer.features]);
        if (layer.kind === 'relu' || layer.kind === 'gelu') assert.equal(layer.features, from?.features);
        if (layer.kind === 'embedding') assert.equal(layer.features, layer.context * layer.dim);
      });
      assert.deepEqual(m.parameters.map((p) => p.index), m.parameters.map((_, i) => i));
      assert.equal(m.parameterCount, m.parameters.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0));
      assert.equal(new Set(m.parameters.map((p) => p.name)).size, m.parameters.length);
      assert.deepEqual(JSON.parse(JSON.stringify(m)), m);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test('what makes no sense is refused with InvalidModel', () => {
  const refused: readonly (readonly [string, () => Model, RegExp])[] = [
    ['no size', () => mlp([784]), /mlp/],
    ['half a feature', () => mlp([2.5, 3]), /input features/],
    ['no features', () => mlp([4, 0]), /linear0/],
    ['a huge tensor that is to run', () => (checkRunnable(mlp([2 ** 20, 2 ** 20])), mlp([2, 2])), /linear0\.weight/],
    ['nothing to train', () => model({ input: features(3), layers: [relu()] }), /without parameters/],
    ['ids without a table', () => model({ input: tokens({ vocabulary: 5, context: 2 }), layers: [linear(3)] }), /embedding/],
    ['a table of features', () => model({ input: features(3), layers: [embedding({ dim: 2 }), linear(3)] }), /embedding/],
    ['a table in the middle', () => model({ input: tokens({ vocabulary: 5, context: 2 }), layers: [embedding({ dim: 2 }), embedding({ dim: 2 })] }), /embedding/],
    ['an empty vocabulary', () => model({ input: tokens({ vocabulary: 0, context: 2 }), layers: [embedding({ dim: 2 })] }), /vocabulary/],
    ['minus one layer', () => byteLm({ layers: -1 }), /layers/],
    ['an unknown layer', () => model({ input: features(3), layers: [{ kind: 'conv' } as unknown as ReturnType<typeof gelu>, linear(2)] }), /unknown layer/],
  ];
  for (const [what, build, message] of refused) assert.throws(build, (e) => e instanceof InvalidModel && message.test(e.message), what);
});

test('first weights: functions of seed, parameter and index, within their distribution', () => {
  const m = model({ input: tokens({ vocabulary: 300, context: 1 }), layers: [embedding({ dim: 40 }), linear(50, { init: { kind: 'zeros' } }), linear(100)] });
  const fill = (which: number, seed: number): Float32Array => {
    const spec = m.parameters[which];
    assert.ok(spec);
    const out = new Float32Array(spec.size).fill(9);
    initialize(spec, seed, out);
    return out;
  };
  const table = fill(0, 3), weight = fill(3, 3);
  assert.ok(fill(1, 3).every((w) => w === 0));
  const mean = table.reduce((a, b) => a + b, 0) / table.length, variance = table.reduce((a, b) => a + (b - mean) ** 2, 0) / table.length;
  assert.ok(Math.abs(mean) < 0.05 && Math.abs(variance - 1) < 0.05, `mean ${mean}, variance ${variance}`);
  const bound = 1 / Math.sqrt(50);
  assert.ok(weight.every((w) => Math.abs(w) <= bound) && weight.some((w) => w > 0.9 * bound) && weight.some((w) => w < -0.9 * bound));
  assert.deepEqual(fill(3, 3), weight);
  assert.notDeepEqual(fill(3, 4), weight);
  assert.notDeepEqual(fill(3, 3 + 2 ** 32), weight);
});
