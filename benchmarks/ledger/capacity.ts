/**
 * What fits: samples that a wafer is known to hold at a time, the largest matrix, the state of the largest models.
 *
 * A row with a batch is a lower bound: the vendor's configuration trains with that many samples a system at once. Not here: how fast.
 */
import { gpt } from '../../src/index.js';
import { ask, type Question } from './ask.js';
import { cerebrasGpt, gpt2Small, llama7b, oneMatrix } from './models.js';
import type { LedgerRow } from './types.js';

const holdsFewer =
  'as in all rows with samples, the model\'s tiles hold fewer than the machine\'s. Its plan of SRAM lays panels of 32 tokens a row, buffers for streams that grow with them, 8 KiB of code (a guess) and, with activations off the wafer, one block\'s inner ones; what the vendor\'s compiler keeps, and in what form, is unpublished';
const offWafer = 'the inputs of all 40 blocks alone would be 75 GB, so activations must have waited off the wafer, as `recompute: \'offload\'` lets them here; `capacity/llama-7b` says the rest';

/** So many samples at once on one CS-2. */
const held = (id: string, model: Question['model'], samples: number, configuration: string, rest: Pick<LedgerRow, 'source'> & Partial<LedgerRow>): LedgerRow => {
  const question: Question = { model, batchSize: samples };
  return { id: `capacity/${id}`, what: `samples of ${configuration} that a CS-2 holds at once`, configuration: '2,048 tokens, 16 bits', unit: 'samples', kind: 'measurement', reading: 'first-hand', published: samples, relation: 'at least', predict: () => ask(question).plan.microBatchSizeMax, ...rest };
};

const family = ([['111m', 120], ['256m', 264], ['590m', 264], ['1.3b', 132], ['2.7b', 132], ['6.7b', 65], ['13b', 90]] as const).map(([size, samples]) =>
  held(`gpt-${size.replace('.', '-')}`, () => cerebrasGpt(size), samples, `GPT ${size.toUpperCase()}`, { source: 'cerebrasGpt', kind: 'claim', ...(size === '13b' ? { word: offWafer } : {}) }));

const gpt175b: Question = { model: () => cerebrasGpt('175b'), batchSize: 1 };
/** 12 · 954 · 102,400² and its tables: 120 trillion parameters in a shape of ours. */
const brainScale: Question = { model: () => gpt({ name: '120 trillion', layers: 954, heads: 800, dim: 102_400, context: 1024, vocabulary: 50_257 }), batchSize: 1 };
const largestMatrix: Question = { model: () => oneMatrix(100_000), batchSize: 32 };

export const capacity: readonly LedgerRow[] = [
  held('llama-7b', llama7b, 99, 'Llama 7B', { source: 'alcfExamples', word: holdsFewer }),
  held('gpt2-small', gpt2Small, 112, 'GPT-2 small', { source: 'alcfGpt2' }),
  ...family,
  {
    id: 'capacity/largest-matrix', what: 'samples that fit beside a matrix of 100,000 × 100,000 that is not split', configuration: 'one linear layer, one token a sample, 16 bits', unit: 'samples', kind: 'claim', reading: 'secondary', source: 'weightStreaming', published: 1, relation: 'at least',
    predict: () => ask(largestMatrix).plan.microBatchSizeMax,
  },
  {
    id: 'capacity/state-per-parameter', what: 'MemoryX\'s room for a parameter', configuration: 'GPT-3 175B, AdamW; published: 4 TB for 200 billion, 2.4 PB for 120 trillion', unit: 'B', kind: 'derived', reading: 'secondary', source: 'announcement', published: 20,
    predict: () => ask(gpt175b).plan.memoryX.stateBytes / ask(gpt175b).plan.work.model.parameterCount,
  },
  {
    id: 'capacity/120-trillion', what: 'MemoryX\'s room for 120 trillion parameters', configuration: 'a shape of ours: 954 layers of 102,400 features, samples of 1,024 tokens, AdamW', unit: 'PB', kind: 'claim', reading: 'secondary', source: 'announcement', published: 2.4,
    predict: () => ask(brainScale).plan.memoryX.stateBytes / 1e15,
  },
];
