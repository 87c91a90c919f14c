/**
 * The ledger: what docs/ledger.json and docs/evidence.md state of the model is what the model says now; and its rows keep the rules.
 *
 * Not here: how good the model is (the page says it), the model's own laws (test/unit/timing, test/laws).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorPercent, problemsOf, stateLedger, type Ledger } from '../benchmarks/ledger/check.js';
import { evidencePath, ledgerPath, pageProblems, renderPage } from '../benchmarks/ledger/page.js';
import { apart, rows } from '../benchmarks/ledger/rows.js';
import { sources } from '../benchmarks/ledger/sources.js';

const now = stateLedger(rows, apart);
const stated = JSON.parse(readFileSync(ledgerPath, 'utf8')) as Ledger;
const page = readFileSync(evidencePath, 'utf8');

test('every stated prediction and error is true', () => assert.deepEqual(problemsOf(stated, now), [], 'npm run ledger'));

test('the page is that of now', () => assert.deepEqual(pageProblems(page, now), [], 'npm run ledger -- --write'));

test('a prediction that moved, a row that came or went, another source: each is found', () => {
  const [first, ...others] = stated.rows;
  assert.ok(first !== undefined);
  const moved = (change: Partial<typeof first>): string[] => problemsOf({ ...stated, rows: [{ ...first, ...change }, ...others] }, now);
  assert.match(moved({ predicted: first.predicted * 1.0001 }).join(), /the model now says/);
  assert.match(moved({ errorPercent: first.errorPercent + 0.01 }).join(), /the model now says/);
  assert.match(moved({ published: 1 }).join(), /description has changed/);
  assert.match(moved({ id: 'tile/none' }).join(), /not in the table.*tile\/none: in the table, but no row/);
  assert.match(problemsOf({ ...stated, rows: others }, now).join(), /not in the table/);
  assert.match(problemsOf({ ...stated, apart: [] }, now).join(), /rows apart/);
  assert.equal(pageProblems(page.replace('<!-- ledger:end -->', 'more\n<!-- ledger:end -->'), now).length, 1);
  assert.equal(renderPage(page.replace('<!-- ledger:end -->', 'more\n<!-- ledger:end -->'), now), page);
});

test('rows have ids of their own, sources with an address, and a number', () => {
  const ids = [...rows, ...apart].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const row of [...rows, ...apart]) {
    assert.match(row.id, /^[a-z]+\/[a-z0-9-]+$/);
    assert.match(sources[row.source].address, /^https:\/\//, row.id);
  }
  assert.deepEqual(Object.keys(sources).filter((name) => ![...rows, ...apart].some(({ source }) => source === name)), [], 'sources without a row');
  for (const row of now.rows) assert.ok(Number.isFinite(row.predicted) && row.predicted !== 0, row.id);
});

test('constants were fitted to single tiles and to one training, within what was asked of them; all else is held out', () => {
  const fitted = now.rows.filter(({ calibration }) => calibration);
  assert.deepEqual(fitted.map(({ id }) => id), now.rows.map(({ id }) => id).filter((id) => id.startsWith('tile/') || id === 'training/llama-7b-cs2'));
  for (const { id, errorPercent: error } of fitted) assert.ok(Math.abs(error) <= (id.startsWith('tile/trace') ? 0 : id.startsWith('tile/') ? 1 : 10), `${id}: ${error} %`);
});

test('errors are of the published number, the nearer end of a range, nothing above a bound', () => {
  assert.ok(Math.abs(errorPercent(100, 90, 'equal') + 10) < 1e-9);
  assert.equal(errorPercent([10, 20], 15, 'within'), 0);
  assert.ok(Math.abs(errorPercent([10, 20], 22, 'within') - 10) < 1e-9);
  assert.ok(Math.abs(errorPercent([10, 20], 5, 'within') + 50) < 1e-9);
  assert.equal(errorPercent(10, 1000, 'at least'), 0);
  assert.ok(Math.abs(errorPercent(10, 5, 'at least') + 50) < 1e-9);
});
