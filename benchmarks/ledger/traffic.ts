/**
 * Traffic: bytes of a parameter and step in each direction, and from how many tokens on a tile has more to compute than to wait for.
 *
 * Not here: times of whole steps (training.ts).
 */
import { ask, type Question } from './ask.js';
import { cerebrasGpt } from './models.js';
import type { LedgerRow } from './types.js';

/** One micro-batch, so that weights go down twice and a gradient goes up once. */
const step: Question = { model: () => cerebrasGpt('1.3b'), batchSize: 1, options: { recompute: 'none' } };
/** As many samples as a wafer holds at once in the model: 29 tokens a row. */
const wide: Question = { model: () => cerebrasGpt('13b'), batchSize: 14 };
const sparse: Question = { ...wide, options: { sparsity: 0.5 } };

/** Tokens of a row at which a pass that streams weights would be bound by its tiles, by its price with the tokens it has. */
const crossing = (question: Question): number => {
  const { plan: { work }, price } = ask(question), [micro] = work.microBatches;
  const longest = price.passes.filter(({ op }) => op === 'linear.forward').toSorted((a, b) => b.demands.waferInput - a.demands.waferInput)[0];
  return micro === undefined || longest === undefined ? Number.NaN : (micro.tokensOfRow * longest.demands.waferInput) / longest.demands.products;
};

export const traffic: readonly LedgerRow[] = [
  {
    id: 'traffic/down', what: 'bytes of a parameter that enter a wafer in a step', configuration: 'GPT 1.3B, 16-bit weights, two passes', unit: 'B', kind: 'claim', reading: 'secondary', source: 'weightStreaming', published: 4,
    predict: () => ask(step).plan.counts.ioInBytes / ask(step).plan.work.model.parameterCount,
    word: 'logits are formed block by block, so the output layer goes down four times instead of twice (docs/decisions/0005-streamed-head.md); rows of the table go down besides',
  },
  {
    id: 'traffic/up', what: 'bytes of a parameter that leave a wafer in a step', configuration: 'GPT 1.3B, one gradient', unit: 'B', kind: 'claim', reading: 'secondary', source: 'weightStreaming', published: 4,
    predict: () => ask(step).plan.counts.ioOutBytes / ask(step).plan.work.model.parameterCount,
  },
  {
    id: 'traffic/compute-bound-2', what: 'tokens a tile from which a product is bound by tiles, 2 B a weight', configuration: 'GPT 13B, its widest forward product, 750 columns, 1.2 Tb/s', unit: 'tokens', kind: 'derived', reading: 'secondary', source: 'weightStreaming', published: 34,
    predict: () => crossing(wide),
    word: 'published for products at their peak and features spread evenly; here vectors are whole steps of four, the fullest tile has 7 features where the mean is 6.8, and products keep up with the fabric not quite always',
  },
  {
    id: 'traffic/compute-bound-4', what: 'tokens a tile from which a product is bound by tiles, 4 B a stored weight (value and index)', configuration: 'as above with half of the weights absent', unit: 'tokens', kind: 'derived', reading: 'secondary', source: 'weightStreaming', published: 68,
    predict: () => crossing(sparse),
  },
];
