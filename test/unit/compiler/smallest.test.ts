/** The smallest rectangle against brute force: no rectangle with fewer tiles fits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { smallestRectangle } from '../../../src/compiler/rectangle.js';
import { planSram } from '../../../src/compiler/sram.js';
import { specs } from '../../../src/spec/wafer.js';

test('no rectangle with fewer tiles fits, and of as many tiles none with more rows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }), (tokens, widths) => {
      const spec = { ...specs.wse2, rowsMax: 24, colsMax: 20 };
      const plan = (rectangle: { rows: number; cols: number }) => planSram(widths, tokens, 32, rectangle, spec);
      const all: { rows: number; cols: number }[] = [];
      for (let rows = 1; rows <= Math.min(24, tokens); rows++) {
        for (let cols = 1; cols <= Math.min(20, Math.max(...widths)); cols++) if (plan({ rows, cols }).totalBytes <= spec.sramBytesPerTile) all.push({ rows, cols });
      }
      fc.pre(all.length > 0);
      const best = all.toSorted((a, b) => a.rows * a.cols - b.rows * b.cols || b.rows - a.rows)[0];
      assert.deepEqual(smallestRectangle(tokens, Math.max(...widths), spec, plan), best);
    }),
    { seed: 20210824, numRuns: 150 },
  );
});
