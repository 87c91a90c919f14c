/**
 * The README's table of measurements, rewritten from benchmarks/results/*.json: `node dist/benchmarks/harness/readme.js`.
 *
 *   results/<name>.<node major>.json ─▶ rows by figure, a column for each Node ─▶ between <!-- bench:start --> and <!-- bench:end -->
 *
 * Not here: measuring (../run.ts).
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resultsFolder, root } from './paths.js';
import { shown, shownFigure, type ResultFile } from './results.js';

const [startMark, endMark] = ['<!-- bench:start -->', '<!-- bench:end -->'];

interface Cell {
  readonly major: string;
  readonly text: string;
}

const columns = (cells: readonly Cell[], majors: readonly string[]): string => majors.map((major) => cells.find((cell) => cell.major === major)?.text ?? '').join(' | ');

const addCell = (rows: Map<string, Cell[]>, key: string, cell: Cell): void => void rows.set(key, [...(rows.get(key) ?? []), cell]);

const tableOf = (head: string, rows: Map<string, Cell[]>, majors: readonly string[], goals: ReadonlyMap<string, string>): string => {
  const withGoals = [...rows.keys()].some((key) => goals.has(key));
  const lines = [...rows].map(([key, cells]) => `| ${key} | ${columns(cells, majors)} |${withGoals ? ` ${goals.get(key) ?? ''} |` : ''}`);
  return [`| ${head} | ${majors.map((major) => `Node ${major}`).join(' | ')} |${withGoals ? ' goal |' : ''}`, `|---|${majors.map(() => '---').join('|')}|${withGoals ? '---|' : ''}`, ...lines].join('\n');
};

/** Markdown of all result files. */
export const renderResults = (files: readonly (ResultFile & { readonly major: string })[]): string => {
  const majors = [...new Set(files.map(({ major }) => major))].toSorted((a, b) => Number(a) - Number(b));
  const ratios = new Map<string, Cell[]>(), rates = new Map<string, Cell[]>(), goals = new Map<string, string>();
  for (const file of files) {
    const { major } = file;
    for (const table of file.tables) {
      for (const r of table.ratios) {
        const key = `${table.title}: ${r.name}`;
        addCell(ratios, key, { major, text: r.median.toFixed(2) });
        if (r.goal !== undefined) goals.set(key, r.goal);
      }
      for (const s of table.samples) addCell(rates, `${table.title}: ${s.name}`, { major, text: `${shown(s.median, table.work)} (${shown(s.best, table.work)})` });
    }
    for (const f of file.figures ?? []) {
      addCell(ratios, f.name, { major, text: shownFigure(f, f.spread === undefined ? 3 : 4) });
      if (f.goal !== undefined) goals.set(f.name, f.goal);
    }
  }
  const others = new Map([...ratios].filter(([key]) => !goals.has(key)));
  for (const key of others.keys()) ratios.delete(key);
  const machines = [...new Set(files.map(({ machine }) => `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`))].join('; ');
  const kernels = majors.map((major) => `Node ${major}: ${[...new Set(files.filter((file) => file.major === major).map((file) => file.kernels))].join(', ')}`).join('; ');
  const skipped = [...new Set(files.flatMap((file) => file.skipped))];
  return [
    `Measured by \`npm run bench\`: ${machines}. Kernels in use: ${kernels}. Ratios are medians of the rounds' ratios, both sides measured in the same round; raw samples are in`,
    '`benchmarks/results/`. Everything was verified before it was timed.',
    '', tableOf('figure', ratios, majors, goals), '', '<details><summary>Other ratios; times and rates, median (best)</summary>', '',
    tableOf('figure', others, majors, goals), '', tableOf('figure', rates, majors, goals), '', '</details>',
    ...(skipped.length === 0 ? [] : ['', `Left out: ${skipped.join('; ')}.`]),
  ].join('\n');
};

const readResults = (): readonly (ResultFile & { readonly major: string })[] =>
  readdirSync(resultsFolder)
    .filter((file) => file.endsWith('.json'))
    .toSorted()
    .map((file) => ({ ...(JSON.parse(readFileSync(join(resultsFolder, file), 'utf8')) as ResultFile), major: file.split('.').at(-2) ?? '' }));

const main = (): number => {
  const readme = join(root, 'README.md');
  const text = existsSync(readme) ? readFileSync(readme, 'utf8') : '';
  const [start, end] = [text.indexOf(startMark), text.indexOf(endMark)];
  if (start < 0 || end < start) {
    console.error(`README.md has no section between ${startMark} and ${endMark}`);
    return 1;
  }
  const files = readResults();
  if (files.length === 0) {
    console.error('there are no results: run `npm run bench` first');
    return 1;
  }
  writeFileSync(readme, `${text.slice(0, start + startMark.length)}\n${renderResults(files)}\n${text.slice(end)}`);
  console.log(`README.md: ${files.length} result files`);
  return 0;
};

process.exitCode = main();
