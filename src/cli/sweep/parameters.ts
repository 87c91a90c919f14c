/**
 * Parameters of a sweep's points: options of the command by their names (numCsx, batchSize, …), and constants of the machine by their paths (machine.swarmX.…).
 *
 *   parameters ─▶ texts of options ─parse, as from a terminal─▶ Options      machine, machine.… ─▶ MachineSpec
 *
 * Not here: what is done with them (evaluate.ts).
 */
import { constantsOf, machines, withOverride, type MachineSpec } from '../../index.js';
import { stat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Parameters } from '../../sweep/values.js';
import { pointOptions } from '../commands.js';
import { isFlag, isOption, parseOptions, type OptionName, type Options } from '../options.js';
import { machineOfOptions } from '../plan/job.js';

export type PointKind = 'plan' | 'train';

const machinePrefix = 'machine.';

/** Every path that a sweep of a kind knows. */
export const knownPaths = (kind: PointKind): readonly string[] => [...new Set([...pointOptions[kind], ...constantsOf(machines.wse2).map(({ path }) => machinePrefix + path)])];

export interface PointSettings {
  readonly options: Options;
  readonly machine: MachineSpec;
}

/** @throws InvalidConfig as from a terminal */
export const settingsOf = async (parameters: Parameters): Promise<PointSettings> => {
  const texts: Record<string, string | true> = {};
  for (const [path, value] of Object.entries(parameters)) {
    // A flag that is off is not given.
    if (isOption(path) && !(isFlag(path) && value === false)) texts[path] = isFlag(path) && value === true ? true : String(value);
  }
  const options = parseOptions(texts), changes = Object.entries(parameters).filter(([path]) => path.startsWith(machinePrefix));
  return { options, machine: changes.reduce((machine, [path, value]) => withOverride(machine, path.slice(machinePrefix.length), value), await machineOfOptions(options)) };
};

const fileOptions = new Set<OptionName>(['data', 'images', 'labels', 'config', 'weights', 'tokenizer', 'sparsity', 'machine']);

/** Names, sizes and times of change of what stands at a path; none where nothing does. */
const traceOf = async (path: string): Promise<readonly string[]> => {
  const found = await stat(path).catch(() => null);
  if (found === null) return [];
  if (!found.isDirectory()) return [`${path} ${found.size} ${found.mtimeMs}`];
  return (await Promise.all((await readdir(path)).toSorted().map((name) => traceOf(join(path, name))))).flat();
};

/** What the results of points depend on besides their parameters: the kind, the program's version, and the files that they name. */
export const contextOf = async (kind: PointKind, version: string, named: readonly Parameters[]): Promise<(parameters: Parameters) => string> => {
  const pathsIn = (parameters: Parameters): readonly string[] => Object.entries(parameters).flatMap(([name, value]) => (isOption(name) && fileOptions.has(name) ? [String(value)] : []));
  const paths = [...new Set(named.flatMap(pathsIn))], traces = new Map(await Promise.all(paths.map(async (path) => [path, await traceOf(path)] as const)));
  return (parameters) => JSON.stringify([kind, version, ...pathsIn(parameters).map((path) => traces.get(path) ?? [])]);
};
