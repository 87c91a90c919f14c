/** The journal of an update: cut off after any of its kernel calls and begun again, it ends with the same bits; and it never runs twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { journalWords, stretchFloats } from '../../../src/cluster/layout.js';
import { scalarsAt } from '../../../src/cluster/memoryx/scalars.js';
import type { UpdateShare } from '../../../src/cluster/memoryx/share.js';
import { busySweep, restoreBusy, updateShare } from '../../../src/cluster/memoryx/update.js';
import { unitShare } from '../../../src/cluster/memoryx/places.js';
import { changedIn, statisticsOf, sumsOver, sweepsOf } from '../../../src/cluster/sweeps.js';
import { followedUpdate } from '../../../src/emulator/followed.js';
import { createKernels, kernelPlan } from '../../../src/kernels/load.js';
import type { Kernels } from '../../../src/kernels/types.js';
import { momentSizes } from '../../../src/model/moments.js';
import { adafactor, adam, lamb, lion, rmsProp, sgd, type Optimizer } from '../../../src/model/optimizer.js';
import { floats, MemoryPlan } from '../../../src/tensor/shared-memory.js';
import { EmulatorBug } from '../../../src/util/errors.js';

class Death extends Error {}

/** Whether the gradient is clipped, and whether a table's second root is part of it; the parameter's shape. */
interface Form {
  readonly clip: number;
  readonly tied: boolean;
  readonly shape: readonly number[];
}
const vector = [2 * stretchFloats + 100], matrix = [211, 157], wide = [3, stretchFloats + 1100], tall = [4100, 9];
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
const plain: Form = { clip: 1, tied: false, shape: vector };

/** A parameter with `units` units; `dieAfter` kernel calls a unit is gone. */
const start = (optimizer: Optimizer, form: Form = plain, units = 1) => {
  const { shape } = form, size = sizeOf(shape), sizes = momentSizes(optimizer, form);
  const plan = new MemoryPlan('update');
  const weights = [plan.reserve(size * 4), plan.reserve(size * 4)] as const, gradient = plan.reserve(size * 4);
  const tableRoot = form.tied ? plan.reserve(size * 4) : null;
  const place = { memory: 0, weights, moments: sizes.map((floatsOf) => plan.reserve(floatsOf * 4)), gradients: [gradient], tableRoot, squares: 0 };
  const statistics = plan.reserve(statisticsOf(optimizer, form).bytes);
  const rooms = Array.from({ length: units }, () => ({ undo: plan.reserve(Math.max(1, sizes.length) * stretchFloats * 4), stretch: plan.reserve(stretchFloats * 4), journal: new Int32Array(new SharedArrayBuffer(journalWords * 4)) }));
  const memory = plan.create();
  floats(memory, weights[0], size).forEach((_, i, w) => (w[i] = Math.fround((i % 101) / 50 - 1)));
  floats(memory, gradient, size).forEach((_, i, g) => (g[i] = Math.fround((i % 37) / 20 - 0.9)));
  if (tableRoot !== null) floats(memory, tableRoot, size).forEach((_, i, g) => (g[i] = Math.fround((i % 23) / 11 - 1.1)));
  const real = createKernels(kernelPlan({ revectorize: 'off' }), memory);
  const share = (dieAfter = Infinity, unit = 0): UpdateShare => {
    let calls = 0;
    const kernels = Object.fromEntries(Object.entries(real).map(([name, kernel]: [string, unknown]) => [name, typeof kernel !== 'function' ? kernel : (...args: number[]): unknown => {
      if (calls++ >= dieAfter) throw new Death();
      return (kernel as (...args: number[]) => unknown)(...args);
    }])) as unknown as Kernels;
    const { undo, stretch, journal } = rooms[unit] ?? { undo: 0, stretch: 0, journal: new Int32Array(journalWords) };
    return { place, ...unitShare(size, unit, units, sumsOver(optimizer) ? 1024 : 16), undo, stretch, clip: form.clip, kernels, journal, memory, shape, statistics, mask: null, unit, units };
  };
  const read = (): Float32Array[] => [...weights.map((address) => floats(memory, address, size).slice()), ...place.moments.map((address, i) => floats(memory, address, sizes[i] ?? 0).slice())];
  const wreckUndo = (): void => rooms.forEach(({ undo }) => floats(memory, undo, Math.max(1, sizes.length) * stretchFloats).fill(NaN));
  return { share, read, wreckUndo, moments: place.moments };
};

const sweepsIn = (optimizer: Optimizer, form: Form): number[] => [...Array(sweepsOf(optimizer, form, false)).keys()];
const scalarsOf = (optimizer: Optimizer, step: number) => scalarsAt(optimizer, step, step);

const optimizers = [
  adam({ learningRate: 0.01 }), sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true }), rmsProp({ momentum: 0.5, centered: true }), lion(), lamb({ weightDecay: 0.1 }), adafactor(), adafactor({ beta1: 0.9, weightDecay: 0.1 }),
];
const forms = [plain, { ...plain, clip: 0.37 }, { ...plain, tied: true }, { clip: 0.37, tied: true, shape: vector }];
const cases = [
  ...forms.flatMap((form) => optimizers.slice(0, 2).map((optimizer) => ({ form, optimizer }))),
  ...optimizers.slice(2).flatMap((optimizer) => [plain, { clip: 0.37, tied: true, shape: matrix }].map((form) => ({ form, optimizer }))),
];
for (const { form, optimizer } of cases) {
  const momentum = optimizer.kind === 'adafactor' && optimizer.beta1 > 0 ? ' with momentum' : '';
  test(`${optimizer.kind}${momentum} of [${form.shape.join(', ')}], ${form.clip === 1 ? 'not ' : ''}clipped, ${form.tied ? '' : 'not '}tied: cut off after any number of kernel calls, twice in a row, three steps end with the same bits`, () => {
    const calm = start(optimizer, form), sweeps = sweepsIn(optimizer, form);
    for (let step = 0; step < 3; step++) {
      const done = sweeps.map((sweep) => updateShare(calm.share(), optimizer, scalarsOf(optimizer, step), step, sweep));
      assert.deepEqual(done, sweeps.map((sweep) => (sweep === sweeps.length - 1 ? sizeOf(form.shape) : 0)));
    }
    const expected = calm.read();
    let cuts = 0;
    for (let dieAfter = 0; dieAfter < 24; dieAfter++) {
      const struck = start(optimizer, form);
      for (let step = 0; step < 3; step++) {
        for (const sweep of sweeps) {
          for (const life of [dieAfter, dieAfter % 3]) {
            try {
              // A redone step begins with its first sweep.
              for (let again = 0; again <= sweep; again++) updateShare(struck.share(life), optimizer, scalarsOf(optimizer, step), step, again);
            } catch (error) {
              assert.ok(error instanceof Death);
              cuts++;
            }
            // Other parameters use the room for saved moments before this one goes on.
            const share = struck.share(), busy = busySweep(share.journal, sweeps.length);
            if (busy !== null) restoreBusy(share, changedIn(optimizer, form, struck.moments, busy.sweep));
            struck.wreckUndo();
          }
          updateShare(struck.share(), optimizer, scalarsOf(optimizer, step), step, sweep);
        }
      }
      assert.deepEqual(struck.read(), expected, `cut after ${dieAfter} calls`);
    }
    assert.ok(cuts > 30, `${cuts} cuts`);
  });
}

test('any number of units, in any order inside a sweep, gives the bits of the plain lines of the numerics', () => {
  const shapes: readonly (readonly number[])[] = [vector, matrix, wide, tall, [70], [64, 1024], [1, 5]];
  for (const optimizer of optimizers) {
    for (const [at, shape] of shapes.entries()) {
      const form = { clip: at % 2 === 0 ? 1 : Math.fround(0.37), tied: false, shape };
      const runs = [1, 3].map((units) => ({ units, ...start(optimizer, form, units) })), [weight = new Float32Array(0), , ...moments] = runs[0]?.read() ?? [];
      let state: ReturnType<typeof followedUpdate> = { weight, moments };
      const gradient = weight.map((_, i) => Math.fround((i % 37) / 20 - 0.9));
      for (let step = 0; step < 2; step++) {
        for (const { units, share } of runs) for (const sweep of sweepsIn(optimizer, form)) for (let unit = units - 1; unit >= 0; unit--) updateShare(share(Infinity, unit), optimizer, scalarsOf(optimizer, step), step, sweep);
        state = followedUpdate(optimizer, step, state, gradient, form.clip, shape);
      }
      for (const { units, read } of runs) {
        const [even, , ...after] = read();
        assert.deepEqual([even, ...after], [state.weight, ...state.moments], `${optimizer.kind} of [${shape.join(', ')}] on ${units} units`);
      }
    }
  }
});

test('an update that is complete is not done again; one out of order is a bug', () => {
  for (const optimizer of [adam(), lamb()]) {
    const unit = start(optimizer), sweeps = sweepsIn(optimizer, plain);
    for (const sweep of sweeps) updateShare(unit.share(), optimizer, scalarsOf(optimizer, 0), 0, sweep);
    const after = unit.read();
    for (const sweep of sweeps) assert.equal(updateShare(unit.share(), optimizer, scalarsOf(optimizer, 0), 0, sweep), 0);
    assert.deepEqual(unit.read(), after);
    assert.throws(() => updateShare(unit.share(), optimizer, scalarsOf(optimizer, 2), 2, 0), EmulatorBug);
    if (sweeps.length > 1) assert.throws(() => updateShare(unit.share(), optimizer, scalarsOf(optimizer, 1), 1, 1), EmulatorBug);
  }
});
