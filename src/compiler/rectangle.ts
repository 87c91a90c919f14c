/**
 * The rectangle: the user's, checked against the wafer, or the smallest one that fits.
 *
 * Smallest means fewest tiles; among equals the one with most rows, since rows need nothing of each other.
 * Not here: what a tile needs (sram.ts).
 */
import type { WaferSpec } from '../spec/wafer.js';
import { DoesNotFit, InvalidConfig } from '../util/errors.js';
import type { Rectangle, SramPlan } from './program.js';

export type Planner = (rectangle: Rectangle) => SramPlan;

const fits = (plan: SramPlan): boolean => plan.totalBytes <= plan.limitBytes;

/** Refuses a rectangle that the wafer does not have or a tile that would overflow. @throws InvalidConfig, DoesNotFit */
export const checkRectangle = (rectangle: Rectangle, spec: WaferSpec, plan: Planner): SramPlan => {
  for (const [side, limit] of [['rows', spec.rowsMax], ['cols', spec.colsMax]] as const) {
    const value = rectangle[side];
    if (!Number.isInteger(value) || value < 1 || value > limit) {
      throw new InvalidConfig({ what: `wafer.${side}`, value, limit: `1 to ${limit} (${spec.name})`, hint: `choose fewer ${side} or wafer: 'auto'` });
    }
  }
  const sram = plan(rectangle);
  if (!fits(sram)) {
    throw new DoesNotFit({
      what: `a tile of the ${rectangle.rows} × ${rectangle.cols} rectangle (code ${sram.codeBytes}, activations ${sram.activationBytes}, streams ${sram.streamBytes})`,
      needBytes: sram.totalBytes,
      haveBytes: sram.limitBytes,
      hint: "use a smaller microBatchSize, more rows or columns, or wafer: 'auto'",
    });
  }
  return sram;
};

/** The fewest tiles that fit, and among equals the most rows. @throws DoesNotFit with the need of the whole wafer */
export const smallestRectangle = (tokens: number, widest: number, spec: WaferSpec, plan: Planner): Rectangle => {
  const rowsMax = Math.min(spec.rowsMax, tokens), colsMax = Math.min(spec.colsMax, widest);
  let best: Rectangle | null = null;
  for (let rows = 1; rows <= rowsMax; rows++) {
    // Only rectangles that are no larger than the best so far are worth a look; a wider one of the same rows never needs more SRAM.
    let low = 1, high = best === null ? colsMax : Math.min(colsMax, Math.floor((best.rows * best.cols) / rows));
    if (high < 1 || !fits(plan({ rows, cols: high }))) continue;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (fits(plan({ rows, cols: middle }))) high = middle;
      else low = middle + 1;
    }
    best = { rows, cols: low };
  }
  if (best !== null) return best;
  const sram = plan({ rows: rowsMax, cols: colsMax });
  throw new DoesNotFit({
    what: `the fullest tile of ${spec.name}'s whole rectangle`,
    needBytes: sram.totalBytes,
    haveBytes: sram.limitBytes,
    hint: 'use a smaller microBatchSize or narrower layers',
  });
};
