/**
 * A real Chromium for tests and benchmarks, if the machine has one: CHROMIUM names it, else the PATH is searched. Nothing is downloaded.
 *
 * Not here: what is looked at in it.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { launch, type Browser } from 'puppeteer-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const runs = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Path of the browser, null where there is none. */
export const chromiumPath = (): string | null => {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '') return named;
  return (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '').flatMap((folder) => names.map((name) => join(folder, name))).find(runs) ?? null;
};

export const withoutChromium = `no Chromium: none of ${names.join(', ')} is in PATH, and CHROMIUM names none`;

/** Without the sandbox, which root and most containers cannot have; it opens files of this project alone. */
export const openChromium = (path: string): Promise<Browser> => launch({ executablePath: path, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars'] });
