/** Writes reports and traces: gathers what a page shows of a work on a machine. Not here: pages and traces (report/), prices (timing/). */
import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { constantsOf, InvalidConfig, roofline, spansOf, type MachineSpec, type Price, type RunRecord, type Work } from '../index.js';
import { reportHtml } from '../report/html.js';
import type { ReportInput } from '../report/input.js';
import { flagOf, type OptionName, type Options } from './options.js';

export interface ReportOf {
  readonly title: string;
  readonly work: Work;
  readonly price: Price;
  readonly machine: MachineSpec;
  readonly record?: RunRecord;
  readonly scaling?: ReportInput['scaling'];
  readonly sparsity?: ReportInput['sparsity'];
  readonly sweep?: ReportInput['sweep'];
}

/** Whether a file can be written where an option says, before anything long begins. @throws InvalidConfig */
export const checkFilePlace = async (options: Options, name: Extract<OptionName, 'report' | 'trace' | 'csv'>): Promise<void> => {
  const path = options[name];
  if (path === undefined) return;
  const refused = (what: string, cause?: unknown): InvalidConfig => new InvalidConfig({ what: `option ${flagOf(name)}: ${what}`, value: path, hint: 'check the path' }, { cause });
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() === true) throw refused('a folder stands there');
  try {
    await access(found === null ? dirname(path) : path, constants.W_OK);
  } catch (cause) {
    throw refused('nothing can be written there', cause);
  }
};

/** @throws InvalidConfig where it cannot be written */
export const writeText = async (path: string, text: string | Iterable<string>): Promise<void> => {
  await writeFile(path, text).catch((cause: unknown) => {
    throw new InvalidConfig({ what: 'the file cannot be written', where: path, hint: `check the path (${cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)})` }, { cause });
  });
};

/** Passes against the bytes that cross the wafer's edge. */
const rooflineOf = (work: Work, machine: MachineSpec): ReportInput['roofline'] => {
  const points = roofline(work, machine);
  return {
    points: points.map(({ op, phase, intensity, achieved, attainable }) => ({ name: op, phase, intensity: intensity.edge ?? Infinity, achieved, attainable: attainable.edge })),
    peakFlops: points[0]?.peak ?? 0, bytesPerSecond: machine.wafer.ioBytesPerSecond,
  };
};

export const writeReport = (path: string, { title, work, price, machine, ...more }: ReportOf): Promise<void> =>
  writeText(path, reportHtml({ title, work, price, spans: spansOf(work, machine), roofline: rooflineOf(work, machine), machine: constantsOf(machine), ...more }));
