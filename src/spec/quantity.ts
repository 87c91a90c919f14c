/** How far a number about real hardware can be trusted, and where it comes from. Not here: the numbers (wafer.ts). */

/** published by the vendor or measured first-hand · read in a secondary text · derived by arithmetic · a guess, to be replaced. */
export type Trust = 'published' | 'secondary' | 'derived' | 'guess';

export interface Evidence {
  readonly trust: Trust;
  /** One line: what says so; docs/evidence.md has the sources. */
  readonly source: string;
}
