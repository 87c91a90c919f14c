/**
 * A sweep out of a file, YAML or JSON.
 *
 *   kind: plan | train
 *   base: { model: gpt3-175b, batchSize: 4096 }, or the path of a file that holds such a block
 *   grid: { numCsx: 1..192*2, sparsity: [0, 0.5, 0.9] }            every combination
 *   list: [{ layers: 24, dim: 2048 }, { layers: 32, dim: 4096 }],  entry by entry; or { layers: [24, 32], dim: [2048, 4096] }
 *
 * Blocks inside blocks are paths: machine: { swarmX: { … } } is machine.swarmX. … Not here: which parameters there are.
 */
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { isObject, shown, type JsonObject } from '../formats/json.js';
import { readYaml } from '../formats/yaml.js';
import { InvalidConfig } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { zipped, type Axis, type SweepSpec } from './points.js';
import { singleValue, valuesOf, type Parameters } from './values.js';

export interface SweepFile extends SweepSpec {
  readonly kind?: 'plan' | 'train';
}

const keys = ['kind', 'base', 'grid', 'list'] as const;
const depthMax = 8;

const invalid = (where: string, what: string, value: unknown, limit: string): InvalidConfig => new InvalidConfig({ what, where, value: value === undefined ? 'nothing' : shown(value), limit });

/** Leaves by their paths. */
const flat = (where: string, block: JsonObject, before = '', depth = 0): readonly (readonly [string, unknown])[] => {
  if (depth > depthMax) throw invalid(where, `blocks in ${before}`, depth, `${depthMax} inside each other`);
  return Object.entries(block).flatMap(([key, value]) => (isObject(value) ? flat(where, value, `${before}${key}.`, depth + 1) : [[`${before}${key}`, value] as const]));
};

const blockOf = (where: string, name: string, value: unknown): JsonObject => {
  if (!isObject(value)) throw invalid(where, `field ${name}`, value, 'parameters and their values');
  return value;
};
const parametersOf = (where: string, name: string, value: unknown): Parameters => Object.fromEntries(flat(where, blockOf(where, name, value)).map(([path, given]) => [path, singleValue(path, given)]));
const axesOf = (where: string, name: string, value: unknown): readonly Axis[] => flat(where, blockOf(where, name, value)).map(([path, given]) => ({ path, values: valuesOf(path, given) }));

const listOf = (where: string, value: unknown): readonly Parameters[] => {
  if (!Array.isArray(value)) return zipped(axesOf(where, 'list', value));
  return value.map((entry, i) => parametersOf(where, `list[${i}]`, entry));
};

/** A base that is named by its file, which lies beside the sweep's. */
const baseOf = async (where: string, value: unknown): Promise<Parameters> => {
  if (typeof value !== 'string') return parametersOf(where, 'base', value);
  const path = resolve(dirname(where), value);
  return parametersOf(path, 'the whole of it', await readYaml(path));
};

/** @throws InvalidConfig, CorruptFile */
export const readSweep = async (path: string): Promise<SweepFile> => {
  const data = blockOf(path, 'the whole of it', await readYaml(path));
  const unknown = Object.keys(data).find((key) => !keys.some((known) => known === key));
  if (unknown !== undefined) throw new InvalidConfig({ what: `field ${unknown}`, where: path, limit: keys.join(', '), hint: `did you mean ${nearest(unknown, keys)}?` });
  const kind = v.safeParse(v.optional(v.picklist(['plan', 'train'])), data['kind'] ?? undefined);
  if (!kind.success) throw invalid(path, 'field kind', data['kind'], 'plan or train');
  return {
    ...(kind.output === undefined ? {} : { kind: kind.output }),
    base: data['base'] === undefined ? {} : await baseOf(path, data['base']),
    grid: data['grid'] === undefined ? [] : axesOf(path, 'grid', data['grid']),
    list: data['list'] === undefined ? [] : listOf(path, data['list']),
  };
};
