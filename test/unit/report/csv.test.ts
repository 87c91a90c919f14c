/** CSV: what is written is what a reader of RFC 4180 reads, cell by cell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countsCsv, csvLine, curveCsv, evaluationsCsv, passesCsv, stepCsv, stepsCsvHead } from '../../../src/report/csv.js';
import { actions, type Counts } from '../../../src/trace/counts.js';
import { price } from './made-up.js';

/** Fields with or without quotes, doubled quotes inside them, lines that end with CR LF: the grammar of RFC 4180, character by character. */
const readCsv = (text: string): string[][] => {
  const rows: string[][] = [];
  let row: string[] = [], at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (text[at] === '"') at++;
        cell += text[at] ?? assert.fail('a quote that does not end');
      }
      at++;
    } else while (at < text.length && !',\r'.includes(text[at] ?? '')) {
      assert.ok(!'"\n'.includes(text[at] ?? ''), 'a quote or a line break without quotes');
      cell += text[at++];
    }
    row.push(cell);
    if (text[at] === ',') at++;
    else {
      assert.equal(text.slice(at, at + 2), '\r\n');
      at += 2;
      rows.push(row);
      row = [];
    }
  }
  assert.deepEqual(row, []);
  return rows;
};

const rowsOf = (text: string): Record<string, string>[] => {
  const [head = [], ...rows] = readCsv(text);
  assert.ok(head.every((name) => /^\w+$/.test(name)) && rows.every(({ length }) => length === head.length), head.join());
  return rows.map((row) => Object.fromEntries(row.map((cell, i) => [head[i], cell])));
};

test('any text and any number come back', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\r', '\n', ' ', '尺') });
  // A line of one empty cell is the one that RFC 4180 cannot tell from none.
  fc.assert(fc.property(fc.array(fc.oneof(text, fc.double({ noNaN: false })), { minLength: 2, maxLength: 8 }), (cells) => {
    const [row = [], ...more] = readCsv(csvLine(cells));
    assert.deepEqual([row, more], [cells.map(String), []]);
    row.forEach((cell, i) => typeof cells[i] === 'number' && assert.equal(Number(cell), cells[i] === 0 ? 0 : cells[i]));
  }), { seed: 4, numRuns: 300 });
  assert.equal(csvLine(['a "b"', null, undefined, true, 1e-7]), '"a ""b""",,,true,1e-7\r\n');
});

test('steps and evaluations', () => {
  const usual = { step: 0, loss: 1.25, learningRate: 0.1, samples: 8, tokens: 64, seconds: 0.5 };
  const rows = rowsOf(stepsCsvHead + stepCsv(usual) + stepCsv({ ...usual, step: 1, skipped: true, lossScale: 1024, sparsity: 0.5, masksUpdated: 0, gradientNorm: 3, tiers: { readBytes: 1, writtenBytes: 2, waitedSeconds: 3 } }));
  assert.deepEqual(rows.map(({ step, loss, skipped, loss_scale, flash_written_bytes, masks_updated }) => [step, loss, skipped, loss_scale, flash_written_bytes, masks_updated]), [['0', '1.25', '', '', '', ''], ['1', '1.25', 'true', '1024', '2', '0']]);
  assert.deepEqual(rowsOf(evaluationsCsv([{ step: 4, loss: 2, perplexity: Infinity, batches: 3 }])), [{ step: '4', loss: '2', perplexity: 'Infinity', batches: '3' }]);
});

test('counts by device with their sum; passes with what they ask of each resource; curves', () => {
  const counts = (of: number): Counts => Object.fromEntries(actions.map((action, i) => [action, of * 100 + i])) as Counts;
  const rows = rowsOf(countsCsv({ total: counts(3), devices: { 'tiles/0': counts(1), 'memoryx/0': counts(2) } }));
  assert.deepEqual(rows.map(({ device, macs, gatheredRows }) => [device, macs, gatheredRows]), [['tiles/0', '100', String(100 + actions.length - 1)], ['memoryx/0', '200', String(200 + actions.length - 1)], ['total', '300', String(300 + actions.length - 1)]]);
  const [first, second] = rowsOf(passesCsv(price));
  assert.deepEqual([first?.['op'], first?.['tile_seconds'], first?.['row_sums_seconds'], first?.['swarm_x_seconds'], second?.['pass'], second?.['cycles']], ['linear.forward', '0.000001', '1e-7', '1e-7', '1', '850']);
  assert.equal(Object.keys(first ?? {}).length, 8 + Object.keys(price.passes[0]?.demands ?? {}).length);
  const point = { x: 16, batchSize: 256, secondsAStep: 0.25, tokensPerSecond: 1e6, speedup: 15.5, efficiency: 0.97, utilization: 0.4, verdict: 'bound by "SwarmX", mostly' };
  assert.deepEqual(rowsOf(curveCsv('systems', [point])), [{ systems: '16', batch_size: '256', seconds_a_step: '0.25', tokens_per_second: '1000000', speedup: '15.5', efficiency: '0.97', utilization: '0.4', verdict: point.verdict }]);
});
