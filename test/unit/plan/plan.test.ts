/** Plans: what they refuse, what they choose, and sums that hold whatever the machine. That they count what runs count is a law of its own (laws/plan.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DoesNotFit, InvalidConfig, InvalidModel, gpt, gptShape, mlp, machines, plan, planGeneration, precision, scalingCurve, sparsityCurve, specs, type PlanOptions } from '../../../src/index.js';
import { prepare } from '../../../src/compiler/compile.js';
import { imbalanceByChance } from '../../../src/plan/masks.js';
import { aTraining, roomyWafer } from '../../../src/testing/index.js';

const seed = 20210824, half = precision({ weights: 'bfloat16', activations: 'bfloat16' }), small = gpt(gptShape('111m'));
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

test('what makes no sense is refused by its name', () => {
  const refused: readonly (readonly [Partial<PlanOptions>, RegExp])[] = [
    [{ numCsx: 193 }, /numCsx/], [{ numCsx: 0 }, /numCsx/], [{ batchSize: 0 }, /batchSize/], [{ batchSize: 1.5 }, /batchSize/], [{ microBatchSize: 0 }, /microBatchSize/], [{ fanIn: 3 as 2 }, /fanIn/], [{ sparsity: 1 }, /sparsity/], [{ sparsity: -0.1 }, /sparsity/],
    [{ recompute: 'all' as 'none' }, /recompute/], [{ logits: 'lost' as 'held' }, /logits/], [{ wafer: 'half' as 'auto' }, /wafer/], [{ wafer: { rows: 995, cols: 1 } }, /rows/], [{ steps: 0 }, /steps/], [{ known: { skippedSteps: 2 } }, /skippedSteps/], [{ dramBytes: -1 }, /dramBytes/], [{ clipNorm: 0 }, /clipNorm/],
  ];
  for (const [options, text] of refused) assert.throws(() => plan(small, { batchSize: 4, ...options }), (error) => error instanceof InvalidConfig && text.test(error.message), JSON.stringify(options));
  assert.throws(() => planGeneration(small, { prompts: [], newTokens: 1 }), /prompts/);
  assert.throws(() => planGeneration(small, { prompts: [2048], newTokens: 1 }), /prompts\[0\]/);
  assert.throws(() => planGeneration(mlp([4, 2]), { prompts: [1], newTokens: 1 }), InvalidModel);
});

test('a refusal says what of a tile does not fit, and what would help', () => {
  assert.throws(() => plan(gpt({ ...gptShape('120t'), context: 8192 }), { batchSize: 1, precision: half }), (error) => error instanceof DoesNotFit && error.needBytes > error.haveBytes && error.haveBytes === specs.wse2.sramBytesPerTile && /activations .* streams .*offload/s.test(error.message));
  assert.throws(() => plan(small, { batchSize: 100, microBatchSize: 100, recompute: 'none' }), /100 samples a CS-2/);
});

test('the largest micro-batch fits and one sample more does not; micro-batches are even', () => {
  fc.assert(
    fc.property(fc.constantFrom('111m', '256m', '590m', '1.3b', '6.7b'), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 192 }), fc.constantFrom('attention' as const, 'block' as const, 'offload' as const), (name, batchSize, numCsx, recompute) => {
      const model = gpt(gptShape(name)), planned = plan(model, { batchSize, numCsx, recompute, precision: half }), share = Math.ceil(batchSize / numCsx), { microBatchSizeMax: most } = planned;
      const fits = (samples: number): boolean => {
        const { totalBytes, limitBytes } = prepare(model, { spec: specs.wse2, logits: planned.logits, numbers: half }, recompute).sram(samples * 2048, planned.rectangle);
        return totalBytes <= limitBytes;
      };
      assert.ok(fits(most) && (most === share || !fits(most + 1)), `${most} of ${share}`);
      assert.equal(planned.microBatches, Math.ceil(share / most));
      assert.ok(planned.microBatchSize * planned.microBatches - share < planned.microBatches, `${planned.microBatchSize} × ${planned.microBatches} of ${share}`);
    }),
    { seed, numRuns: 25 },
  );
});

test('the map of a wafer has all products of one system', () => {
  fc.assert(
    fc.property(aTraining({ sparsity: false }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.constantFrom('held' as const, 'streamed' as const), ({ model, options }, rows, cols, logits) => {
      const { counts, work } = plan(model, { batchSize: options.batchSize, microBatchSize: options.batchSize, wafer: { rows, cols }, spec: roomyWafer, logits, optimizer: options.optimizer }), { map } = work;
      const products = sum(map.products) * sum(map.tokens) + sum(map.scores) * sum(map.pairs);
      assert.ok(Math.abs(products - counts.macs) <= 1e-9 * counts.macs, `${products}, ${counts.macs}`);
      assert.equal(sum(map.tokens), options.batchSize * model.tokensPerSample);
      const longest = Math.max(...work.microBatches.map(({ tokensOfRow }) => tokensOfRow));
      for (const { tile, times, counts: ofPass } of work.passes) {
        // The fullest tile has no less than the mean, and no more than all, but for the end of an attention's last vector.
        const macs = (ofPass.macs ?? 0) / times;
        assert.ok(tile.macs * rows * cols >= macs * (1 - 1e-12) && tile.macs <= macs * (1 + 1e-12) + longest, `${tile.macs} of ${macs}`);
      }
    }),
    { seed, numRuns: 60 },
  );
});

test('work does not depend on how many systems share it, and its places in the stream are the passes', () => {
  const of = (numCsx: number): ReturnType<typeof plan> => plan(small, { batchSize: 384, numCsx, precision: half }), one = of(1);
  for (const numCsx of [2, 3, 16, 192]) {
    const { counts, work } = of(numCsx);
    for (const action of ['macs', 'biasAdds', 'elementwise', 'sramReadWords', 'optimizerElements', 'gatheredRows'] as const) assert.equal(counts[action], one.counts[action], `${action} on ${numCsx}`);
    assert.equal(sum(work.microBatches.map(({ times, order }) => times * order.length)), sum(work.passes.map(({ times }) => times)));
    assert.equal(sum(work.updates.map(({ elements }) => elements)), small.parameterCount);
  }
});

test('a hundred and twenty trillion parameters on 192 systems: 163 million cores, 20 bytes a parameter', () => {
  const model = gpt(gptShape('120t')), { work, tiles, memoryX, sram } = plan(model, { batchSize: 192, numCsx: 192, precision: half });
  assert.ok(Math.abs(model.parameterCount / 120e12 - 1) < 0.01);
  assert.equal(memoryX.stateBytes, 20 * model.parameterCount);
  assert.equal(192 * specs.wse2.coresPerWafer, 163_200_000);
  assert.ok(tiles <= 192 * 994 * 750 && sram.totalBytes <= sram.limitBytes && work.passes.length < 100);
});

test('chance fills the fullest column about as much as it is said to', () => {
  const columns = 200, size = 200 * 400, stored = 8000;
  let worst = 0;
  const draws = 50;
  let state = 1;
  for (let draw = 0; draw < draws; draw++) {
    const loads = new Float64Array(columns);
    for (let i = 0; i < stored; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const column = Math.floor((state / 2 ** 32) * columns);
      loads[column] = (loads[column] as number) + 1;
    }
    worst += loads.reduce((a, b) => Math.max(a, b), 0) / (stored / columns) / draws;
  }
  const said = imbalanceByChance(stored, size, columns);
  assert.ok(Math.abs(said - 1) > 0.2 && Math.abs(worst - said) < 0.12, `${worst}, said ${said}`);
  assert.equal(imbalanceByChance(size, size, columns), 1);
});

test('curves: perfect at their first point, and never above perfect', () => {
  const scaling = scalingCurve(small, { batchSize: 8, precision: half }, machines.wse2, [1, 2, 16, 192]);
  assert.deepEqual(scaling.map(({ x, batchSize }) => [x, batchSize]), [[1, 8], [2, 16], [16, 128], [192, 1536]]);
  for (const { efficiency, speedup, x } of scaling) assert.ok(efficiency <= 1 + 1e-9 && speedup <= x + 1e-9 && efficiency > 0.9, `${x}: ${efficiency}`);
  const sparse = sparsityCurve(small, { batchSize: 8, precision: half }, machines.wse2, [0, 0.5, 0.9]);
  assert.equal(sparse[0]?.speedup, 1);
  for (let i = 1; i < sparse.length; i++) assert.ok((sparse[i]?.secondsAStep ?? 0) <= (sparse[i - 1]?.secondsAStep ?? 0));
  assert.throws(() => scalingCurve(small, { batchSize: 8 }, machines.wse2, []), InvalidConfig);
});
