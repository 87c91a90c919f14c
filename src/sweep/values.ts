/**
 * Values of a swept parameter: lists, and ranges written as text.
 *
 *   1,2,4 · wse2,wse3        these
 *   1..192*2                 1, 2, 4, … up to 192
 *   0..0.9+0.1               0, 0.1, … up to 0.9; each number is the decimal one, with nothing added up in binary
 *   1..4                     1, 2, 3, 4
 *
 * Not here: which parameters there are, what they mean, products of several (points.ts).
 */
import { InvalidConfig } from '../util/errors.js';

export type Value = number | string | boolean;
/** Parameters by their paths, such as numCsx or machine.swarmX.nodeLatencySeconds. */
export type Parameters = Readonly<Record<string, Value>>;

/** Most values of one parameter. */
export const valuesMax = 10_000;

const number = String.raw`[+-]?\d+(?:\.\d+)?(?:e[+-]?\d{1,3})?`;
/** Numbers as people write them; 007 is none. */
const plainNumber = /^[+-]?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d{1,3})?$/i;
const range = new RegExp(`^(${number})\\.\\.(${number})(?:([*+])(${number}))?$`, 'i');

/** units · 10^exponent, exactly. */
interface Decimal {
  readonly units: bigint;
  readonly exponent: number;
}

const decimalOf = (text: string): Decimal => {
  const [mantissa = '', power = '0'] = text.toLowerCase().split('e'), [whole = '', part = ''] = mantissa.split('.');
  return { units: BigInt(whole.replace('+', '') + part), exponent: Number(power) - part.length };
};
/** The units of a decimal at a smaller exponent. */
const at = ({ units, exponent }: Decimal, smaller: number): bigint => units * 10n ** BigInt(exponent - smaller);
const numberOf = ({ units, exponent }: Decimal): number => Number(`${units}e${exponent}`);
const compare = (a: Decimal, b: Decimal): number => {
  const exponent = Math.min(a.exponent, b.exponent), difference = at(a, exponent) - at(b, exponent);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
};
const sum = (a: Decimal, b: Decimal): Decimal => {
  const exponent = Math.min(a.exponent, b.exponent);
  return { units: at(a, exponent) + at(b, exponent), exponent };
};
const product = (a: Decimal, b: Decimal): Decimal => ({ units: a.units * b.units, exponent: a.exponent + b.exponent });

const one: Decimal = { units: 1n, exponent: 0 }, zero: Decimal = { units: 0n, exponent: 0 };
const rangeHint = 'write from..to*factor with a factor above 1, from..to+step with a step above 0, or from..to in steps of 1';

const tooMany = (path: string): InvalidConfig => new InvalidConfig({ what: `values of ${path}`, value: `more than ${valuesMax}`, limit: valuesMax, hint: 'take a larger step' });

const numbersOf = (path: string, text: string, [, from = '', to = '', operator = '+', by = '1']: RegExpExecArray): readonly number[] => {
  const refused = (what: string): InvalidConfig => new InvalidConfig({ what: `range of ${path}: ${what}`, value: text, hint: rangeHint });
  const last = decimalOf(to), step = decimalOf(by), isFactor = operator === '*', values: number[] = [];
  let value = decimalOf(from);
  if (compare(value, last) > 0) throw refused('it begins above its end');
  if (compare(step, isFactor ? one : zero) <= 0) throw refused('it does not rise');
  if (isFactor && compare(value, zero) <= 0) throw refused('with a factor it begins above 0');
  for (; compare(value, last) <= 0; value = isFactor ? product(value, step) : sum(value, step)) {
    if (values.length === valuesMax) throw tooMany(path);
    values.push(numberOf(value));
  }
  return values;
};

/** One value as it was written: numbers, true and false are such, anything else is text. */
const valueOf = (path: string, text: string): Value => {
  if (text === '') throw new InvalidConfig({ what: `an empty value of ${path}`, hint: 'leave it out' });
  return plainNumber.test(text) && Number.isFinite(Number(text)) ? Number(text) : text === 'true' ? true : text === 'false' ? false : text;
};

const itemValues = (path: string, text: string): readonly Value[] => {
  const found = range.exec(text);
  return found === null ? [valueOf(path, text)] : numbersOf(path, text, found);
};

const isValue = (given: unknown): given is Value => typeof given === 'string' || typeof given === 'boolean' || (typeof given === 'number' && Number.isFinite(given));

/** One value out of a file. @throws InvalidConfig for what is neither a number nor text, true or false */
export const singleValue = (path: string, given: unknown): Value => {
  if (!isValue(given)) throw new InvalidConfig({ what: `the value of ${path}`, value: given === undefined ? 'nothing' : given, limit: 'a number, text, true or false' });
  return typeof given === 'string' ? valueOf(path, given) : given;
};

/**
 * All values of a parameter: text with commas and ranges, a single value, or a list in which texts may be ranges.
 *
 * @throws InvalidConfig for ranges that do not rise, values twice, and more than `valuesMax`
 */
export const valuesOf = (path: string, given: unknown): readonly Value[] => {
  const items = Array.isArray(given) ? given : typeof given === 'string' ? given.split(',') : [given];
  const values = items.flatMap((item): readonly Value[] => (typeof item === 'string' ? itemValues(path, item.trim()) : [singleValue(path, item)]));
  if (values.length === 0) throw new InvalidConfig({ what: `${path} has no values`, hint: 'give it one, or leave it out' });
  if (values.length > valuesMax) throw tooMany(path);
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined) throw new InvalidConfig({ what: `${path} has a value twice`, value: twice, hint: 'leave one of them out' });
  return values;
};
