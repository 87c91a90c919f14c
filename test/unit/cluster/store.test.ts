/** First weights in MemoryX: what the model's initializers say, by every build of the kernels, or the tensors that were given. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Program } from '../../../src/compiler/program.js';
import type { ClusterLayout, ParameterPlace } from '../../../src/cluster/layout.js';
import { firstState, readWeights, storeState } from '../../../src/cluster/store.js';
import { kernelPlan, twinPlan, type KernelPlan } from '../../../src/kernels/load.js';
import { model } from '../../../src/model/build.js';
import { sgd } from '../../../src/model/optimizer.js';
import { initialize } from '../../../src/model/init.js';
import { embedding, linear, tokens } from '../../../src/model/layers.js';
import { InvalidConfig } from '../../../src/util/errors.js';

/** Longer than one call of a kernel draws, with tails; normal, uniform and constant first values. */
const drawn = model({ input: tokens({ vocabulary: 467, context: 1 }), layers: [embedding({ dim: 37 }), linear(501, { bias: true }), linear(3, { init: { kind: 'ones' } })] });

type Store = Pick<ClusterLayout, 'kernels' | 'program' | 'masks' | 'memoryX' | 'memoryXMemories' | 'tiers' | 'optimizer'>;

/** Parameters dealt to two memories in turn. */
const storeOf = (kernels: KernelPlan): Store => {
  const next = [1024, 1024];
  const parameters = drawn.parameters.map(({ index, size }) => {
    const memory = index % 2, address = next[memory] ?? 0;
    next[memory] = address + Math.ceil(size / 16) * 64;
    return { memory, weights: [address, address], moments: [], sparse: null } as unknown as ParameterPlace;
  });
  return {
    kernels, program: {} as Program, masks: new SharedArrayBuffer(4), memoryX: { memoryBytes: [], parameters, units: [], embeddings: [] },
    tiers: null, optimizer: sgd({ learningRate: 1 }),
    memoryXMemories: next.map(() => new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true })),
  };
};

const noMask = (): Uint8Array => assert.fail('nothing is sparse');
const expected = (seed: number): Float32Array[] => drawn.parameters.map((spec) => {
  const out = new Float32Array(spec.size);
  initialize(spec, seed, out);
  return out;
});

for (const [name, plan] of [['the kernels', kernelPlan()], ['128 bits', kernelPlan({ revectorize: 'off' })], ['the twins', twinPlan]] as const) {
  test(`${name} store the values of the model's initializers`, () => {
    for (const seed of [0, 7, 2 ** 40 + 3]) {
      const store = storeOf(plan);
      storeState(drawn, store, seed, firstState(drawn, undefined, noMask));
      assert.deepEqual(readWeights(drawn, store, 0).map(({ data }) => data), expected(seed));
    }
  });
}

test('given tensors are stored as they are, and refused under other names, sizes or numbers', () => {
  const store = storeOf(twinPlan);
  const given = drawn.parameters.map(({ name, shape, size }, index) => ({ name, shape, data: Float32Array.from({ length: size }, (_, i) => i + index) }));
  storeState(drawn, store, 0, firstState(drawn, given, noMask));
  assert.deepEqual(readWeights(drawn, store, 0).map(({ data }) => data), given.map(({ data }) => data));
  const [first, ...rest] = given;
  assert.ok(first);
  for (const wrong of [rest, [{ ...first, name: 'other' }, ...rest], [{ ...first, data: first.data.slice(1) }, ...rest]]) {
    assert.throws(() => firstState(drawn, wrong, noMask), InvalidConfig);
  }
});
