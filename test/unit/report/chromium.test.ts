/**
 * The report in a real, headless Chromium: nothing goes wrong, nothing leaves the file, figures are the input's, the keyboard reaches everything, both schemes show.
 *
 * Skipped where there is no Chromium. Not here: how fast it opens (benchmarks/report.bench.ts).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'puppeteer-core';
import { reportHtml } from '../../../src/report/html.js';
import { extentOf, macsAt } from '../../../src/report/page/wafer-map.js';
import { chromiumPath, openChromium, withoutChromium } from '../../support/chromium.js';
import { reportInput } from '../../support/report-input.js';

const path = chromiumPath();
const input = { ...reportInput(), sweep: { columns: ['numCsx', 'machine', 'seconds a step'], rows: [[1, 'wse2', 0.5], [2, 'wse2', 0.25], [4, 'wse3', 0.12]] } };
const { price, work } = input;

interface Opened {
  readonly page: Page;
  readonly complaints: string[];
  readonly requests: string[];
}

describe('the report in Chromium', { skip: path === null ? withoutChromium : false }, () => {
  let browser: Browser, folder: string, file: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'waferstream-report-'));
    file = join(folder, 'report.html');
    writeFileSync(file, reportHtml(input));
    browser = await openChromium(path ?? '');
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens the report and keeps whatever the browser complains of or asks for. */
  const open = async (from: string, { width = 1280, scheme = 'light' }: { readonly width?: number; readonly scheme?: 'light' | 'dark' } = {}): Promise<Opened> => {
    const page = await browser.newPage(), complaints: string[] = [], requests: string[] = [];
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => requests.push(request.url()));
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
    await page.goto(pathToFileURL(from).href, { waitUntil: 'load' });
    await page.waitForSelector('#passes table');
    return { page, complaints, requests };
  };
  const figure = (page: Page, name: string): Promise<string | null> => page.$eval(`[data-figure="${name}"]`, (element) => (element.tagName === 'DATA' ? element.getAttribute('value') : element.textContent));
  const readout = (page: Page): Promise<string> => page.$eval('#timeline-readout', (element) => element.textContent ?? '');
  /** Pixels of a canvas that are not see-through, by colour. */
  const colours = (page: Page, selector: string): Promise<Record<string, number>> => page.$eval(selector, (element) => {
    const canvas = element as unknown as { readonly width: number; readonly height: number; getContext(kind: '2d'): { getImageData(x: number, y: number, w: number, h: number): { readonly data: Uint8ClampedArray } } };
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height), seen: Record<string, number> = {};
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] !== 255) continue;
      const key = `#${[0, 1, 2].map((k) => (data[i + k] ?? 0).toString(16).padStart(2, '0')).join('')}`;
      seen[key] = (seen[key] ?? 0) + 1;
    }
    return seen;
  });

  test('no complaint, and no request but the file itself', async () => {
    const { page, complaints, requests } = await open(file);
    for (const details of await page.$$('details')) await details.evaluate((element) => (element as unknown as { open: boolean }).open = true);
    await page.waitForFunction("[...document.querySelectorAll('details')].every((details) => details.querySelector('table') !== null)");
    assert.deepEqual(complaints, []);
    assert.deepEqual(requests.filter((url) => !url.startsWith('data:')), [pathToFileURL(file).href]);
    await page.close();
  });

  test('the policy holds: a script that is put into the file does not run', async () => {
    const other = join(folder, 'other.html');
    writeFileSync(other, reportHtml(input).replace('</body>', '<script>document.title = "ran"</script><img src="https://example.org/a.png"></body>'));
    const { page, complaints } = await open(other);
    assert.equal(await page.title(), input.title);
    assert.ok(complaints.some((text) => /script/i.test(text)) && complaints.some((text) => /image/i.test(text)), `Chromium says what it refused: ${complaints.join('; ')}`);
    await page.close();
  });

  test('figures are the input’s, to the last digit', async () => {
    const { page } = await open(file);
    const wanted: Readonly<Record<string, number>> = {
      'step.seconds': price.step.seconds, 'step.tokensPerSecond': price.step.tokensPerSecond, 'flops.utilization': price.flops.utilization, 'flops.achieved': price.flops.achieved, 'energy.joules': price.energy.joules, totalSeconds: price.totalSeconds,
      'model.parameterCount': work.model.parameterCount, 'work.tokens': work.tokens, 'work.stateBytes': work.stateBytes, boundarySeconds: price.boundarySeconds, 'record.lastLoss': input.record?.losses.at(-1) ?? Number.NaN, 'tile.work': macsAt(work.map, 0, 0),
      ...Object.fromEntries(price.critical.filter(({ seconds }) => seconds > 0).map(({ cause, seconds }) => [`critical.${cause}`, seconds])), ...Object.fromEntries(price.links.map(({ name, occupancy }) => [`occupancy.${name}`, occupancy])),
      ...Object.fromEntries(price.passes.map(({ pass, secondsAStep }) => [`pass.${pass}.secondsAStep`, secondsAStep])), ...Object.fromEntries((input.machine ?? []).map(({ path: name, value }) => [`constant.${name}`, Number(value)])),
    };
    for (const [name, value] of Object.entries(wanted)) assert.equal(Number(await figure(page, name)), value, name);
    assert.equal(await figure(page, 'verdict'), price.verdict);
    assert.equal(await page.$eval('h1', (element) => element.textContent), input.title);
    assert.equal((await page.$$('#passes tbody tr')).length, price.passes.length);
    assert.equal((await page.$$('#assumptions .guess')).length, input.machine?.filter(({ trust }) => trust === 'guess').length);
    await page.close();
  });

  test('by keyboard: skip link, timeline, tiles, plots, sorting, scheme', async () => {
    const { page, complaints } = await open(file), focus = (): Promise<string> => page.evaluate('(document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "")') as Promise<string>;
    await page.keyboard.press('Tab');
    assert.equal(await focus(), 'Skip to the report');
    for (let i = 0; i < 60 && !(await focus()).startsWith('Timeline of a step'); i++) await page.keyboard.press('Tab');
    assert.equal(await focus(), 'Timeline of a step by device');
    assert.notEqual(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'none', 'the focus can be seen');
    await page.keyboard.press('ArrowRight');
    const first = await readout(page);
    assert.match(first, /^MemoryX out: block 0 norm 1 · norm\.forward, forward, micro-batch 1;/);
    await page.keyboard.press('ArrowRight');
    assert.match(await readout(page), /^MemoryX out: block 0 qkv · linear\.forward/);
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown');
    assert.match(await readout(page), /^wafer: block 0 qkv · linear\.forward/);
    const view = (): Promise<string | null> => page.$eval('#timeline canvas', (element) => element.getAttribute('data-view'));
    const all = await view();
    await page.keyboard.press('+');
    assert.notEqual(await view(), all);
    await page.keyboard.press('0');
    assert.equal(await view(), all);
    await page.focus('#wafer canvas');
    for (const key of ['ArrowRight', 'ArrowDown', 'ArrowDown'] as const) await page.keyboard.press(key);
    assert.deepEqual([await figure(page, 'tile.column'), await figure(page, 'tile.row'), Number(await figure(page, 'tile.work'))], ['1', '2', macsAt(work.map, 1, 2)]);
    for (const key of ['End', 'PageDown', '4'] as const) await page.keyboard.press(key);
    assert.deepEqual([await figure(page, 'tile.column'), await figure(page, 'tile.row')], [`${work.map.products.length - 1}`, `${work.map.tokens.length - 1}`]);
    assert.equal(await page.$eval('#wafer input:checked', (element) => element.getAttribute('value')), 'traffic');
    await page.focus('#roofline .canvas');
    for (const key of ['ArrowRight', 'ArrowRight'] as const) await page.keyboard.press(key);
    assert.match(await page.$eval('#roofline .readout', (element) => element.textContent ?? ''), /^roof, where slope and peak meet: /);
    await page.focus('#passes thead button');
    await page.keyboard.press('Enter');
    assert.deepEqual(await page.$$eval('#passes tbody th', (cells) => cells.map((cell) => cell.textContent)), price.passes.map(({ op }) => op).toSorted((a, b) => a.localeCompare(b)));
    await page.focus('input[name="theme"]:checked');
    for (const scheme of ['light', 'dark']) {
      await page.keyboard.press('ArrowRight');
      assert.equal(await page.evaluate('document.documentElement.dataset.scheme'), scheme);
    }
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('the pointer: spans under it, zoom by the wheel, tiles under it', async () => {
    const { page } = await open(file);
    const timeline = await (await page.$('#timeline canvas'))?.boundingBox();
    assert.ok(timeline);
    await page.$eval('#timeline', (element) => element.scrollIntoView());
    const box = await (await page.$('#timeline canvas'))?.boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + box.width * 0.5, box.y + 26 + 3 * 30 + 10);
    assert.match(await readout(page), /^wafer: block/);
    await page.mouse.down();
    await page.mouse.up();
    await page.mouse.wheel({ deltaY: -400 });
    await page.waitForFunction(`document.querySelector('#timeline canvas').dataset.view !== '0 ${price.step.seconds}'`);
    const wafer = await page.$('#wafer canvas');
    await page.$eval('#wafer', (element) => element.scrollIntoView());
    const tiles = await wafer?.boundingBox();
    assert.ok(tiles);
    await page.mouse.move(tiles.x + 46 + 2, tiles.y + 8 + 2);
    assert.deepEqual([await figure(page, 'tile.column'), await figure(page, 'tile.row')], ['0', '0']);
    await page.close();
  });

  for (const scheme of ['light', 'dark'] as const) {
    test(`the ${scheme} scheme is drawn in its colours, canvases too`, async () => {
      const { page, complaints } = await open(file, { scheme });
      const { schemes, rampBytes } = await import('../../../src/report/page/palette.js');
      const own = schemes[scheme], seen = await colours(page, '#timeline canvas');
      for (const kind of ['blue', 'amber', 'green', 'rose'] as const) assert.ok((seen[own.kinds[kind]] ?? 0) > 50, `${kind}: ${seen[own.kinds[kind]]} pixels`);
      const tiles = await colours(page, '#wafer canvas'), bytes = rampBytes(own.ramp, 512), most = extentOf(work.map, (column, row) => macsAt(work.map, column, row)).max;
      const colourOf = (column: number, row: number): string => `#${[0, 1, 2].map((k) => (bytes[Math.round((macsAt(work.map, column, row) / most) * 511) * 4 + k] ?? 0).toString(16).padStart(2, '0')).join('')}`;
      for (const [column, row] of [[3, 3], [12, 15], [15, 0]] as const) assert.ok((tiles[colourOf(column, row)] ?? 0) > 100, `tile ${column}, ${row}: ${colourOf(column, row)}`);
      assert.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), `rgb(${[1, 3, 5].map((i) => Number.parseInt(own.page.slice(i, i + 2), 16)).join(', ')})`);
      assert.deepEqual(complaints, []);
      await page.close();
    });
  }

  test('a narrow window: nothing is wider than it', async () => {
    for (const width of [400, 320]) {
      const { page } = await open(file, { width });
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
      await page.close();
    }
  });

  test('on paper it is light, whatever the screen shows', async () => {
    const { page, complaints } = await open(file, { scheme: 'dark' });
    await page.evaluate("void (globalThis.printed = new Promise((done) => addEventListener('beforeprint', () => done(document.documentElement.dataset.scheme))))");
    assert.ok((await page.pdf()).length > 10_000);
    assert.equal(await page.evaluate('globalThis.printed'), 'light');
    await page.waitForFunction("document.documentElement.dataset.scheme === 'dark'");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
