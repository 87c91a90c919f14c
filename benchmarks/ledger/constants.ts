/**
 * The table of a machine's constants in docs/evidence.md: value by generation, unit, trust, source, and the range of what is a guess.
 *
 *   constantsOf(machine) of the three wafers ─▶ one line a constant        Not here: the values (src/spec), the ledger's tables (page.ts).
 */
import { constantsOf, machines } from '../../src/index.js';

type Constant = ReturnType<typeof constantsOf>[number];

const generations = ['wse1', 'wse2', 'wse3'] as const;

const cell = (text: string): string => text.replaceAll('|', '\\|');
const shown = (value: number): string => {
  if (!Number.isFinite(value)) return '∞';
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e9 || size < 1e-3) ? value.toExponential() : value.toLocaleString('en-US', { maximumSignificantDigits: 6 });
};
const rangeOf = ({ range }: Constant): string => (range === undefined ? '' : `${shown(range[0])} … ${shown(range[1])}`);

/** What holds of all generations, or each by its name. */
const told = (constants: readonly Constant[], tell: (constant: Constant) => string): string => {
  const texts = constants.map(tell);
  return new Set(texts).size === 1 ? (texts[0] as string) : texts.map((text, i) => (text === '' ? '' : `${(generations[i] as string).toUpperCase().replace('WSE', 'WSE-')}: ${text}`)).filter((text) => text !== '').join('; ');
};

/** One line a constant, all generations in it. */
export const constantsTable = (): string => {
  const tables = generations.map((name) => constantsOf(machines[name]));
  const lines = (tables[0] ?? []).map(({ path }, i) => {
    const constants = tables.map((table) => table[i] as Constant), values = constants.map(({ value }) => shown(value));
    return `| \`${path}\` | ${values.join(' | ')} | ${cell(told(constants, ({ unit }) => unit))} | ${told(constants, ({ trust }) => (trust === 'guess' ? '**guess**' : trust))} | ${told(constants, rangeOf)} | ${cell(told(constants, ({ source }) => source))} |`;
  });
  const guesses = constantsOf(machines.wse2).filter(({ trust }) => trust === 'guess').length;
  return [
    `${lines.length} constants; of WSE-2's ${guesses} are guesses, with the range in which the true value is thought to lie.`, '',
    '| constant | WSE-1 | WSE-2 | WSE-3 | unit | trust | range | source |', '|---|---|---|---|---|---|---|---|', ...lines,
  ].join('\n');
};
