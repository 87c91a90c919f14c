/**
 * Options: their flags, their help, and what each accepts. Every value is parsed strictly, and a refusal names its option.
 *
 * Not here: defaults and what options mean together (setup.ts).
 */
import type { Command, OptionValues } from 'commander';
import * as v from 'valibot';
import { InvalidConfig } from '../index.js';

const whole = (low: number, high: number) =>
  v.pipe(v.string(), v.check((text) => /^\d{1,16}$/.test(text) && Number(text) >= low && Number(text) <= high, `a whole number from ${low} to ${high}`), v.transform(Number));

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const real = (low: number, high: number, limit: string) =>
  v.pipe(v.string(), v.check((text) => decimal.test(text) && Number(text) >= low && Number(text) <= high, limit), v.transform(Number));

const oneOf = <const T extends readonly string[]>(choices: T) => v.picklist(choices, choices.join(', '));
const path = v.pipe(v.string(), v.minLength(1, 'a path'));
const threads = v.union([v.literal('auto'), whole(1, 256)], 'auto, or a whole number from 1 to 256');

const size = whole(1, 2 ** 20);

/** Name (as commander gives it) → flag, help, schema of the text. */
const table = {
  data: { flag: '--data <path>', help: 'text file, folder of text, or folder with IDX training files', schema: path },
  images: { flag: '--images <path>', help: 'IDX file of images (.gz or plain), with --labels', schema: path },
  labels: { flag: '--labels <path>', help: 'IDX file of labels, with --images', schema: path },
  model: { flag: '--model <name>', help: 'byte-lm or mlp; by the kind of data unless given', schema: oneOf(['byte-lm', 'mlp']) },
  hidden: { flag: '--hidden <n>', help: 'features of each hidden layer', schema: size },
  layers: { flag: '--layers <n>', help: 'hidden layers', schema: whole(0, 256) },
  embed: { flag: '--embed <n>', help: 'numbers that stand for one byte (byte-lm)', schema: size },
  context: { flag: '--context <n>', help: 'bytes that the model sees (byte-lm)', schema: size },
  batchSize: { flag: '--batch-size <n>', help: 'samples of a step, over all CS-2', schema: whole(1, 2 ** 26) },
  microBatchSize: { flag: '--micro-batch-size <n>', help: 'samples that one CS-2 works on at a time', schema: whole(1, 2 ** 26) },
  optimizer: { flag: '--optimizer <name>', help: 'sgd, adam or adamw', schema: oneOf(['sgd', 'adam', 'adamw']) },
  learningRate: { flag: '--learning-rate <x>', help: 'learning rate, or the peak of its schedule', schema: real(0, 1e6, 'a number from 0 to 1e6') },
  momentum: { flag: '--momentum <x>', help: 'momentum (sgd)', schema: real(0, 1e6, 'a number from 0 to 1e6') },
  nesterov: { flag: '--nesterov', help: 'Nesterov momentum (sgd)', schema: v.literal(true) },
  weightDecay: { flag: '--weight-decay <x>', help: 'weight decay', schema: real(0, 1e6, 'a number from 0 to 1e6') },
  schedule: { flag: '--schedule <name>', help: 'constant, warmup or cosine', schema: oneOf(['constant', 'warmup', 'cosine']) },
  warmupSteps: { flag: '--warmup-steps <n>', help: 'steps in which the learning rate rises (warmup, cosine)', schema: whole(0, 2 ** 30) },
  steps: { flag: '--steps <n>', help: 'optimizer steps', schema: whole(1, 2 ** 30) },
  numCsx: { flag: '--num-csx <n>', help: 'CS-2 systems', schema: whole(1, 192) },
  rows: { flag: '--rows <n>', help: 'rows of tiles of each wafer, with --cols; the smallest that fits unless given', schema: size },
  cols: { flag: '--cols <n>', help: 'columns of tiles of each wafer, with --rows', schema: size },
  threads: { flag: '--threads <n>', help: 'worker threads, or auto', schema: threads },
  dispatcher: { flag: '--dispatcher <name>', help: 'thread or local', schema: oneOf(['thread', 'local']) },
  kernels: { flag: '--kernels <name>', help: 'auto, simd128 (no revectorizer) or twin (plain scalar code)', schema: oneOf(['auto', 'simd128', 'twin']) },
  seed: { flag: '--seed <n>', help: 'keys every random number', schema: whole(0, Number.MAX_SAFE_INTEGER) },
  json: { flag: '--json', help: 'JSON lines: one a step, and a summary', schema: v.literal(true) },
} as const;

export type OptionName = keyof typeof table;
/** What was given, and only that. */
export type Options = { readonly [K in OptionName]?: v.InferOutput<(typeof table)[K]['schema']> };

const names = Object.keys(table) as OptionName[];

/** `--learning-rate` of 'learningRate'. */
export const flagOf = (name: OptionName): string => table[name].flag.split(' ')[0] ?? name;

export const addOptions = (command: Command, leftOut: readonly OptionName[]): void => {
  for (const name of names) if (!leftOut.includes(name)) command.option(table[name].flag, table[name].help);
};

/** @throws InvalidConfig naming the first option whose value is refused. */
export const parseOptions = (given: OptionValues): Options => {
  const parsed: Partial<Record<OptionName, unknown>> = {};
  for (const name of names) {
    const value: unknown = given[name];
    if (value === undefined) continue;
    const result = v.safeParse(table[name].schema, value);
    if (!result.success) throw new InvalidConfig({ what: `option ${flagOf(name)}`, value, limit: result.issues[0].message });
    parsed[name] = result.output;
  }
  return parsed as Options;
};
