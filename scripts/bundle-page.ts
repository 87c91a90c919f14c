/**
 * The second half of `npm run build`: bundles the page of reports into two files beside the built report.
 *
 *   src/report/page/main.tsx, page.css, preact, uplot ─esbuild─▶ <built>/src/report/page/page.bundle.js and .css
 *
 * It writes into the output folder that it was built into. Not here: what is bundled (src/report/page/), who inlines it (src/report/html.ts).
 */
import { build } from 'esbuild';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const rootAbove = (from: string): string => {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) throw new Error('no package.json above the built scripts');
  }
};

const root = rootAbove(import.meta.dirname);
const page = join(root, 'src', 'report', 'page');

/** The bundle holds parts of these packages, so it carries their licences. */
const licences = ['preact', 'uplot'].map((name) => `${name}: ${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8').replaceAll('*/', '* /').replaceAll('\r', '').trim()}`).join('\n\n');
const banner = `/*!\n${licences}\n*/`;

await build({
  entryPoints: ['main.tsx', 'page.css'].map((name) => ({ in: join(page, name), out: 'page.bundle' })),
  outdir: join(import.meta.dirname, '..', 'src', 'report', 'page'),
  tsconfig: join(page, 'tsconfig.json'),
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: banner, css: banner },
  logLevel: 'warning',
});
