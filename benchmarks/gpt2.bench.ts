/**
 * GPT-2 124M with its first, random weights, batch 4 × 256, AdamW: one training step on all cores. Its seconds, and the memory that the process took at most.
 *
 * Verified: the loss of random weights lies near that of a guess. Once a run, without rounds and peers: a step takes the better part of a minute.
 * Not here: smaller models beside PyTorch (transformers.bench.ts), generation.
 */
import { availableParallelism } from 'node:os';
import { adamW, gpt, gptShape } from '../src/index.js';
import type { Outcome } from './harness/results.js';
import { startCluster } from './harness/training.js';
import { gptData, learningRate } from './harness/transformer.js';
import type { BenchOptions } from './run.js';

const batch = 4, context = 256, MB = 1e6, GiB = 2 ** 30;
/** The loss of a guess is ln(vocabulary); first weights stay near it. */
const lossApart = 0.5;

export const run = async (_options: BenchOptions): Promise<Outcome> => {
  const size = { ...gptShape('gpt2'), context }, model = gpt(size), threads = availableParallelism();
  const cluster = await startCluster({ threads });
  try {
    const training = cluster.train(model, { data: gptData(size, batch), optimizer: adamW({ learningRate }), steps: 1, batchSize: batch });
    let seconds = 0, loss = Number.NaN;
    for await (const step of training) ({ seconds, loss } = step);
    const { record } = await training.finished;
    const peak = process.resourceUsage().maxRSS * 1024;
    if (!(Math.abs(loss - Math.log(size.vocabulary)) < lossApart)) throw new Error(`a loss of ${loss} over ${size.vocabulary} ids is not that of random weights`);
    const named = (what: string): string => `GPT-2 124M, batch ${batch} × ${context}, AdamW, threads: ${threads}: ${what}`;
    return {
      tables: [], verified: [`GPT-2 of ${(model.parameterCount / 1e6).toFixed(1)} M parameters: one step, loss ${loss.toFixed(4)}, of a guess ${Math.log(size.vocabulary).toFixed(4)}`], skipped: [], kernels: cluster.kernels,
      figures: [
        { name: named('one training step'), value: seconds, unit: 's', goal: 'reported' },
        { name: named('peak resident memory'), value: peak / GiB, unit: 'GiB', goal: '< 4 GiB' },
        { name: named('shared memory allocated'), value: record.memory.allocatedBytes / MB, unit: 'MB' },
      ],
    };
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
};
