/**
 * Whether the parts of a report belong together: numbers that name passes and layers, lengths of lists. Not here: whether the figures are right (timing/, plan/).
 */
import { InvalidConfig } from '../util/errors.js';
import type { ReportInput } from './input.js';

const refuse = (what: string, where: string, value: unknown, limit: unknown, hint: string): never => {
  throw new InvalidConfig({ what, where: `report ${where}`, value, limit, hint });
};

/** @throws InvalidConfig at the first contradiction */
export const checkReport = ({ work, price, spans, sweep, scaling }: ReportInput): void => {
  const passes = work.passes.length, layers = work.layers.length;
  const names = (i: number, count: number, least: number): boolean => Number.isInteger(i) && i >= least && i < count;
  const samePrice = 'price and spans must be of the same work';
  for (const [i, { pass }] of price.passes.entries()) if (!names(pass, passes, 0)) refuse('the number of a pass', `price.passes[${i}]`, pass, `0 to ${passes - 1}`, samePrice);
  for (const [i, span] of spans.entries()) {
    if (!names(span.pass, passes, -1)) refuse('the number of a pass', `spans[${i}]`, span.pass, `-1 to ${passes - 1}`, samePrice);
    if (!names(span.layer, layers, -1)) refuse('the number of a layer', `spans[${i}]`, span.layer, `-1 to ${layers - 1}`, samePrice);
    if (!(span.start >= 0 && span.end >= span.start && Number.isFinite(span.end))) refuse('a span', `spans[${i}]`, [span.start, span.end], 'start ≥ 0 and a finite end behind it', 'give seconds from the begin of the step');
  }
  const { products, scores, south, east, activationBytes, tokens, pairs, heldTokens } = work.map;
  for (const [list, entries] of Object.entries({ scores, south, east, activationBytes })) if (entries.length !== products.length) refuse('entries by column', `work.map.${list}`, entries.length, products.length, 'give one a column');
  for (const [list, entries] of Object.entries({ pairs, heldTokens })) if (entries.length !== tokens.length) refuse('entries by row', `work.map.${list}`, entries.length, tokens.length, 'give one a row');
  for (const [i, row] of (sweep?.rows ?? []).entries()) if (row.length !== sweep?.columns.length) refuse('values', `sweep.rows[${i}]`, row.length, sweep?.columns.length, 'give one a column');
  const modes = (scaling ?? []).map(({ mode }) => mode);
  if (new Set(modes).size !== modes.length) refuse('curves', 'scaling', modes, 'one a mode', 'leave one out');
};
