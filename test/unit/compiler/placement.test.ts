/** Placement, blocks, SRAM plan and the choice of the rectangle, each against a count of single tiles or an exhaustive search. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planBlocks } from '../../../src/compiler/blocks.js';
import { compile } from '../../../src/compiler/compile.js';
import { evenEdges, longestRun, rowEdges } from '../../../src/compiler/placement.js';
import { planSram } from '../../../src/compiler/sram.js';
import { mlp } from '../../../src/model/presets/small.js';
import { specs, type WaferSpec } from '../../../src/spec/wafer.js';
import { DoesNotFit, InvalidConfig } from '../../../src/util/errors.js';

const runs = (edges: readonly number[]): number[] => edges.slice(1).map((edge, i) => edge - (edges[i] as number));

test('features are spread as evenly as can be', () => {
  fc.assert(
    fc.property(fc.nat({ max: 5000 }), fc.integer({ min: 1, max: 800 }), (total, parts) => {
      const list = runs(evenEdges(total, parts));
      assert.equal(list.length, parts);
      assert.equal(list.reduce((a, b) => a + b, 0), total);
      assert.ok(Math.max(...list) - Math.min(...list) <= 1);
      assert.equal(longestRun(evenEdges(total, parts)), Math.max(...list));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('rows hold all tokens in order: whole slabs where there is one a row, else the same number a row', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 1, max: 120 }), (tokens, rows) => {
      const edges = rowEdges(tokens, rows, 32), list = runs(edges);
      assert.equal(edges.length, rows + 1);
      assert.deepEqual([edges[0], edges.at(-1)], [0, tokens]);
      assert.ok(list.every((run) => run >= 0));
      if (tokens >= rows * 32) assert.ok(edges.slice(1, -1).every((edge) => edge % 32 === 0) && list.every((run) => run > 0));
      else assert.equal(Math.max(...list), Math.ceil(tokens / rows));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('blocks follow each other and are of one size but for the last', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 5000 }), (contracted, results) => {
      const blocks = planBlocks(contracted, results);
      let next = 0;
      for (const { first, count } of blocks) {
        assert.equal(first, next);
        assert.ok(count >= 1 && count <= 320);
        next += count;
      }
      assert.equal(next, results);
      assert.ok(blocks.slice(0, -1).every(({ count }) => count === blocks[0]?.count && count % 80 === 0));
    }),
    { seed: 1, numRuns: 300 },
  );
});

/** The fullest tile, found by looking at each. */
const fullest = (widths: readonly number[], tokens: number, rows: number, cols: number): { readonly activations: number; readonly streams: number } => {
  let activations = 0, widest = 0;
  const tokensMax = Math.max(...runs(rowEdges(tokens, rows, 32)));
  for (let c = 0; c < cols; c++) {
    const features = widths.map((width) => runs(evenEdges(width, cols))[c] as number);
    activations = Math.max(activations, 4 * tokensMax * features.reduce((a, b) => a + b, 0));
    widest = Math.max(widest, ...features);
  }
  // Two weight columns and two gradient columns of its features; two sums and two chunk sums of its tokens.
  return { activations, streams: 4 * (4 * widest + 4 * tokensMax) };
};

test('the SRAM plan is the need of the fullest tile', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 40 }), (widths, tokens, rows, cols) => {
      const plan = planSram(widths, tokens, 32, { rows, cols }, specs.wse2);
      const { activations, streams } = fullest(widths, tokens, rows, cols);
      assert.deepEqual([plan.activationBytes, plan.streamBytes], [activations, streams]);
      assert.equal(plan.totalBytes, 8192 + activations + streams);
    }),
    { seed: 1, numRuns: 200 },
  );
});

const tight: WaferSpec = { ...specs.wse2, name: 'small wafer', rowsMax: 12, colsMax: 10, sramBytesPerTile: 12 * 1024 };

test("'auto' finds a rectangle that fits, and none with fewer tiles has as many rows", () => {
  let refused = 0, found = 0;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 4 }), fc.integer({ min: 1, max: 500 }), (sizes, tokens) => {
      const model = mlp(sizes);
      const fits = (rows: number, cols: number): boolean => {
        try {
          compile(model, { tokens, wafer: { rows, cols }, spec: tight });
          return true;
        } catch (error) {
          assert.ok(error instanceof DoesNotFit && error.needBytes > error.haveBytes && error.haveBytes === 12 * 1024);
          return false;
        }
      };
      try {
        const { rectangle, sram } = compile(model, { tokens, wafer: 'auto', spec: tight });
        found++;
        assert.ok(sram.totalBytes <= sram.limitBytes && fits(rectangle.rows, rectangle.cols));
        for (let cols = 1; cols < rectangle.cols; cols++) assert.ok(!fits(rectangle.rows, cols), `${rectangle.rows} × ${cols} fits, ${rectangle.rows} × ${rectangle.cols} was chosen`);
      } catch (error) {
        assert.ok(error instanceof DoesNotFit, String(error));
        refused++;
        for (let rows = 1; rows <= 12; rows++) assert.ok(!fits(rows, 10), `${rows} × 10 fits, but 'auto' was refused`);
      }
    }),
    { seed: 1, numRuns: 150 },
  );
  assert.ok(refused > 5 && found > 50, `${refused} refused, ${found} found`);
});

test('a rectangle that the wafer lacks is refused, naming side, value and limit', () => {
  for (const wafer of [{ rows: 0, cols: 1 }, { rows: 1, cols: 751 }, { rows: 995, cols: 1 }, { rows: 1.5, cols: 1 }, { rows: 1, cols: NaN }]) {
    assert.throws(() => compile(mlp([2, 2]), { tokens: 1, wafer, spec: specs.wse2 }), (e) => e instanceof InvalidConfig && /wafer\.(rows|cols)/.test(e.message));
  }
  assert.throws(() => compile(mlp([2, 2]), { tokens: 1, wafer: 'auto', spec: { ...specs.wse2, sramBytesPerTile: -1 } }), InvalidConfig);
});
