/**
 * The rectangle: the user's, checked against the wafer, or the smallest one that fits.
 *
 * Smallest means fewest tiles; among equals the one with most rows, since rows hold whole samples and need nothing of each
 * other. Rows are tried from one slab a row downwards, so that no choice leaves rows idle.
 * Not here: what a tile needs (sram.ts).
 */
import type { WaferSpec } from '../spec/wafer.js';
import { DoesNotFit, InvalidConfig } from '../util/errors.js';
import { ceilDiv } from '../util/units.js';
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

/** The smallest rectangle that fits. @throws DoesNotFit with the need of the whole wafer */
export const smallestRectangle = (tokens: number, slabTokens: number, widest: number, spec: WaferSpec, plan: Planner): Rectangle => {
  const slabs = ceilDiv(tokens, slabTokens);
  const colsMax = Math.min(spec.colsMax, widest);
  const start = Math.min(slabs, spec.rowsMax);
  let best: Rectangle | null = null;
  const consider = (rows: number): void => {
    if (!fits(plan({ rows, cols: colsMax }))) return;
    let low = 1, high = colsMax;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (fits(plan({ rows, cols: middle }))) high = middle;
      else low = middle + 1;
    }
    if (best === null || rows * low < best.rows * best.cols || (rows * low === best.rows * best.cols && rows > best.rows)) best = { rows, cols: low };
  };
  consider(start);
  // More rows than slabs split slabs over rows: only where one slab a row cannot fit.
  for (let rows = start * 2; best === null && rows < spec.rowsMax * 2; rows *= 2) consider(Math.min(rows, spec.rowsMax, tokens));
  if (best !== null) return best;
  const sram = plan({ rows: Math.min(spec.rowsMax, tokens), cols: colsMax });
  throw new DoesNotFit({
    what: `the fullest tile of ${spec.name}'s whole rectangle`,
    needBytes: sram.totalBytes,
    haveBytes: sram.limitBytes,
    hint: 'use a smaller microBatchSize or narrower layers',
  });
};
