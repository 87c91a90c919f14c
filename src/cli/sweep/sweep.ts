/**
 * `waferstream sweep [file]`: points over any parameter, planned or trained, into one table.
 *
 *   file, --set, options ─▶ points ─▶ lanes ─▶ results.jsonl ─▶ table · CSV · JSON lines · report
 *
 * Not here: the engine (sweep/), parameters (parameters.ts), points (evaluate.ts).
 */
import { SingleBar } from 'cli-progress';
import type { OptionValues } from 'commander';
import { InvalidConfig, realFileSystem } from '../../index.js';
import { checkPaths, sweepPoints, variedPaths, zipped, type Axis, type SweepPoint, type SweepSpec } from '../../sweep/points.js';
import { readSweep } from '../../sweep/read.js';
import { openResults, resultsName, transientResults, type PointResult } from '../../sweep/results.js';
import { runSweep, type SweepEnd } from '../../sweep/run.js';
import { chosenColumns, csvOfTable, sweepTable, textOfTable, type SweepTable } from '../../sweep/table.js';
import { singleValue, valuesOf, type Parameters } from '../../sweep/values.js';
import { waferstreamVersion } from '../../util/version.js';
import { sweepJson } from '../json/plan.js';
import { sayJson } from '../json/say.js';
import { flagOf, isOption, type Options } from '../options.js';
import { isShown } from '../plan/figures.js';
import { planJobOf, priced } from '../plan/job.js';
import { print } from '../progress.js';
import { checkFilePlace, writeReport, writeText } from '../report.js';
import { refuse } from '../setup/rules.js';
import { openLanes } from './lanes.js';
import { contextOf, knownPaths, settingsOf, type PointKind } from './parameters.js';

/** Plans are quick: a process takes several at once. */
const pointsAtOnce = { plan: 8, train: 1 } as const;
/** Options that say how a sweep is done, and not what a point is. */
const ofTheSweep = new Set(['set', 'zip', 'kind', 'folder', 'jobs', 'report', 'csv', 'json']);

const axisOf = (text: string): Axis => {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidConfig({ what: `option ${flagOf('set')}`, value: text, limit: 'parameter=values, such as numCsx=1,2,4' });
  const path = text.slice(0, at).trim();
  return { path, values: valuesOf(path, text.slice(at + 1)) };
};

/** Options of points, as they were typed. */
const typed = (given: OptionValues): Parameters =>
  Object.fromEntries(Object.entries(given).flatMap(([name, value]: [string, unknown]) => (ofTheSweep.has(name) || (typeof value !== 'string' && value !== true) ? [] : [[name, singleValue(name, value)]])));

interface Asked {
  readonly kind: PointKind;
  readonly spec: SweepSpec;
}

const askedOf = async (options: Options, given: OptionValues, path: string): Promise<Asked> => {
  const file = path === '' ? { base: {}, grid: [], list: [] } : await readSweep(path), { kind = file.kind ?? 'plan', set = [], zip } = options;
  const axes = set.map(axisOf), base = typed(given);
  if (zip !== undefined && file.list.length > 0) throw new InvalidConfig({ what: `option ${flagOf('zip')} beside the list of ${path}`, hint: 'leave one of them out' });
  if (zip !== undefined && axes.length < 2) refuse(options, ['zip'], `has no effect without two ${flagOf('set')}`);
  const spec: SweepSpec = { base: { ...file.base, ...base }, grid: zip === undefined ? [...file.grid, ...axes] : file.grid, list: zip === undefined ? file.list : zipped(axes) };
  const varied = variedPaths(spec), both = varied.find((name) => Object.hasOwn(base, name));
  checkPaths(spec, knownPaths(kind));
  if (varied.length === 0) throw new InvalidConfig({ what: 'nothing varies', hint: `name a parameter and its values with ${flagOf('set')}, or a file with a grid or a list` });
  if (both !== undefined && isOption(both)) throw new InvalidConfig({ what: `option ${flagOf(both)} is given, and ${both} varies`, hint: 'leave one of them out' });
  return { kind, spec };
};

const bar = (points: number): SingleBar | null => {
  if (process.stderr.isTTY !== true) return null;
  const shown = new SingleBar({ format: '[{bar}] {value}/{total} points · {eta_formatted} left', gracefulExit: false, barsize: 24, hideCursor: false });
  shown.start(points, 0);
  return shown;
};

/** What tells which point is best. */
const mainFigure = { plan: 'tokensPerSecond', train: 'lossLast' } as const;

/** The point whose plan a report shows beside the table: the fastest, or the one that learned most. */
const bestOf = (kind: PointKind, points: readonly SweepPoint[], results: readonly (PointResult | null)[]): SweepPoint | null => {
  const worth = (result: PointResult | null): number => {
    const figure = result === null || !('figures' in result) ? null : result.figures[mainFigure[kind]];
    return typeof figure !== 'number' ? -Infinity : kind === 'plan' ? figure : -figure;
  };
  const best = results.reduce((most, result, i) => (worth(result) > worth(results[most] ?? null) ? i : most), 0);
  return worth(results[best] ?? null) === -Infinity ? null : (points[best] ?? null);
};

const writePage = async (path: string, kind: PointKind, points: readonly SweepPoint[], { results }: SweepEnd, table: SweepTable): Promise<void> => {
  const best = bestOf(kind, points, results);
  if (best === null) return;
  // The page draws the last figure unless it is told otherwise.
  const { columns, rows } = chosenColumns(table, (name) => (!isShown(name) ? null : name === mainFigure[kind] ? 1 : 0));
  const { options, machine } = await settingsOf(best.parameters), job = await planJobOf(options, machine), { plan, price } = priced(job);
  await writeReport(path, {
    title: `sweep of ${points.length} points; the step is that of ${job.model.name} at its ${kind === 'plan' ? 'fastest' : 'best'} point`, work: plan.work, price, machine,
    sweep: { columns: columns.map(({ name }) => name), rows },
  });
};

const tellJson = (kind: PointKind, varied: readonly string[], points: readonly SweepPoint[], { results, reused }: SweepEnd, damaged: number): void => {
  for (const [i, { key, parameters }] of points.entries()) sayJson(sweepJson, { type: 'point', key, parameters: Object.fromEntries(varied.map((path) => [path, parameters[path] ?? null])), ...results[i] });
  sayJson(sweepJson, { type: 'summary', kind, points: points.length, reused, refused: results.filter((result) => result !== null && 'refusal' in result).length, damaged });
};

export const sweep = async (options: Options, signal: AbortSignal, path: string, given: OptionValues): Promise<number> => {
  const { kind, spec } = await askedOf(options, given, path), { folder, jobs = 1, csv, report } = options, isJson = options.json === true;
  if (kind === 'train' && folder === undefined) throw new InvalidConfig({ what: 'a sweep of trainings without a folder', hint: `say where results are kept with ${flagOf('folder')}` });
  for (const name of ['report', 'csv'] as const) await checkFilePlace(options, name);
  const named = [spec.base, ...spec.list, ...spec.grid.flatMap(({ path: name, values }) => values.map((value) => ({ [name]: value })))];
  const points = sweepPoints(spec, await contextOf(kind, waferstreamVersion, named)), varied = variedPaths(spec);
  const results = folder === undefined ? transientResults() : openResults(realFileSystem, folder), shown = bar(points.length);
  let end: SweepEnd;
  try {
    if (results.damaged > 0 && !isJson) print(`${results.damaged} damaged line${results.damaged === 1 ? '' : 's'} taken out of ${resultsName}: those points are done again`);
    const missing = points.filter(({ key }) => !results.results.has(key)).length, { lanes, close } = openLanes(kind, Math.max(1, Math.min(jobs, missing)));
    try {
      end = await runSweep({ points, results, lanes, pointsAtOnce: pointsAtOnce[kind], signal, onProgress: ({ done }) => shown?.update(done) });
    } finally {
      close();
    }
  } finally {
    shown?.stop();
    results.close();
  }
  if (end.missing > 0) {
    if (!isJson) print(`${points.length - end.missing} of ${points.length} points done${folder === undefined ? '' : `, kept in ${folder}: the same call goes on from there`}`);
    signal.throwIfAborted();
  }
  const [first] = end.results;
  if (first !== null && first !== undefined && 'refusal' in first && end.results.every((result) => result !== null && 'refusal' in result)) {
    throw new InvalidConfig({ what: `all ${points.length} points are refused, the first: ${first.refusal.message}` });
  }
  const table = sweepTable(varied, points, end.results);
  if (isJson) tellJson(kind, varied, points, end, results.damaged);
  else print(textOfTable(chosenColumns(table, (name) => (isShown(name) ? 0 : null))));
  if (csv !== undefined) await writeText(csv, csvOfTable(table));
  if (report !== undefined) await writePage(report, kind, points, end, table);
  return 0;
};
