/**
 * Training, from dated logs of real runs: samples a second, and what they imply. One row was fitted, Llama 7B on a CS-2; all others are held out.
 *
 * Not here: models that are not emulated (apart.ts), how well systems scale (cluster.ts).
 */
import { machines } from '../../src/index.js';
import { ask, shareOfPeak, type Question } from './ask.js';
import { cerebrasGpt, gpt2Small, gptJ, llama7b } from './models.js';
import type { LedgerRow } from './types.js';

type Log = Pick<LedgerRow, 'id' | 'what' | 'configuration' | 'source' | 'published' | 'word' | 'calibration'>;

/** Samples a second of a log. */
const log = (question: Question, row: Log): LedgerRow => ({ ...row, unit: 'samples/s', kind: 'measurement', reading: 'first-hand', predict: () => ask(question).price.step.samplesPerSecond });

const llamaOnCs2: Question = { model: llama7b, batchSize: 99 };
const gptJOnTwo: Question = { model: gptJ, batchSize: 120, numCsx: 2 };
const largest: Question = { model: () => cerebrasGpt('175b'), batchSize: 90 };
/** Parameters and 12 L d s of GPT-J. */
const gptJFlopPerToken = 6 * 6.05e9 + 12 * 28 * 4096 * 2048;

export const training: readonly LedgerRow[] = [
  log(llamaOnCs2, {
    id: 'training/llama-7b-cs2', what: 'Llama 7B on one CS-2', configuration: 'batch 99 held at once, 2,048 tokens, 16 bits, March 2024', source: 'alcfExamples', published: 20.45, calibration: true,
    word: 'the one row that the efficiency of a tile\'s products was fitted to',
  }),
  log(gptJOnTwo, {
    id: 'training/gpt-j-2-cs2-2023-11', what: 'GPT-J 6B on two CS-2', configuration: 'batch 120, 2,048 tokens, 16 bits, November 2023', source: 'alcfExamples', published: 43.67,
    word: 'the nearest to the fitted row: the same software, another model, two systems',
  }),
  log({ model: gptJ, batchSize: 130, numCsx: 2 }, {
    id: 'training/gpt-j-2-cs2-2023-05', what: 'GPT-J 6B on two CS-2, earlier software', configuration: 'batch 130, 2,048 tokens, May 2023', source: 'alcfExamples', published: 33.98,
    word: 'the same machine and model as half a year later, with earlier software: the model knows one software, that of the row it was fitted to',
  }),
  log({ model: gptJ, batchSize: 130, numCsx: 2 }, {
    id: 'training/gpt-j-2-cs2-2023-03', what: 'GPT-J 6B on two CS-2, first software', configuration: 'batch 130, 2,048 tokens, March 2023', source: 'alcfExamples', published: 27.53,
    word: 'as above: from March to November 2023 software alone made this training 1.59 times as fast',
  }),
  log({ model: gptJ, batchSize: 66 }, {
    id: 'training/gpt-j-cs2-2023-11', what: 'GPT-J 6B on one CS-2', configuration: 'batch 66, 2,048 tokens, November 2023; one system since the command names no number', source: 'alcfGptJ', published: 19.8,
    word: 'software of release 1.9, earlier than that of the row with two systems in the same month',
  }),
  log({ model: gpt2Small, batchSize: 112 }, {
    id: 'training/gpt2-small-cs2', what: 'GPT-2 small on one CS-2', configuration: 'batch 112 held at once, 2,048 tokens, 16 bits, March 2024', source: 'alcfGpt2', published: 494.4,
    word: 'a small layer has one feature a tile, and its sums pass all 750 columns: they take longer than the products. The vendor\'s compiler lays out small layers otherwise (its logs speak of lanes); the mapping here has one for all sizes',
  }),
  log({ model: gptJ, batchSize: 120, machine: machines.wse3 }, {
    id: 'training/gpt-j-cs3', what: 'GPT-J 6B on one CS-3', configuration: 'batch 120, 2,048 tokens, October 2025', source: 'alcfExamples', published: 44.75,
    word: 'the model\'s tiles hold far fewer samples than the machine\'s (see what fits), so weights and gradients pass the wafer\'s edge once for each of several micro-batches; on a CS-3, twice as fast in products behind the same edge, that binds much of the step',
  }),
  log({ model: llama7b, batchSize: 1024, machine: machines.wse3 }, {
    id: 'training/llama2-7b-cs3-1024', what: 'Llama 2 7B on one CS-3', configuration: 'batch 1,024, October 2025; 2,048 tokens by the data set of the CS-2 log, which the page shares', source: 'alcfLlama2', published: 31.99,
    word: 'the log does not say how long its sequences are: with the 4,096 tokens of the vendor\'s configuration of that name the machine would have done more than twice the work',
  }),
  log({ model: llama7b, batchSize: 512, machine: machines.wse3 }, { id: 'training/llama2-7b-cs3-512', what: 'Llama 2 7B on one CS-3', configuration: 'batch 512, November 2025, as above', source: 'userLogs', published: 33.28 }),
  log({ model: llama7b, batchSize: 128, machine: machines.wse3 }, {
    id: 'training/llama2-7b-cs3-128', what: 'Llama 2 7B on one CS-3', configuration: 'batch 128 held at once, December 2025, as above', source: 'userLogs', published: 32.44,
    word: 'measured rates hardly depend on the batch, the model\'s do: its small batches leave micro-batches uneven',
  }),
  {
    id: 'training/share-of-peak', what: 'share of the 16-bit peak in logs of 6 to 7 billion parameters', configuration: 'GPT-J 6B on two CS-2, 6 N + 12 L d s flop a token, all 850,000 cores', unit: 'share', kind: 'derived', reading: 'first-hand',
    source: 'alcfExamples', published: [0.24, 0.32], relation: 'within', predict: () => shareOfPeak(ask(gptJOnTwo).price.step.tokensPerSecond, gptJFlopPerToken, 2, machines.wse2),
  },
  {
    id: 'training/share-of-peak-claim', what: 'claimed use of the peak on the largest networks', configuration: 'GPT-3 175B, batch 90, one CS-2', unit: 'share', kind: 'claim', reading: 'secondary', source: 'announcement', published: [0.7, 0.8], relation: 'within',
    predict: () => ask(largest).price.flops.utilization, word: 'a claim that no public log bears out; the model follows the logs',
  },
];
