/**
 * state.json: all of a training's state but its tensors, and the checksums of every file beside it.
 *
 *   { "format": 1, "step": 120, "seed": …, …, "files": [{ name, bytes, crc32, header, tensors: [{ name, crc32 }] }],
 *     "crc32": "…" }      of every byte before this line
 *
 * Numbers that JSON lacks (NaN, infinities, −0) stand as text where a loss may be one. Not here: files of tensors (write.ts, read.ts).
 */
import * as v from 'valibot';
import { crc32 } from '../../storage/crc.js';
import { CorruptFile, InvalidConfig } from '../../util/errors.js';
import { parseJsonObject, shown } from '../json.js';
import { crcText } from './checksum.js';

/** The version of the format. */
export const checkpointFormat = 1;

const count = v.pipe(v.number('a whole number from 0'), v.safeInteger('a whole number from 0'), v.minValue(0, 'a whole number from 0'));
const name = v.string('a name');
const oddNumbers: readonly string[] = ['NaN', 'Infinity', '-Infinity', '-0'];
const real = v.pipe(v.union([v.number(), v.nan(), v.picklist(oddNumbers)], 'a number'), v.transform(Number));
const crc = v.pipe(v.string('eight hexadecimal digits'), v.regex(/^[0-9a-f]{8}$/, 'eight hexadecimal digits'));
const plain = v.pipe(v.unknown(), v.check((value) => value !== undefined, 'plain data or null'));
const keys = <E extends v.ObjectEntries>(entries: E) => v.strictObject(entries, `an object of ${Object.keys(entries).join(', ')}`);
const listOf = <T extends v.GenericSchema>(item: T) => v.pipe(v.array(item, 'a list'), v.readonly());

const evaluation = keys({ step: count, loss: real, perplexity: real, batches: count });
const training = {
  step: count, seed: count, batchSize: count, samplesSeen: count, numericsVersion: count,
  model: keys({ name, parameters: listOf(keys({ name, shape: listOf(count) })) }),
  optimizer: plain,
  clipNorm: v.nullable(v.pipe(v.number('a number or null'), v.finite('a number or null'))),
  sparsity: plain, precision: plain, lossScaling: plain,
  evaluations: listOf(evaluation),
  losses: v.nullable(listOf(real)),
};
const file = keys({ name, bytes: count, crc32: crc, header: crc, tensors: listOf(keys({ name, crc32: crc })) });
const schema = keys({ format: v.literal(checkpointFormat), ...training, files: listOf(file), crc32: crc });

/** Anything that JSON holds: null, true, false, finite numbers but −0, text, lists, objects. */
export type PlainData = unknown;

/** All of a training's state but its tensors. */
export interface CheckpointState {
  /** Steps done. */
  readonly step: number;
  readonly seed: number;
  readonly batchSize: number;
  /** Position in the data: samples of all steps so far. */
  readonly samplesSeen: number;
  /** Of docs/numerics.md: other versions give other bits. */
  readonly numericsVersion: number;
  readonly model: { readonly name: string; readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[] };
  /** With its schedule. */
  readonly optimizer: PlainData;
  readonly clipNorm: number | null;
  readonly sparsity: PlainData;
  readonly precision: PlainData;
  readonly lossScaling: PlainData;
  readonly evaluations: readonly { readonly step: number; readonly loss: number; readonly perplexity: number; readonly batches: number }[];
  /** Of every step so far; null where they are not kept. */
  readonly losses: readonly number[] | null;
}

/** A file of tensors as state.json lists it. CRC-32 in eight hexadecimal digits. */
export interface ListedFile {
  readonly name: string;
  readonly bytes: number;
  /** Of the whole file. */
  readonly crc32: string;
  /** Of its header: all bytes before the first tensor. */
  readonly header: string;
  /** In the order of their data. */
  readonly tensors: readonly { readonly name: string; readonly crc32: string }[];
}

const encoded = (value: number): number | string => (Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? '-0' : String(value));

/** The first place in a value that JSON would not give back, or null. */
const lostBy = (value: unknown, path: string): string | null => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? null : path;
  if (typeof value !== 'object') return path;
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) return path;
  if (Object.hasOwn(value, '__proto__')) return path;
  for (const [key, inner] of Object.entries(value)) {
    const lost = lostBy(inner, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
    if (lost !== null) return lost;
  }
  return null;
};

/** Refuses what the file could not give back, before a run begins. @throws InvalidConfig naming the field */
export const checkCheckpointState = (state: CheckpointState): void => {
  for (const field of ['optimizer', 'sparsity', 'precision', 'lossScaling'] as const) {
    const lost = lostBy(state[field], field);
    if (lost !== null) throw new InvalidConfig({ what: `field ${lost} of a checkpoint's state`, value: String(lost), limit: 'plain data: null, booleans, finite numbers, text, lists, objects', hint: 'describe it by plain data; a function cannot be saved' });
  }
  const result = v.safeParse(v.object(training), state);
  if (!result.success) throw new InvalidConfig({ what: `field ${v.getDotPath(result.issues[0]) ?? ''} of a checkpoint's state`, value: shown(result.issues[0].input), limit: result.issues[0].message });
};

/** Bytes from the comma before the checksum to the end. */
const tailOf = (crc: number): string => `,\n  "crc32": "${crcText(crc)}"\n}\n`;
const tailBytes = tailOf(0).length;

/** The bytes of state.json. @throws InvalidConfig for what it cannot hold */
export const encodeState = (state: CheckpointState, files: readonly ListedFile[]): Uint8Array => {
  checkCheckpointState(state);
  const { step, seed, batchSize, samplesSeen, numericsVersion, model, optimizer, clipNorm, sparsity, precision, lossScaling } = state;
  const evaluations = state.evaluations.map(({ step: at, loss, perplexity, batches }) => ({ step: at, loss: encoded(loss), perplexity: encoded(perplexity), batches }));
  const losses = state.losses === null ? null : state.losses.map(encoded);
  const fields = { format: checkpointFormat, step, seed, batchSize, samplesSeen, numericsVersion, model, optimizer, clipNorm, sparsity, precision, lossScaling, evaluations, losses, files };
  // A line a field, so that people can read it and long lists stay on one line.
  const body = `{\n${Object.entries(fields).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(',\n')}`;
  const bytes = new TextEncoder().encode(body);
  return Buffer.concat([bytes, new TextEncoder().encode(tailOf(crc32(bytes)))]);
};

/** State and files of the bytes of state.json. @throws CorruptFile naming path and field */
export const decodeState = (bytes: Uint8Array, path: string): { readonly state: CheckpointState; readonly files: readonly ListedFile[] } => {
  const body = bytes.subarray(0, Math.max(0, bytes.length - tailBytes)), expected = tailOf(crc32(body));
  const tail = Buffer.from(bytes.subarray(body.length)).toString('latin1');
  if (tail !== expected) throw new CorruptFile({ what: 'field crc32: the file is not what was written', where: path, value: shown(tail), limit: shown(expected), hint: 'go back to an older checkpoint, or to a copy' });
  const value = parseJsonObject(bytes, path);
  if (value['format'] !== checkpointFormat) throw new CorruptFile({ what: 'field format: a checkpoint of another format', where: path, value: shown(value['format']), limit: checkpointFormat, hint: 'use the version of waferstream that wrote it' });
  const result = v.safeParse(schema, value);
  if (!result.success) {
    const [issue] = result.issues;
    throw new CorruptFile({ what: `field ${v.getDotPath(issue) ?? ''}`, where: path, value: shown(issue.input), limit: issue.message, hint: 'go back to an older checkpoint, or to a copy' });
  }
  const { format: _, files, crc32: __, ...state } = result.output;
  return { state, files };
};
