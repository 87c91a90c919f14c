/**
 * Wafer presets: each hardware number of a wafer once, with unit and evidence; relations are asserted on load.
 *
 * Read by the compiler (rectangles, SRAM) and by whatever prices a record. Not here: times or energies of actions.
 */
import { InvalidConfig, assert } from '../util/errors.js';
import { KiB } from '../util/units.js';
import type { Evidence } from './quantity.js';

export interface WaferSpec {
  readonly name: string;
  readonly coresPerWafer: number;
  /** Largest rectangle of tiles that a program can use. */
  readonly rowsMax: number;
  readonly colsMax: number;
  readonly sramBytesPerTile: number;
  /** SRAM set aside for the tile's program and tables. */
  readonly codeBytesPerTile: number;
  /** One direction of the system's I/O, bytes a second. */
  readonly ioBytesPerSecond: number;
  readonly clockHz: number;
  readonly evidence: Readonly<Record<string, Evidence>>;
}

const published = (source: string): Evidence => ({ trust: 'published', source });

const wse = (name: string, cores: number, cols: number, rows: number, clockHz: number, rectangle: Evidence, clock: Evidence): WaferSpec => ({
  name,
  coresPerWafer: cores,
  rowsMax: rows,
  colsMax: cols,
  sramBytesPerTile: 48 * KiB,
  codeBytesPerTile: 8 * KiB,
  ioBytesPerSecond: 1.2e12 / 8,
  clockHz,
  evidence: {
    coresPerWafer: published(`${name} data sheet`),
    rowsMax: rectangle,
    colsMax: rectangle,
    sramBytesPerTile: published('vendor documentation: 48 KiB a core in 8 banks'),
    codeBytesPerTile: { trust: 'guess', source: 'room for a dozen task programs and route tables; no published figure' },
    ioBytesPerSecond: published('12 × 100 GbE a system'),
    clockHz: clock,
  },
});

/** The presets, by generation. */
export const specs = {
  wse1: wse('WSE-1', 400_000, 602, 595, 0.9e9, { trust: 'secondary', source: 'fabric as given to the vendor tools' }, { trust: 'derived', source: 'published totals' }),
  wse2: wse('WSE-2', 850_000, 750, 994, 0.85e9, published('usable rectangle of the vendor tools'), published('every vendor tool and paper measurement; slides say 1.1 GHz')),
  wse3: wse('WSE-3', 900_000, 755, 1170, 0.875e9, { trust: 'derived', source: 'fabric 762 × 1172 less the edge' }, published('vendor data sheet')),
  /** Small and round, for tests and teaching: no real machine. */
  toy: {
    name: 'toy', coresPerWafer: 64, rowsMax: 8, colsMax: 8, sramBytesPerTile: 48 * KiB, codeBytesPerTile: 8 * KiB, ioBytesPerSecond: 1e9, clockHz: 1e9,
    evidence: Object.fromEntries(['coresPerWafer', 'rowsMax', 'colsMax', 'sramBytesPerTile', 'codeBytesPerTile', 'ioBytesPerSecond', 'clockHz'].map((field): [string, Evidence] => [field, { trust: 'chosen', source: 'round, for tests and teaching' }])),
  } satisfies WaferSpec as WaferSpec,
} as const;

/** What travels beside a stored weight, so that its core knows which activations it meets: 16 bits (a sparse packet is a 16-bit value and a 16-bit index). */
export const sparsePacket = { indexBytes: 2 } as const;

/** Most systems in a cluster (announcement of August 2021). */
export const numCsxMax = 192;

for (const spec of Object.values(specs)) {
  assert(spec.rowsMax * spec.colsMax <= spec.coresPerWafer, `${spec.name}: the usable rectangle has no more tiles than the wafer has cores`);
  assert(spec.codeBytesPerTile < spec.sramBytesPerTile, `${spec.name}: code fits a tile`);
}

/** Checks a spec that a user wrote. @throws InvalidConfig */
export const checkSpec = (spec: WaferSpec): void => {
  for (const field of ['rowsMax', 'colsMax', 'sramBytesPerTile', 'codeBytesPerTile'] as const) {
    if (!Number.isInteger(spec[field]) || spec[field] < 0) throw new InvalidConfig({ what: `${field} of wafer spec ${spec.name}`, value: spec[field], limit: 'a whole number ≥ 0' });
  }
};
