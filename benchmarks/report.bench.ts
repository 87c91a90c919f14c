/**
 * The report of a small run and of a whole wafer: bytes of the file, and seconds from asking for it until it is loaded and its first plot is drawn, in a headless Chromium.
 *
 * Verified: the page shows the input's seconds a step, says nothing on its console, and asks for nothing but itself. Left out where there is no Chromium. Not here: what the page shows (test/unit/report/).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'puppeteer-core';
import { reportHtml } from '../src/report/html.js';
import type { ReportInput } from '../src/report/input.js';
import { chromiumPath, openChromium, withoutChromium } from '../test/support/chromium.js';
import { largeShape, reportInput, smallShape } from '../test/support/report-input.js';
import type { Outcome } from './harness/results.js';
import { interleave, timeOf } from './harness/rounds.js';
import type { BenchOptions } from './run.js';

const MB = 1e6;
/** Marks when the first text is drawn on any canvas: axes are drawn with the plot. */
const watch = `const draw = CanvasRenderingContext2D.prototype.fillText; globalThis.firstPlot = 0;
CanvasRenderingContext2D.prototype.fillText = function (...given) { globalThis.firstPlot ||= performance.now(); return draw.apply(this, given); };`;

/** Seconds until loaded and drawn, by the page's own clock, which starts with the navigation. */
const opened = async (browser: Browser, url: string, input: ReportInput): Promise<number> => {
  const page = await browser.newPage(), said: string[] = [];
  try {
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    page.on('request', (request) => request.url() === url || request.url().startsWith('data:') || said.push(`asked for ${request.url()}`));
    await page.evaluateOnNewDocument(watch);
    await page.goto(url, { waitUntil: 'load' });
    await page.waitForFunction('globalThis.firstPlot > 0 && performance.getEntriesByType("navigation")[0].loadEventEnd > 0');
    const shown = await page.$eval('[data-figure="step.seconds"]', (element) => element.getAttribute('value'));
    if (Number(shown) !== input.price.step.seconds || said.length > 0) throw new Error(`the report shows ${shown} for ${input.price.step.seconds} seconds; ${said.join('; ')}`);
    return (await page.evaluate('Math.max(globalThis.firstPlot, performance.getEntriesByType("navigation")[0].loadEventEnd) / 1000')) as number;
  } finally {
    await page.close();
  }
};

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const path = chromiumPath(), folder = mkdtempSync(join(tmpdir(), 'waferstream-report-'));
  const reports = [['a small run', smallShape], ['a whole wafer', largeShape]] as const;
  const files = reports.map(([name, shape]) => {
    const input = reportInput(shape), html = reportHtml(input), file = join(folder, `${shape.name}.html`);
    writeFileSync(file, html);
    return { name, input, url: pathToFileURL(file).href, bytes: Buffer.byteLength(html), seconds: timeOf(() => reportHtml(input), 3) };
  });
  const browser = path === null ? null : await openChromium(path);
  try {
    const samples = browser === null ? [] : await interleave(files.map(({ name, url, input }) => ({ name: `report of ${name}, opened`, measure: () => opened(browser, url, input) })), rounds);
    const version = browser === null ? '' : await browser.version();
    return {
      kernels: 'none', skipped: browser === null ? [`opening reports: ${withoutChromium}`] : [],
      verified: files.map(({ name, input }) => `report of ${name}: ${input.spans.length} spans, ${input.work.map.products.length} × ${input.work.map.tokens.length} tiles${version === '' ? '' : `, seconds a step as given, nothing on the console of ${version}`}`),
      tables: samples.length === 0 ? [] : [{ title: 'report in Chromium', samples, ratios: [] }],
      figures: [
        ...files.map(({ name, bytes }, i) => ({ name: `report of ${name}`, value: bytes / MB, unit: 'MB', ...(i === 0 ? { goal: '< 2 MB' } : {}) })),
        ...files.map(({ name, seconds }) => ({ name: `making the report of ${name}`, value: seconds * 1000, unit: 'ms' })),
        ...samples.map(({ name, median }, i) => ({ name, value: median, unit: 's', ...(i === 0 ? { goal: '< 1 s' } : {}) })),
      ],
    };
  } finally {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
