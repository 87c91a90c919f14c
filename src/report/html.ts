/**
 * The report: one HTML file that holds its script, its style and its data, asks nobody for anything, and opens in any browser.
 *
 *   ReportInput ─check─▶ data as JSON ─┐
 *   page.bundle.js, page.bundle.css ───┴─▶ one text, with a policy that lets nothing else run or load
 *
 * Not here: what the page shows (page/), the bundle (scripts/bundle-page.ts), writing files (cli/).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CorruptFile } from '../util/errors.js';
import { checkReport } from './check.js';
import type { ReportInput } from './input.js';
import { encode, packSpans, recordKeys, type PageData, type PageRecord } from './page/packed.js';

/** Of the text of an HTML element or of an attribute in double quotes. */
const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** JSON that no HTML parser takes for markup, and no old script for the end of a line. */
const escapeJson = (json: string): string => json.replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');

/** A file of the bundle, as it stands beside this one. */
const bundled = (name: string): string => {
  const path = join(import.meta.dirname, 'page', name);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CorruptFile({ what: `${name}, the bundled page of reports, cannot be read`, where: path, hint: 'npm run build makes it; an installed package without it must be installed again' }, { cause });
  }
  // The bundler escapes these; if they were there, the browser would end the script or style early.
  if (/<\/(script|style)|<!--|\r/i.test(text)) throw new CorruptFile({ what: `${name} holds text that ends a script or style`, where: path, hint: 'npm run build makes it again' });
  return text;
};

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;

const pageRecord = (record: NonNullable<ReportInput['record']>): PageRecord => ({
  ...(Object.fromEntries(recordKeys.map((key) => [key, record[key]])) as Omit<PageRecord, 'counts'>),
  counts: record.counts.total,
});

/** What the page is given: the input with its spans packed, and of the run record what is shown. */
export const pageData = (input: ReportInput): PageData => {
  const { spans, record, ...rest } = input;
  return { ...rest, spans: packSpans(spans), ...(record === undefined ? {} : { record: pageRecord(record) }) };
};

/**
 * The whole page as text.
 * @throws InvalidConfig where parts of the input contradict each other; CorruptFile if the package lacks its bundled page
 */
export const reportHtml = (input: ReportInput): string => {
  checkReport(input);
  const script = bundled('page.bundle.js'), style = bundled('page.bundle.css');
  const policy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; img-src data:; base-uri 'none'; form-action 'none'`;
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="generator" content="waferstream">',
    '<link rel="icon" href="data:,">',
    `<title>${escapeText(input.title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    // What stands here until the script has run, and for good where scripts are off.
    `<div id="page"><main><h1>${escapeText(input.title)}</h1><p>${escapeText(input.price.verdict)}</p><noscript><p>The plots and tables of this report need its script, which is part of the file.</p></noscript></main></div>`,
    `<script type="application/json" id="data">${escapeJson(encode(pageData(input)))}</script>`,
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
};
