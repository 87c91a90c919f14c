/**
 * Results of points, and the file that keeps them: JSON lines, one behind the other, by keys.
 *
 *   {"format":1,"file":"waferstream sweep"}                                  first line: nothing else is taken for such a file, or changed
 *   {"key":"…","parameters":{…},"figures":{…},"crc":…}                       a point that was worked off
 *   {"key":"…","parameters":{…},"refusal":{"kind":…,"message":…},"crc":…}    a point that cannot be
 *
 * Results are written in one go and synced before anybody hears of them. Lines that a crash left damaged are taken out when the file is opened next, and their points are done
 * again. One sweep holds the folder. Not here: which points there are (points.ts), tables (table.ts).
 */
import { dirname } from 'node:path';
import * as v from 'valibot';
import { crc32 } from '../storage/crc.js';
import { readAll, replaceFile, type FileSystem } from '../storage/file-system.js';
import { CorruptFile, DoesNotFit, InvalidConfig, InvalidModel, NonFiniteLoss, NotEmulated } from '../util/errors.js';
import type { SweepPoint } from './points.js';

/** What a point found, by name; null: there is none. */
export type Figures = Readonly<Record<string, number | string | boolean | null>>;
export type PointResult = { readonly figures: Figures } | { readonly refusal: { readonly kind: string; readonly message: string } };

/** Errors that follow from a point's parameters: they will come again, so they are results. */
const refusals = [DoesNotFit, InvalidConfig, InvalidModel, NotEmulated, NonFiniteLoss];

/** An error as a result; null where it does not follow from the parameters. */
export const refusalOf = (error: unknown): PointResult | null =>
  error instanceof Error && refusals.some((kind) => error instanceof kind) ? { refusal: { kind: error.name, message: error.message.replaceAll(/\s*\n\s*/g, '; ') } } : null;

export interface ResultFile {
  /** By key. */
  readonly results: ReadonlyMap<string, PointResult>;
  /** Lines that were damaged and taken out. */
  readonly damaged: number;
  /** Returns when the disk has them. */
  append(done: readonly (readonly [SweepPoint, PointResult])[]): void;
  close(): void;
}

export const resultsName = 'results.jsonl';
const head = JSON.stringify({ format: 1, file: 'waferstream sweep' });

const figure = v.union([v.pipe(v.number(), v.finite()), v.string(), v.boolean(), v.null()]);
const common = { key: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)), parameters: v.record(v.string(), v.union([v.number(), v.string(), v.boolean()])) };
const crc = v.number();
const schema = v.union([
  v.strictObject({ ...common, figures: v.record(v.string(), figure), crc }),
  v.strictObject({ ...common, refusal: v.strictObject({ kind: v.string(), message: v.string() }), crc }),
]);

const crcOf = (text: string): number => crc32(Buffer.from(text));

/** JSON has no such numbers, and no text may pass for one. */
const plain = (result: PointResult): PointResult =>
  'figures' in result ? { figures: Object.fromEntries(Object.entries(result.figures).map(([name, value]) => [name, typeof value === 'number' && !Number.isFinite(value) ? null : value])) } : result;

const lineOf = ({ key, parameters }: SweepPoint, result: PointResult): string => {
  const line = { key, parameters, ...result };
  return JSON.stringify({ ...line, crc: crcOf(JSON.stringify(line)) });
};

/** Null for a line that is damaged. */
const parseLine = (text: string): readonly [key: string, PointResult] | null => {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return null;
  }
  const { success, output } = v.safeParse(schema, data);
  if (!success) return null;
  const { crc: said, ...line } = output;
  return crcOf(JSON.stringify(line)) === said ? [line.key, 'figures' in line ? { figures: line.figures } : { refusal: line.refusal }] : null;
};

/**
 * The results in a folder, which is made where it is not there and held until `close`.
 *
 * @throws InvalidConfig where another sweep holds it, CorruptFile for a file of another kind, StorageFailed
 */
export const openResults = (fs: FileSystem, folder: string): ResultFile => {
  const path = `${folder}/${resultsName}`;
  if (fs.kind(folder) === null) {
    fs.makeFolder(folder);
    fs.syncFolder(dirname(folder));
  }
  const lock = fs.lock(folder);
  try {
    if (fs.kind(path) === null) replaceFile(fs, folder, resultsName, Buffer.from(`${head}\n`));
    const text = Buffer.from(readAll(fs, path)).toString('utf8'), [first, ...lines] = text.split('\n');
    if (first !== head) throw new CorruptFile({ what: 'no results of a sweep', where: path, hint: 'choose another folder' });
    // Behind the last line break stands nothing, or a beginning of a line.
    const torn = lines.pop() ?? '', parsed = lines.map(parseLine), damaged = parsed.filter((line) => line === null).length + (torn === '' ? 0 : 1);
    const results = new Map(parsed.filter((line) => line !== null));
    if (damaged > 0) replaceFile(fs, folder, resultsName, Buffer.from([head, ...lines.filter((_, i) => parsed[i] !== null), ''].join('\n')));
    const file = fs.open(path, 'write');
    let at = file.size();
    return {
      results,
      damaged,
      append(done) {
        const kept = done.map(([point, result]) => [point, plain(result)] as const), bytes = Buffer.from(kept.map(([point, result]) => `${lineOf(point, result)}\n`).join(''));
        file.write(bytes, at);
        file.sync();
        at += bytes.length;
        for (const [{ key }, result] of kept) results.set(key, result);
      },
      close() {
        file.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
};

/** Results that nothing keeps. */
export const transientResults = (): ResultFile => {
  const results = new Map<string, PointResult>();
  return {
    results,
    damaged: 0,
    append(done) {
      for (const [{ key }, result] of done) results.set(key, plain(result));
    },
    close() {},
  };
};
