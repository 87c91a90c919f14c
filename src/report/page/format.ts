/**
 * Numbers as people read them: four significant digits, SI prefixes, units behind. Not here: where they stand.
 *
 *   shown(1.83e15, 'flop/s') = "1.830 Pflop/s" · seconds(0.0123) = "12.30 ms" · percent(0.321) = "32.1 %"
 */

const prefixes = ['y', 'z', 'a', 'f', 'p', 'n', 'µ', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'] as const;
const unitless = prefixes.indexOf('');

const notFinite = (value: number): string => (Number.isNaN(value) ? 'no number' : value > 0 ? '∞' : '−∞');
const minus = (text: string): string => text.replace('-', '−');

/** With an SI prefix before its unit, where there is one for its size; whole numbers below a thousand stay whole. Rounded first, so that 999.96 of something is 1.000 k. */
export const shown = (value: number, unit: string, digits = 4): string => {
  const tail = (prefix: string): string => (prefix + unit === '' ? '' : `\u00a0${prefix}${unit}`);
  if (!Number.isFinite(value)) return `${notFinite(value)}${tail('')}`;
  if (value === 0 || (Number.isInteger(value) && Math.abs(value) < 1000)) return minus(`${value}${tail('')}`);
  const rounded = Number(value.toPrecision(digits)), power = Math.floor(Math.log10(Math.abs(rounded)) / 3 + 1e-12), prefix = prefixes[power + unitless];
  return minus(prefix === undefined ? `${value.toExponential(digits - 1)}${tail('')}` : `${(rounded / 1000 ** power).toPrecision(digits)}${tail(prefix)}`);
};

/** Of virtual time: up to two minutes in seconds and parts of them, then minutes, hours, days. */
export const seconds = (value: number, digits = 4): string => {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || size < 120) return shown(value, 's', digits);
  const [per, unit] = size < 7200 ? [60, 'min'] : size < 172_800 ? [3600, 'h'] : [86_400, 'd'];
  return minus(`${(value / per).toPrecision(digits)}\u00a0${unit}`);
};

/** In full, thousands apart. */
export const whole = (value: number): string => (Number.isFinite(value) ? minus(value.toLocaleString('en-US', { maximumFractionDigits: 3 })) : notFinite(value));

/** In words from a million upwards: parameters, tokens, actions. */
export const many = (value: number): string => {
  const rounded = Number(Math.abs(value).toPrecision(4));
  for (const [size, word] of [[1e18, 'quintillion'], [1e15, 'quadrillion'], [1e12, 'trillion'], [1e9, 'billion'], [1e6, 'million']] as const) {
    if (Number.isFinite(value) && rounded >= size) return minus(`${Number((value / size).toPrecision(4))}\u00a0${word}`);
  }
  return whole(value);
};

export const percent = (share: number, digits = 3): string => {
  if (!Number.isFinite(share)) return notFinite(share);
  const text = (share * 100).toPrecision(digits);
  return minus(`${share === 0 ? '0' : text.includes('e') ? (share * 100).toExponential(digits - 1) : text}\u00a0%`);
};

/** Of SRAM, which comes in powers of two. */
export const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)}\u00a0KiB`;

/** Any value of a table: numbers with six digits at most, others as they are. */
export const plain = (value: unknown): string => {
  if (value === null || value === undefined) return '–';
  if (typeof value !== 'number') return typeof value === 'object' ? JSON.stringify(value) : String(value);
  if (!Number.isFinite(value)) return notFinite(value);
  if (Number.isSafeInteger(value)) return whole(value);
  const rounded = Number(value.toPrecision(6)), size = Math.abs(rounded);
  return size >= 1000 && size < 1e15 ? whole(rounded) : minus(size < 1e-4 ? rounded.toExponential() : String(rounded));
};

/** Round numbers between two ends, `most` at most: multiples of 1, 2 or 5 times a power of ten. */
export const ticks = (from: number, to: number, most: number): readonly number[] => {
  if (!(to > from) || most < 1) return [];
  const least = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) as number) * power;
  const first = Math.ceil(from / step - 1e-9), last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
};

/** "block 3 … block 9 (7)" of a long list, all of a short one. */
export const listed = (names: readonly string[], most = 3): string =>
  names.length <= most ? names.join(', ') : `${names[0] as string} … ${names.at(-1) as string} (${names.length})`;
