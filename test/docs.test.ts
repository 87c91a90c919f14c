/**
 * The code in the pages: every TypeScript block of README.md and docs/ type-checks against the public doors, and runs.
 *
 * Blocks are written beside this built test, with the package's name replaced by the built doors; each runs in an empty folder with README.md in it. Not here: the shell blocks.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { projectRoot } from './support/golden.js';

const root = projectRoot();
const folder = fileURLToPath(new URL('./code-of-pages/', import.meta.url));
const pages = ['README.md', ...readdirSync(join(root, 'docs/guides')).map((name) => `docs/guides/${name}`)];

interface Block {
  readonly page: string;
  readonly file: string;
  readonly isTest: boolean;
}

const blocks: Block[] = [];
mkdirSync(folder, { recursive: true });
after(() => rmSync(folder, { recursive: true, force: true }));
for (const page of pages) {
  for (const [, code] of readFileSync(join(root, page), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
    const file = join(folder, `block${blocks.length}.ts`);
    const text = (code as string).replaceAll("'waferstream/testing'", "'../../src/testing/index.js'").replaceAll("'waferstream'", "'../../src/index.js'");
    writeFileSync(file, text.includes('import ') ? text : `${text}\nexport {};\n`);
    blocks.push({ page, file, isTest: text.includes("'node:test'") });
  }
}

test('the doors that the pages name are those of package.json', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly exports: Record<string, { readonly default: string }> };
  assert.equal(exports['.']?.default, './dist/src/index.js');
  assert.equal(exports['./testing']?.default, './dist/src/testing/index.js');
  assert.ok(blocks.length >= 3 && blocks.some(({ isTest }) => isTest), `${blocks.length} blocks`);
});

test('the code of the pages type-checks', () => {
  const program = ts.createProgram(blocks.map(({ file }) => file), {
    target: ts.ScriptTarget.ES2023, lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts'], module: ts.ModuleKind.NodeNext, types: ['node'], strict: true, skipLibCheck: true, exactOptionalPropertyTypes: true,
  });
  const problems = ts.getPreEmitDiagnostics(program).map((d) => `${d.file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`);
  assert.deepEqual(problems, []);
  program.emit();
});

for (const { page, file, isTest } of blocks) {
  test(`${page}: ${isTest ? 'its tests pass' : 'its code runs'} (${file.slice(folder.length)})`, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const cwd = mkdtempSync(join(tmpdir(), 'waferstream-pages-'));
    copyFileSync(join(root, 'README.md'), join(cwd, 'README.md'));
    const { status, stdout, stderr } = spawnSync(process.execPath, [...(isTest ? ['--test'] : []), file.replace(/\.ts$/, '.js')], { encoding: 'utf8', timeout: 120_000, env, cwd });
    rmSync(cwd, { recursive: true });
    assert.equal(status, 0, stdout + stderr);
    if (isTest) assert.match(stdout, /^# pass [1-9]/m);
  });
}
