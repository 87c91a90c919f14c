/**
 * Machines: the presets, and those that a user describes by what is different from one.
 *
 *   machines.wse2 ─withOverride()─▶ MachineSpec            { base: 'wse2', swarmX: { nodeLatencySeconds: 2e-6 } } ─machineOf()─▶ MachineSpec
 *
 * Fields that nobody knows are refused by name, values outside what is possible too; nothing is clamped. Not here: reading files (formats/machine-file.ts).
 */
import { InvalidConfig, assert } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { toyGroups, wse1Groups, wse2Groups, wse3Groups } from './constants.js';
import { groupNames, type Groups } from './groups.js';
import { assemble, checkRelations, waferFields, type About, type MachineSpec, type WaferField } from './machine-spec.js';
import { expected, type Constant } from './quantity.js';
import { specs } from './wafer.js';

export type { MachineSpec } from './machine-spec.js';

/** The presets: a cluster of systems of each generation, and a small round one. */
export const machines = {
  wse1: assemble('WSE-1', specs.wse1, wse1Groups),
  wse2: assemble('WSE-2', specs.wse2, wse2Groups),
  wse3: assemble('WSE-3', specs.wse3, wse3Groups),
  toy: assemble('toy', specs.toy, toyGroups),
} as const satisfies Readonly<Record<string, MachineSpec>>;
export type MachineName = keyof typeof machines;
export const machineNames = Object.keys(machines) as readonly MachineName[];

const isWaferField = (field: string): field is WaferField => Object.hasOwn(waferFields, field);
const isGroup = (name: string): name is keyof Groups => groupNames.some((group) => group === name);
const groupOf = (machine: MachineSpec, group: string): Readonly<Record<string, number>> | null =>
  isGroup(group) ? { ...machine[group] } : group === 'wafer' ? Object.fromEntries(Object.keys(waferFields).map((field) => [field, machine.wafer[field as WaferField]])) : null;
const aboutOf = (machine: MachineSpec, group: string, field: string): About | null => {
  if (group !== 'wafer') return machine.about[`${group}.${field}`] ?? null;
  const evidence = machine.wafer.evidence[field];
  if (!isWaferField(field)) return null;
  const { range, ...rest }: { readonly range?: readonly [number, number] } & Pick<About, 'unit' | 'kind'> = waferFields[field];
  return { ...rest, trust: evidence?.trust ?? 'chosen', source: evidence?.source ?? 'not said', ...(range === undefined || evidence?.trust !== 'guess' ? {} : { range }) };
};

/** Every constant of a machine with unit and evidence, the wafer's first. */
export const constantsOf = (machine: MachineSpec): Constant[] =>
  (['wafer', ...groupNames] as const).flatMap((group) => Object.entries(groupOf(machine, group) ?? {}).map(([field, value]): Constant => {
    const about = aboutOf(machine, group, field);
    assert(about !== null, `${group}.${field} has its evidence`);
    return { path: `${group}.${field}`, value, ...about };
  }));

/** A change, checked by itself: relations are checked when all of them are made. */
interface Change {
  readonly group: string;
  readonly field: string;
  readonly value: number;
}

const didYouMean = (name: string, known: readonly string[]): { readonly hint?: string } => {
  const near = nearest(name, known);
  return near === null ? {} : { hint: `did you mean ${near}?` };
};

const unknownField = (path: string, name: string, value: unknown, known: readonly string[], where: string, prefix = ''): InvalidConfig =>
  new InvalidConfig({ what: `field ${path} is unknown`, where, value: value === undefined ? 'nothing' : value, limit: known.join(', '), ...(nearest(name, known) === null ? {} : { hint: `did you mean ${prefix}${nearest(name, known) as string}?` }) });

const checked = (machine: MachineSpec, group: string, field: string, value: unknown, where: string): Change => {
  const fields = groupOf(machine, group), path = `${group}.${field}`;
  if (fields === null) throw unknownField(path, group, value, ['wafer', ...groupNames], where);
  if (!Object.hasOwn(fields, field)) throw unknownField(path, field, value, Object.keys(fields), where, `${group}.`);
  const limit = expected(aboutOf(machine, group, field)?.kind ?? 'amount', value);
  if (limit !== null) throw new InvalidConfig({ what: `field ${path}`, where, value: value === undefined ? 'nothing' : value, limit });
  return { group, field, value: value as number };
};

const withChanges = (machine: MachineSpec, name: string, changes: readonly Change[], where: string): MachineSpec => {
  const evidence = { trust: 'chosen', source: `set in ${where}` } as const;
  const about: Record<string, About> = { ...machine.about }, waferEvidence = { ...machine.wafer.evidence };
  const groups: Record<string, Record<string, number>> = {};
  for (const { group, field, value } of changes) {
    (groups[group] ??= {})[field] = value;
    if (group === 'wafer') waferEvidence[field] = evidence;
    else {
      const { range: _, ...before } = about[`${group}.${field}`] as About;
      about[`${group}.${field}`] = { ...before, ...evidence };
    }
  }
  const plain = Object.fromEntries(groupNames.map((group) => [group, { ...machine[group], ...groups[group] }])) as unknown as Groups;
  const made: MachineSpec = { name, wafer: { ...machine.wafer, ...groups.wafer, evidence: waferEvidence }, ...plain, about };
  checkRelations(made, where);
  return made;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A machine out of plain data: `base`, a preset (wse2 unless given), `name`, and by group the fields that are different. `where` names it in errors.
 * @throws InvalidConfig for a field that nobody knows, with the nearest one, and for a value that is not possible
 */
export const machineOf = (data: unknown, where: string): MachineSpec => {
  if (!isObject(data)) throw new InvalidConfig({ what: 'not a description of a machine', where, value: data === undefined ? 'nothing' : data, limit: `an object of base, name, wafer, ${groupNames.join(', ')}` });
  const { base = 'wse2', name, ...groups } = data;
  if (typeof base !== 'string' || !Object.hasOwn(machines, base)) throw new InvalidConfig({ what: 'field base', where, value: base, limit: machineNames.join(', '), ...didYouMean(String(base), machineNames) });
  const preset = machines[base as MachineName];
  if (name !== undefined && (typeof name !== 'string' || name.trim() === '')) throw new InvalidConfig({ what: 'field name', where, value: name, limit: 'a name' });
  const changes = Object.entries(groups).flatMap(([group, fields]): Change[] => {
    if (groupOf(preset, group) === null) throw unknownField(group, group, fields, ['base', 'name', 'wafer', ...groupNames], where);
    if (!isObject(fields)) throw new InvalidConfig({ what: `field ${group}`, where, value: fields, limit: `an object of ${Object.keys(groupOf(preset, group) ?? {}).join(', ')}` });
    return Object.entries(fields).map(([field, value]) => checked(preset, group, field, value, where));
  });
  return withChanges(preset, name ?? (changes.length === 0 ? preset.name : `${preset.name}, changed`), changes, where);
};

/** The machine with one constant changed: `withOverride(machines.wse2, 'swarmX.nodeLatencySeconds', 2e-6)`. @throws InvalidConfig as `machineOf` */
export const withOverride = (machine: MachineSpec, path: string, value: unknown): MachineSpec => {
  const [group = '', field = '', ...rest] = path.split('.');
  const where = `override of ${machine.name}`;
  if (rest.length > 0 || field === '') throw unknownField(path, path, value, constantsOf(machine).map((constant) => constant.path), where);
  return withChanges(machine, `${machine.name}, ${path} = ${String(value)}`, [checked(machine, group, field, value, where)], where);
};

for (const [preset, machine] of Object.entries(machines)) {
  const { core, energy, wafer } = machine;
  checkRelations(machine);
  assert(constantsOf(machine).every(({ kind, value, trust, range }) => expected(kind, value) === null && (range === undefined ? trust !== 'guess' : range[0] <= value && value <= range[1])), `constants of ${preset} are possible, and guesses lie in their ranges`);
  const busyCycle = core.macsPerCycleFp16 * energy.macFp16Joules + (core.sramReadBytesPerCycle + core.sramWriteBytesPerCycle) * energy.sramByteJoules + energy.waveletHopJoules + energy.taskJoules;
  assert(busyCycle * wafer.clockHz <= energy.corePeakWatts, `${preset}: what a busy core does in a cycle stays within its peak power`);
}
