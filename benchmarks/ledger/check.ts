/**
 * Recomputes the ledger and compares it with what docs/ledger.json states.
 *
 *   rows ─stateRow()─▶ rounded prediction and error ─problemsOf(stated)─▶ what is no longer true
 *
 * Predictions are kept to 5 digits and errors to hundredths of a percent: a model that moves by less says the same. Not here: the rows, files (main.ts), the page (page.ts).
 */
import type { ApartRow, LedgerRow, Relation } from './types.js';
import { sources, type Source, type SourceName } from './sources.js';

/** Changes with the meaning of a field of docs/ledger.json. */
export const ledgerVersion = 1;

export interface StatedRow extends Omit<LedgerRow, 'predict' | 'relation' | 'calibration'> {
  readonly relation: Relation;
  readonly calibration: boolean;
  readonly predicted: number;
  /** Of the published number, in percent; negative: the model says less. 0 where a bound holds. */
  readonly errorPercent: number;
}

export interface Ledger {
  readonly format: 'waferstream-ledger';
  readonly version: typeof ledgerVersion;
  readonly rows: readonly StatedRow[];
  readonly apart: readonly ApartRow[];
  readonly sources: Readonly<Partial<Record<SourceName, Source>>>;
}

const predictedDigits = 5;

/** Percent by which a prediction misses what is published: the nearer end of a range, nothing above a bound that holds. */
export const errorPercent = (published: number | readonly [number, number], predicted: number, relation: Relation): number => {
  const [low, high] = typeof published === 'number' ? [published, relation === 'at least' ? Infinity : published] : published;
  const nearest = Math.min(Math.max(predicted, low), high);
  return 100 * (predicted / nearest - 1);
};

export const stateRow = ({ predict, relation = 'equal', calibration = false, ...described }: LedgerRow): StatedRow => {
  const exact = predict();
  if (!Number.isFinite(exact)) throw new Error(`${described.id}: the model predicts ${exact}`);
  return { ...described, relation, calibration, predicted: Number(exact.toPrecision(predictedDigits)), errorPercent: Number(errorPercent(described.published, exact, relation).toFixed(2)) };
};

export const stateLedger = (rows: readonly LedgerRow[], apart: readonly ApartRow[]): Ledger => {
  const used = new Set<SourceName>([...rows, ...apart].map(({ source }) => source));
  return {
    format: 'waferstream-ledger',
    version: ledgerVersion,
    rows: rows.map(stateRow),
    apart,
    sources: Object.fromEntries((Object.entries(sources) as [SourceName, Source][]).filter(([name]) => used.has(name))),
  };
};

/** What `stated` says that is not so, one line each. */
export const problemsOf = (stated: Ledger, now: Ledger): string[] => {
  const problems: string[] = [];
  if (stated.format !== now.format || stated.version !== now.version) problems.push(`format ${stated.format} ${stated.version}: this is ${now.format} ${now.version}`);
  const before = new Map(stated.rows.map((row) => [row.id, row]));
  for (const row of now.rows) {
    const old = before.get(row.id);
    before.delete(row.id);
    if (old === undefined) problems.push(`${row.id}: not in the table`);
    else if (old.predicted !== row.predicted || old.errorPercent !== row.errorPercent) {
      problems.push(`${row.id}: stated ${old.predicted} ${old.unit} (${old.errorPercent} %), the model now says ${row.predicted} (${row.errorPercent} %)`);
    } else if (JSON.stringify(old) !== JSON.stringify(row)) problems.push(`${row.id}: its description has changed`);
  }
  for (const id of before.keys()) problems.push(`${id}: in the table, but no row any more`);
  if (JSON.stringify([stated.apart, stated.sources]) !== JSON.stringify([now.apart, now.sources])) problems.push('rows apart or sources have changed');
  return problems;
};
