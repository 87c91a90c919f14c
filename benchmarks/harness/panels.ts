/**
 * Between rows of tokens, as peers hold them, and the kernels' panels [slab][feature][32]. Not here: any arithmetic.
 */
import { slabTokens } from '../../src/kernels/types.js';

/** panels ← rows [tokens][features]; tokens a multiple of 32. */
export const toPanels = (panels: Float32Array, rows: Float32Array, features: number): void => {
  for (let i = 0; i < rows.length; i++) {
    const token = Math.floor(i / features), feature = i % features;
    panels[(Math.floor(token / slabTokens) * features + feature) * slabTokens + (token % slabTokens)] = rows[i] as number;
  }
};

/** One element of the rows that panels stand for. */
export const fromPanels = (panels: Float32Array, place: number, features: number): number => {
  const token = Math.floor(place / features), feature = place % features;
  return panels[(Math.floor(token / slabTokens) * features + feature) * slabTokens + (token % slabTokens)] as number;
};
