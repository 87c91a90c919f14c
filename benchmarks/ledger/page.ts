/**
 * The generated sections of docs/evidence.md, between markers: the constants; the ledger by groups, with a word where the model is off, the rows apart, the sources.
 *
 * Not here: predictions (check.ts), what stands outside the markers (written by hand).
 */
import { join } from 'node:path';
import { root } from '../harness/paths.js';
import type { Ledger, StatedRow } from './check.js';
import { constantsTable } from './constants.js';
import type { SourceName } from './sources.js';

export const ledgerPath = join(root, 'docs', 'ledger.json');
export const evidencePath = join(root, 'docs', 'evidence.md');

/** A section's name in its markers, and its text. */
type Section = readonly [string, string];

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const shown = (value: number): string => (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-3) ? value.toExponential() : value.toLocaleString('en-US', { maximumSignificantDigits: 6 }));
const shownPublished = ({ published, relation }: StatedRow): string =>
  typeof published === 'number' ? `${relation === 'at least' ? '≥ ' : ''}${shown(published)}` : `${shown(published[0])} … ${shown(published[1])}`;
const signed = (percent: number): string => `${percent > 0 ? '+' : percent < 0 ? '−' : ''}${Math.abs(percent)} %`;

const groupNames: Readonly<Record<string, string>> = {
  tile: 'One tile', training: 'Training, from logs', cluster: 'Clusters and scaling', capacity: 'What fits', traffic: 'Traffic', totals: 'Published totals',
};

const middle = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b), half = Math.floor(sorted.length / 2);
  return sorted.length === 0 ? 0 : sorted.length % 2 === 1 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
};

const largest = (some: readonly StatedRow[]): number => Math.max(...some.map((row) => Math.abs(row.errorPercent)));

const summary = (rows: readonly StatedRow[], groups: readonly string[]): string => {
  const fitted = rows.filter(({ calibration }) => calibration), held = rows.filter(({ calibration }) => !calibration);
  const perGroup = groups.map((group) => {
    const some = held.filter(({ id, kind }) => id.startsWith(`${group}/`) && kind === 'measurement');
    return some.length === 0 ? '' : `${(groupNames[group] ?? group).toLowerCase()}: ${some.length}, median error ${middle(some.map((row) => Math.abs(row.errorPercent))).toFixed(1)} %, largest ${largest(some).toFixed(1)} %`;
  });
  return `${rows.length} rows: ${fitted.length} that constants were fitted to (largest error ${largest(fitted)} %), ${held.length} held out. Measurements among these, by group: ${perGroup.filter((text) => text !== '').join('; ')}.`;
};

const tableOf = (rows: readonly StatedRow[], numberOf: (source: SourceName) => number): string => {
  const lines = rows.map((row) => {
    const what = `${row.what}${row.configuration === undefined ? '' : `: ${row.configuration}`}`;
    const kind = `${row.kind}, ${row.reading}${row.calibration ? ', **fitted**' : ''}`;
    return `| \`${row.id}\` | ${cell(what)} | ${kind} [${numberOf(row.source)}] | ${shownPublished(row)} | ${shown(row.predicted)} | ${cell(row.unit)} | ${signed(row.errorPercent)} |`;
  });
  const words = rows.filter(({ word }) => word !== undefined).map(({ id, word }) => `- \`${id}\`: ${word}`);
  return ['| row | what | kind, source | published | model | unit | error |', '|---|---|---|---|---|---|---|', ...lines, ...(words.length === 0 ? [] : ['', ...words])].join('\n');
};

const ledgerSection = ({ rows, apart, sources }: Ledger): string => {
  const names = Object.keys(sources) as SourceName[];
  const numberOf = (source: SourceName): number => names.indexOf(source) + 1;
  const groups = [...new Set(rows.map(({ id }) => id.split('/')[0] as string))];
  return [
    summary(rows, groups),
    ...groups.flatMap((group) => ['', `### ${groupNames[group] ?? group}`, '', tableOf(rows.filter(({ id }) => id.startsWith(`${group}/`)), numberOf)]),
    '', '### Apart: what the model cannot be held against', '',
    '| what | published | kind, source | why not |', '|---|---|---|---|',
    ...apart.map((row) => `| ${cell(row.what)} | ${cell(row.published)} | ${row.kind}, ${row.reading} [${numberOf(row.source)}] | ${cell(row.reason)} |`),
    '', '### Sources', '',
    ...names.map((name, i) => {
      const source = sources[name];
      return source === undefined ? '' : `${i + 1}. ${source.by}, *${source.title}*, ${source.year}: ${source.address}`;
    }),
  ].join('\n');
};

const sectionsOf = (ledger: Ledger): readonly Section[] => [['constants', constantsTable()], ['ledger', ledgerSection(ledger)]];

const marks = (name: string): readonly [string, string] => [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];

/** The page with its sections of now. @throws Error where a marker is missing */
export const renderPage = (page: string, ledger: Ledger): string =>
  sectionsOf(ledger).reduce((text, [name, section]) => {
    const [start, end] = marks(name), from = text.indexOf(start), to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`docs/evidence.md has no section between ${start} and ${end}`);
    return `${text.slice(0, from + start.length)}\n${section}\n${text.slice(to)}`;
  }, page);

/** Whether the page says what the ledger says, in one line. */
export const pageProblems = (page: string, ledger: Ledger): string[] => (renderPage(page, ledger) === page ? [] : ['docs/evidence.md: its generated sections are not those of now']);
