/** How far a number about real hardware can be trusted, and where it comes from. Not here: the numbers (wafer.ts, constants.ts). */

/** published by the vendor or measured first-hand · read in a secondary text · derived by arithmetic · a guess, to be replaced · chosen by a user, or round for teaching. */
export type Trust = 'published' | 'secondary' | 'derived' | 'guess' | 'chosen';

export interface Evidence {
  readonly trust: Trust;
  /** One line: what says so; docs/evidence.md has the sources. */
  readonly source: string;
}

/** What values a constant may take: `rate` > 0, infinity allowed; `count`: a whole number ≥ 1; `share`: above 0, at most 1; `amount` ≥ 0, finite. */
export type Kind = 'rate' | 'count' | 'share' | 'amount';

/** A number about hardware with everything that must be said of it. A guess has the range in which the true value is thought to lie. */
export interface Quantity extends Evidence {
  readonly value: number;
  readonly unit: string;
  readonly kind: Kind;
  readonly range?: readonly [low: number, high: number];
}

/** A quantity by the path under which a machine has it: swarmX.nodeLatencySeconds. */
export interface Constant extends Quantity {
  readonly path: string;
}

/** A quantity for each field of `T`. */
export type Quantities<T> = { readonly [K in keyof T]: Quantity };

/** What a value must be to be one of its kind, as a sentence's end; null: it is. */
export const expected = (kind: Kind, value: unknown): string | null => {
  const number = typeof value === 'number' && !Number.isNaN(value) ? value : null;
  switch (kind) {
    case 'rate':
      return number !== null && number > 0 ? null : 'a number above 0';
    case 'count':
      return number !== null && Number.isSafeInteger(number) && number >= 1 ? null : 'a whole number ≥ 1';
    case 'share':
      return number !== null && number > 0 && number <= 1 ? null : 'a number above 0, at most 1';
    case 'amount':
      return number !== null && number >= 0 && Number.isFinite(number) ? null : 'a number ≥ 0';
  }
};
