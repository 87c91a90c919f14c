/** The journal of an update: cut off after any of its kernel calls and begun again, it ends with the same bits; and it never runs twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stretchFloats } from '../../../src/cluster/layout.js';
import { scalarsAt } from '../../../src/cluster/memoryx/scalars.js';
import { journalWords, updateShare, type UpdateShare } from '../../../src/cluster/memoryx/update.js';
import { createKernels, kernelPlan } from '../../../src/kernels/load.js';
import type { Kernels } from '../../../src/kernels/types.js';
import { adam, sgd, type Optimizer } from '../../../src/model/optimizer.js';
import { floats, MemoryPlan } from '../../../src/tensor/shared-memory.js';
import { EmulatorBug } from '../../../src/util/errors.js';

const size = 2 * stretchFloats + 100;
class Death extends Error {}

/** Whether the gradient is clipped, and whether a table's second root is part of it. */
interface Form {
  readonly clip: number;
  readonly tied: boolean;
}
const plain: Form = { clip: 1, tied: false };

/** A unit with the whole parameter as its share; `dieAfter` kernel calls it is gone. */
const start = (optimizer: Optimizer, form: Form = plain) => {
  const moments = optimizer.kind === 'sgd' ? 1 : 2;
  const plan = new MemoryPlan('update');
  const weights = [plan.reserve(size * 4), plan.reserve(size * 4)] as const, gradient = plan.reserve(size * 4);
  const tableRoot = form.tied ? plan.reserve(size * 4) : null;
  const place = { memory: 0, weights, moments: Array.from({ length: moments }, () => plan.reserve(size * 4)), gradients: [gradient], tableRoot, squares: 0 };
  const undo = plan.reserve(moments * stretchFloats * 4), stretch = plan.reserve(stretchFloats * 4);
  const memory = plan.create();
  floats(memory, weights[0], size).forEach((_, i, w) => (w[i] = Math.fround((i % 101) / 50 - 1)));
  floats(memory, gradient, size).forEach((_, i, g) => (g[i] = Math.fround((i % 37) / 20 - 0.9)));
  if (tableRoot !== null) floats(memory, tableRoot, size).forEach((_, i, g) => (g[i] = Math.fround((i % 23) / 11 - 1.1)));
  const real = createKernels(kernelPlan({ revectorize: 'off' }), memory);
  const journal = new Int32Array(new SharedArrayBuffer(journalWords * 4));
  const share = (dieAfter = Infinity): UpdateShare => {
    let calls = 0;
    const mortal = <A extends number[]>(kernel: (...args: A) => void) => (...args: A): void => {
      if (calls++ >= dieAfter) throw new Death();
      kernel(...args);
    };
    const kernels: Kernels = { ...real, copy: mortal(real.copy), adam: mortal(real.adam), sgd: mortal(real.sgd), add: mortal(real.add), scale: mortal(real.scale) };
    return { place, first: 0, count: size, undo, stretch, clip: form.clip, kernels, journal };
  };
  const read = (): Float32Array[] => [...weights, ...place.moments].map((address) => floats(memory, address, size).slice());
  return { share, read };
};

for (const { form, optimizer } of [plain, { clip: 0.37, tied: false }, { clip: 1, tied: true }, { clip: 0.37, tied: true }].flatMap((form) => [adam({ learningRate: 0.01 }), sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true })].map((optimizer) => ({ form, optimizer })))) {
  test(`${optimizer.kind}, ${form.clip === 1 ? 'not ' : ''}clipped, ${form.tied ? '' : 'not '}tied: cut off after any number of kernel calls, twice in a row, three steps end with the same bits`, () => {
    const calm = start(optimizer, form);
    for (let step = 0; step < 3; step++) assert.equal(updateShare(calm.share(), optimizer, scalarsAt(optimizer, step, step), step), size);
    const expected = calm.read();
    let cuts = 0;
    for (let dieAfter = 0; dieAfter < 24; dieAfter++) {
      const struck = start(optimizer, form);
      for (let step = 0; step < 3; step++) {
        for (const life of [dieAfter, dieAfter % 3]) {
          try {
            updateShare(struck.share(life), optimizer, scalarsAt(optimizer, step, step), step);
          } catch (error) {
            assert.ok(error instanceof Death);
            cuts++;
          }
        }
        updateShare(struck.share(), optimizer, scalarsAt(optimizer, step, step), step);
      }
      assert.deepEqual(struck.read(), expected, `cut after ${dieAfter} calls`);
    }
    assert.ok(cuts > 30, `${cuts} cuts`);
  });
}

test('an update that is complete is not done again; one out of order is a bug', () => {
  const optimizer = adam();
  const unit = start(optimizer);
  updateShare(unit.share(), optimizer, scalarsAt(optimizer, 0, 0), 0);
  const after = unit.read();
  assert.equal(updateShare(unit.share(), optimizer, scalarsAt(optimizer, 0, 0), 0), 0);
  assert.deepEqual(unit.read(), after);
  assert.throws(() => updateShare(unit.share(), optimizer, scalarsAt(optimizer, 2, 2), 2), EmulatorBug);
});
