/**
 * Habits that a linter cannot check: headers, words, sizes of files, files that nobody imports, and what ARCHITECTURE.md says of the folders.
 *
 * Not here: types, lint and who may import whom (npm run lint).
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './support/golden.js';

const root = projectRoot();
const filesIn = (folder: string, ending: RegExp): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
        entry.name === 'node_modules' ? [] : entry.isDirectory() ? filesIn(`${folder}/${entry.name}`, ending) : ending.test(entry.name) ? [`${folder}/${entry.name}`] : [])
    : [];
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const lines = (path: string): number => read(path).trimEnd().split('\n').length;

const code = ['src', 'workers', 'test', 'benchmarks', 'scripts'].flatMap((folder) => filesIn(folder, /\.tsx?$/));
const prose = [...filesIn('docs', /\.md$/), ...readdirSync(root).filter((name) => name.endsWith('.md'))];

/** Fails with every offender at once. */
const none = (what: string, offenders: readonly string[]): void => assert.deepEqual(offenders, [], `${what}:\n  ${offenders.join('\n  ')}`);

test('the check sees the project', () => assert.ok(code.length > 100 && prose.length > 4, `${code.length} sources, ${prose.length} pages`));

test('every file opens by saying what it is', () => {
  none('no header', code.filter((path) => !/^(#!.*\n)?\/\*\*[\s*]*\S/.test(read(path))));
});

/** A word, and what to write in its place. */
const words: readonly (readonly [RegExp, string])[] = [
  [/\b(TODO|FIXME|XXX|HACK)\b/, 'do it, or leave it out'],
  [/\butili[sz]e[sd]?\b/i, 'use'],
  [/\bleverag(e|es|ed|ing)\b/i, 'use'],
  [/\b(white|black)list/i, 'allowed, refused'],
  [/\b(master|slave)\b(?! weights)/i, 'say what it does: root, coordinator, worker'],
  [/\b(obviously|simply|of course)\b/i, 'leave it out'],
  [/\b(seamless|robust|blazing|cutting-edge|state-of-the-art)/i, 'give the number'],
  [/\bprocessing elements?\b/i, 'tile'],
  [/\/(home|tmp|root)\/\w/, 'a path that every machine has'],
];

test('no banned words', () => {
  const own = 'test/tidy.test.ts';
  none('banned', [...code.filter((path) => path !== own), ...prose].flatMap((path) =>
    read(path).split('\n').flatMap((line, i) => words.filter(([word]) => word.test(line)).map(([word, instead]) => `${path}:${i + 1} ${String(line.match(word)?.[0])} → ${instead}`))));
});

/** Chance, time and output come in by one door each. */
const doors: readonly (readonly [RegExp, RegExp, string])[] = [
  [/\bMath\.random\b/, /^(src\/cli|benchmarks)\//, 'util/prng.ts'],
  [/\b(Date\.now|new Date|performance\.now|process\.hrtime)\b/, /^(src\/util\/clock\.ts$|benchmarks\/|test\/)/, 'util/clock.ts'],
  [/\bconsole\./, /^(src\/cli|benchmarks|test)\//, 'src/cli/'],
  [/\bset(Timeout|Interval)\(/, /^(src\/cli|src\/actor\/thread|benchmarks|test)\//, 'a promise of what is waited for'],
];

test('chance, time and output come in by their doors', () => {
  none('not through the door', code.flatMap((path) => {
    const text = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    return path === 'test/tidy.test.ts' ? [] : doors.filter(([word, allowed]) => word.test(text) && !allowed.test(path)).map(([word, , door]) => `${path}: ${String(word)} → ${door}`);
  }));
});

test('nothing that reaches a bit uses a function that engines approximate', () => {
  const exact = new Set(['abs', 'min', 'max', 'floor', 'ceil', 'round', 'trunc', 'imul', 'clz32', 'fround', 'sqrt', 'PI', 'LN2']);
  const reaches = /^(workers|src\/(actor|cluster|compiler|emulator|kernels|model|spec|stream|tensor|trace|util))\//;
  none('approximated', code.filter((path) => reaches.test(path)).flatMap((path) => [...read(path).matchAll(/\bMath\.(\w+)/g)].filter(([, name]) => !exact.has(name as string)).map(([word]) => `${path}: ${word}`)));
  none('exponentiation of fractions', code.filter((path) => reaches.test(path)).flatMap((path) => [...read(path).matchAll(/\*\* *(0?\.\d+|-0?\.)/g)].map(([word]) => `${path}: ${word}`)));
});

test('files stay short: 300 lines, worker entries 30', () => {
  none('too long', code.filter((path) => lines(path) > (path.startsWith('workers/') ? 30 : 300)).map((path) => `${path}: ${lines(path)} lines`));
});

test('only named exports', () => {
  none('default export', code.filter((path) => !path.endsWith('.d.ts') && /^export default\b/m.test(read(path))));
});

test('no source file that nobody imports', () => {
  // The doors, the entry of reports' page, and the entries of the threads; declarations are found by the compiler.
  const doorsOf = ['src/index.ts', 'src/testing/index.ts', 'src/cli/main.ts', 'src/report/page/main.tsx', ...filesIn('workers', /\.ts$/)];
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path) || !existsSync(join(root, path))) return;
    reached.add(path);
    for (const [, target] of read(path).matchAll(/(?:from|import|new URL\()\s*\(?['"](\.[^'"]+)\.js['"]/g)) for (const ending of ['ts', 'tsx']) visit(normalize(join(dirname(path), `${target as string}.${ending}`)));
  };
  doorsOf.forEach(visit);
  none('imported by nobody', filesIn('src', /\.tsx?$/).filter((path) => !path.endsWith('.d.ts') && !reached.has(path)));
});

const foldersOf = (folder: string): string[] => readdirSync(join(root, folder), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);

test('the folder list of ARCHITECTURE.md is the folders on disk, with one line each', () => {
  const text = read('ARCHITECTURE.md');
  const listed = [...text.matchAll(/^ {2}(\w+)\/ +\S.*$/gm)].map(([, name]) => name as string);
  assert.deepEqual(listed.toSorted(), foldersOf('src').toSorted());
  const devices = [...text.matchAll(/^ {4}(\w+)\/ +\S.*$/gm)].map(([, name]) => name as string);
  assert.deepEqual(devices.toSorted(), foldersOf('src/cluster').toSorted());
});

test('paths and tests that the pages name exist', () => {
  none('missing', prose.flatMap((page) =>
    [...read(page).matchAll(/`((?:src|test|docs|workers|benchmarks)\/[\w./-]*\w)`/g)].map(([, path]) => path as string).filter((path) => !existsSync(join(root, path))).map((path) => `${page}: ${path}`)));
});

test('decisions are numbered in a row', () => {
  const numbers = filesIn('docs/decisions', /\.md$/).map((path) => Number(path.match(/(\d{4})-[a-z0-9-]+\.md$/)?.[1]));
  assert.deepEqual(numbers.toSorted((a, b) => a - b), numbers.map((_, i) => i + 1));
});
