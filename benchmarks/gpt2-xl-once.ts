/**
 * One training step of GPT-2 1.5B in a process of its own, and what it took, as a line of JSON: node gpt2-xl-once.js FOLDER. Not here: what is made of it (gpt2-xl.bench.ts).
 */
import { availableParallelism } from 'node:os';
import { adamW, gpt, gptShape } from '../src/index.js';
import { startCluster } from './harness/training.js';
import { gptData, learningRate } from './harness/transformer.js';

export const batch = 1, context = 128, GiB = 2 ** 30, size = { ...gptShape('gpt2-xl'), context };
/** For MemoryX alone; the rest of the 4 GiB is for activations, two threads and the host. */
export const dramBytes = 2.25 * GiB;

export interface Once {
  readonly step: number;
  readonly whole: number;
  readonly loss: number;
  readonly digest: string;
  readonly stateBytes: number;
  readonly peakBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly kernels: string;
}

const once = async (flashDir: string): Promise<Once> => {
  const began = performance.now(), cluster = await startCluster({ threads: availableParallelism(), memoryX: { flashDir, dramBytes } });
  try {
    const training = cluster.train(gpt(size), { data: gptData(size, batch), optimizer: adamW({ learningRate }), steps: 1, batchSize: batch });
    let seconds = 0, loss = Number.NaN;
    for await (const step of training) ({ seconds, loss } = step);
    const { record } = await training.finished;
    return {
      step: seconds, whole: (performance.now() - began) / 1000, loss, digest: record.weightsDigest, stateBytes: record.memory.stateBytes, peakBytes: process.resourceUsage().maxRSS * 1024,
      readBytes: record.tiers?.flash.readBytes ?? 0, writtenBytes: record.tiers?.flash.writtenBytes ?? 0, kernels: cluster.kernels,
    };
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
};

// Types and sizes are read by the bench, too, which gives no folder.
if (process.argv[1]?.endsWith('gpt2-xl-once.js') === true) console.log(JSON.stringify(await once(process.argv[2] ?? '')));
