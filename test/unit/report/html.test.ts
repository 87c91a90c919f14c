/** The text of a report: whole, alone, and with its data in it as they were given. Not here: what a browser makes of it (chromium.test.ts). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { pageData, reportHtml } from '../../../src/report/html.js';
import type { ReportInput, ReportSpan } from '../../../src/report/input.js';
import { decode, encode, packSpans, recordKeys, unpackSpans, type PageData } from '../../../src/report/page/packed.js';
import { InvalidConfig } from '../../../src/util/errors.js';
import { largeShape, reportInput } from '../../support/report-input.js';

const small = reportInput(), html = reportHtml(small);
const dataOf = (text: string): PageData => decode(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(text)?.[1] ?? 'null') as PageData;
const withModel = (name: string): ReportInput => ({ ...small, title: name, work: { ...small.work, model: { ...small.work.model, name }, layers: small.work.layers.map(() => name) }, price: { ...small.price, verdict: name } });

test('one document: script and style by their hashes, and nothing else may run or load', () => {
  assert.match(html, /^<!doctype html>\n<html lang="en">/);
  assert.match(html, /<\/html>\n$/);
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
  assert.match(policy, /^default-src 'none'; /);
  assert.doesNotMatch(policy, /unsafe|http|\*/);
  const hash = (text: string | undefined): string => createHash('sha256').update(text ?? '', 'utf8').digest('base64');
  const scripts = [...html.matchAll(/<script>(.*?)<\/script>/gs)], styles = [...html.matchAll(/<style>(.*?)<\/style>/gs)];
  assert.equal(scripts.length, 1);
  assert.equal(styles.length, 1);
  assert.ok(policy.includes(`script-src 'sha256-${hash(scripts[0]?.[1])}'`), 'the script is the one that the policy lets run');
  assert.ok(policy.includes(`style-src 'sha256-${hash(styles[0]?.[1])}'`), 'the style is the one that the policy lets in');
});

test('no element or rule names another address', () => {
  const tags = html.replaceAll(/<script>.*?<\/script>/gs, '').replaceAll(/<script type.*?<\/script>/gs, '');
  assert.doesNotMatch(tags, /\b(src|href|action|data)="(?!#|data:,)/);
  assert.doesNotMatch(tags, /@import|url\(/);
  assert.doesNotMatch(html, /\bfetch\(|XMLHttpRequest|WebSocket|importScripts|sourceMappingURL/);
});

test('the data in the page are the data that were given', () => {
  const { spans, record, ...rest } = dataOf(html), { spans: given, record: run, ...others } = small;
  assert.deepEqual(rest, others);
  assert.deepEqual(unpackSpans(spans), given);
  assert.ok(run !== undefined && record !== undefined);
  for (const key of recordKeys) assert.deepEqual(record[key], run[key], key);
  assert.deepEqual(record.counts, run.counts.total);
});

test('names that look like markup stay names', () => {
  for (const name of ['</script><script>alert(1)</script>', '<!--', '"><img src=x onerror=alert(1)>', 'a\u2028b\u2029c', '&lt;', '${1}', '__proto__']) {
    const text = reportHtml(withModel(name));
    assert.equal(dataOf(text).work.model.name, name);
    assert.equal([...text.matchAll(/<\/script>/g)].length, 2, `${name}: the two ends of the two scripts`);
    assert.ok(!text.includes('\u2028') || !name.includes('\u2028') || !(/id="data">(.*?)<\/script>/s.exec(text)?.[1] ?? '').includes('\u2028'));
    const head = text.slice(text.indexOf('<title>'), text.indexOf('</title>'));
    assert.ok(!head.slice('<title>'.length).includes('<'), `${name}: the title has no markup`);
  }
});

test('numbers that JSON has none for come back', () => {
  const data = { a: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0, -1.5e-300], b: 'Infinity', c: null };
  assert.deepEqual(decode(encode(data)), data);
  assert.ok(small.roofline.points.some(({ intensity }) => intensity === Number.POSITIVE_INFINITY), 'the small input has a pass that streams nothing');
});

test('any spans come back from their columns', () => {
  const span = fc.record<ReportSpan>({
    lane: fc.constantFrom('wafer', 'SwarmX', 'optimizer'), phase: fc.constantFrom('forward', 'delta', 'update', 'mixed'), layer: fc.integer({ min: -1, max: 9 }), pass: fc.integer({ min: -1, max: 9 }), microBatch: fc.nat(5), start: fc.double({ noNaN: true }), end: fc.double({ noNaN: true }),
  });
  const merged = fc.tuple(span, fc.option(fc.integer({ min: 2, max: 99 }), { nil: undefined })).map(([one, count]): ReportSpan => (count === undefined ? one : { ...one, merged: count }));
  fc.assert(fc.property(fc.array(merged), (spans) => assert.deepEqual(unpackSpans(decode(encode(packSpans(spans))) as PageData['spans']).map((one) => ({ ...one, start: one.start + 0, end: one.end + 0 })), spans.map((one) => ({ ...one, start: one.start + 0, end: one.end + 0 })))), { seed: 61 });
});

test('small enough: a small run, and a whole wafer of 29,000 spans', () => {
  assert.ok(Buffer.byteLength(html) < 500_000, `${Buffer.byteLength(html)} bytes`);
  const large = reportInput(largeShape), size = Buffer.byteLength(reportHtml(large));
  assert.equal(dataOf(reportHtml(large)).spans.lane.length, large.spans.length, 'no span is left out');
  assert.ok(large.spans.length > 20_000 && size < 2_000_000, `${large.spans.length} spans, ${size} bytes`);
});

test('the licences of what is bundled are in the file', () => {
  for (const owner of ['Jason Miller', 'Leon Sorokin']) assert.ok(html.includes(owner), owner);
});

test('parts that contradict each other are refused by name', () => {
  const refused = (change: Partial<ReportInput>, where: RegExp): void => assert.throws(() => reportHtml({ ...small, ...change }), (error: unknown) => error instanceof InvalidConfig && where.test(error.message));
  const span = small.spans[0] as ReportSpan;
  refused({ spans: [{ ...span, pass: 999 }] }, /spans\[0\].*999/);
  refused({ spans: [span, { ...span, layer: 999 }] }, /spans\[1\].*999/);
  refused({ spans: [{ ...span, start: 2, end: 1 }] }, /spans\[0\]/);
  refused({ price: { ...small.price, passes: [{ ...(small.price.passes[0] as (typeof small.price.passes)[number]), pass: -1 }] } }, /price\.passes\[0\]/);
  refused({ work: { ...small.work, map: { ...small.work.map, scores: [1] } } }, /work\.map\.scores/);
  refused({ work: { ...small.work, map: { ...small.work.map, pairs: [] } } }, /work\.map\.pairs/);
  refused({ sweep: { columns: ['a', 'b'], rows: [[1, 2], [1]] } }, /sweep\.rows\[1\]/);
  refused({ scaling: [...(small.scaling ?? []), ...(small.scaling ?? [])] }, /scaling/);
});

test('what is not there is left out', () => {
  const { record: _, scaling: __, sparsity: ___, machine: ____, ...bare } = small;
  assert.deepEqual(Object.keys(pageData(bare)).toSorted(), ['price', 'roofline', 'spans', 'title', 'work']);
});
