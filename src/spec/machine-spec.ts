/**
 * MachineSpec: one machine as plain numbers for whoever prices, with what is known of each number beside them.
 *
 * Not here: presets and machines of users (machine.ts), values (constants.ts, wafer.ts).
 */
import { InvalidConfig } from '../util/errors.js';
import type { GroupQuantities } from './constants.js';
import { groupNames, type Groups } from './groups.js';
import type { Kind, Quantity } from './quantity.js';
import type { WaferSpec } from './wafer.js';

export type About = Omit<Quantity, 'value'>;

export interface MachineSpec extends Groups {
  readonly name: string;
  readonly wafer: WaferSpec;
  /** Unit, kind, evidence and range of every constant of the groups, by path; the wafer's evidence stands with the wafer. */
  readonly about: Readonly<Record<string, About>>;
}

/** The wafer's numbers: unit, kind, and the range of the one that is a guess. */
export const waferFields = {
  coresPerWafer: { unit: 'tiles', kind: 'count' },
  rowsMax: { unit: 'tiles', kind: 'count' },
  colsMax: { unit: 'tiles', kind: 'count' },
  sramBytesPerTile: { unit: 'B', kind: 'count' },
  codeBytesPerTile: { unit: 'B', kind: 'amount', range: [4096, 16_384] },
  ioBytesPerSecond: { unit: 'B/s', kind: 'rate' },
  clockHz: { unit: 'Hz', kind: 'rate' },
} as const satisfies Readonly<Record<Exclude<keyof WaferSpec, 'name' | 'evidence'>, { readonly unit: string; readonly kind: Kind; readonly range?: readonly [number, number] }>>;
export type WaferField = keyof typeof waferFields;

const entries = <T extends object>(group: T): [string, T[keyof T]][] => Object.entries(group) as [string, T[keyof T]][];

/** Plain numbers out of quantities. */
export const assemble = (name: string, wafer: WaferSpec, groups: GroupQuantities): MachineSpec => {
  const about: Record<string, About> = {};
  const plain = groupNames.map((group) => [group, Object.fromEntries(entries<Readonly<Record<string, Quantity>>>({ ...groups[group] }).map(([field, { value, ...rest }]) => {
    about[`${group}.${field}`] = rest;
    return [field, value];
  }))] as const);
  return { name, wafer, ...(Object.fromEntries(plain) as unknown as Groups), about };
};

/** Relations between constants that hold on any machine. @throws InvalidConfig */
export const checkRelations = ({ name, wafer, core }: MachineSpec, where = name): void => {
  const refuse = (what: string, value: unknown, limit: unknown): never => {
    throw new InvalidConfig({ what, where, value, limit });
  };
  for (const field of ['sumBits', 'rowSumBits'] as const) if (core[field] !== 16 && core[field] !== 32) refuse(`field core.${field}`, core[field], '16 or 32');
  if (wafer.rowsMax * wafer.colsMax > wafer.coresPerWafer) refuse('tiles of the rectangle wafer.rowsMax × wafer.colsMax', wafer.rowsMax * wafer.colsMax, `${wafer.coresPerWafer}, the cores of the wafer`);
  if (wafer.codeBytesPerTile >= wafer.sramBytesPerTile) refuse('field wafer.codeBytesPerTile', wafer.codeBytesPerTile, `below the ${wafer.sramBytesPerTile} bytes of a tile`);
  if (!Number.isInteger(wafer.codeBytesPerTile)) refuse('field wafer.codeBytesPerTile', wafer.codeBytesPerTile, 'a whole number ≥ 0');
};
