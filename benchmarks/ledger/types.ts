/**
 * What a row of the ledger is: one public number about the machine, and how the project's model finds its own.
 *
 *   rows (one file a group, data + predict()) ─▶ check.ts ─▶ docs/ledger.json, docs/evidence.md        sources.ts: who says so
 *
 * A prediction comes from the public functions of src/ and the row's configuration; there is no constant for a single row. Not here: the rows, how they are compared.
 */
import type { SourceName } from './sources.js';

/** Measured on the machine or in its vendor's simulator · said by the vendor or the press · follows from such numbers by arithmetic. */
export type Kind = 'measurement' | 'claim' | 'derived';

/** The one who measured or made it says so, in a page that was read · read in another's text · read in a report of the press. */
export type Reading = 'first-hand' | 'secondary' | 'press';

/** How the model's number is held against the public one. `at least`: the machine is known to reach it; more is no error. `within`: a range of two ends. */
export type Relation = 'equal' | 'at least' | 'within';

export interface Described {
  /** Group and name, stable: `training/gpt-j-cs2-2023-11`. */
  readonly id: string;
  readonly what: string;
  readonly kind: Kind;
  readonly reading: Reading;
  readonly source: SourceName;
}

export interface LedgerRow extends Described {
  /** Model, batch, sequence, numbers, systems: what the prediction is made for. */
  readonly configuration?: string;
  readonly unit: string;
  readonly published: number | readonly [number, number];
  /** 'equal' unless given. */
  readonly relation?: Relation;
  /** The model's constants were fitted to this row; all others are held out. */
  readonly calibration?: boolean;
  readonly predict: () => number;
  /** Where the model is off, and why; or what to know of the row. */
  readonly word?: string;
}

/** A public number that the model cannot be held against. */
export interface ApartRow extends Described {
  readonly published: string;
  readonly reason: string;
}
