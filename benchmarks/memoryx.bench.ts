/**
 * The price of MemoryX's tiers: a training step of a GPT (d 768, 4 layers, 2,048 tokens) with its state in DRAM, on flash under a quarter of the DRAM, durable against
 * power loss, and with a checkpoint every few steps.
 *
 * Verified: all give the same weights to the bit. Not here: the files alone, larger models.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adamW, gpt, type ClusterOptions, type TrainOptions } from '../src/index.js';
import type { Outcome } from './harness/results.js';
import { interleave, ratio, type Ratio } from './harness/rounds.js';
import { startCluster } from './harness/training.js';
import { gptData, learningRate } from './harness/transformer.js';
import type { BenchOptions } from './run.js';

const size = { vocabulary: 256, context: 256, dim: 768, layers: 4, heads: 12 }, batch = 8, threads = 2, warmSteps = 1, stepsARound = 4, checkpointEvery = 2;

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const model = gpt(size), data = gptData(size, batch), verified: string[] = [], folder = mkdtempSync(join(tmpdir(), 'waferstream-'));
  const flashDir = join(folder, 'flash'), dir = join(folder, 'checkpoints');
  let kernels = '', stateBytes = 0;
  const digests = new Set<string>();
  const measure = async (memoryX: ClusterOptions['memoryX'], more: Partial<TrainOptions> = {}): Promise<number[]> => {
    for (const path of [flashDir, dir]) rmSync(path, { recursive: true, force: true });
    const cluster = await startCluster({ threads, ...(memoryX === undefined ? {} : { memoryX }) });
    try {
      kernels = cluster.kernels;
      const training = cluster.train(model, { data, optimizer: adamW({ learningRate }), steps: warmSteps + stepsARound, batchSize: batch, ...more }), seconds: number[] = [];
      for await (const step of training) if (step.step >= warmSteps) seconds.push(step.seconds);
      const { record } = await training.finished;
      stateBytes = record.memory.stateBytes;
      digests.add(record.weightsDigest);
      return [seconds.reduce((sum, value) => sum + value, 0) / seconds.length];
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
  };
  try {
    await measure(undefined);
    const dramBytes = Math.floor(stateBytes / 4);
    const samples = await interleave([
      { name: 'all in DRAM', measure: () => measure(undefined) },
      { name: "a quarter in DRAM, durability 'process'", measure: () => measure({ flashDir, dramBytes }) },
      { name: "a quarter in DRAM, durability 'power'", measure: () => measure({ flashDir, dramBytes, durability: 'power' }) },
      { name: `all in DRAM, a checkpoint every ${checkpointEvery} steps`, measure: () => measure(undefined, { checkpoint: { dir, every: checkpointEvery, keep: 1 } }) },
    ], rounds);
    if (digests.size !== 1) throw new Error(`weights differ: ${[...digests].join(', ')}`);
    verified.push(`${samples.length} ways of keeping ${(stateBytes / 1e6).toFixed(0)} MB of state gave the same weights to the bit`);
    const ratios: (Ratio | null)[] = [
      ratio(samples, "speed with a quarter in DRAM, 'process' ÷ all in DRAM", 'all in DRAM', "a quarter in DRAM, durability 'process'", '≥ 0.85'),
      ratio(samples, "speed with a quarter in DRAM, 'power' ÷ all in DRAM", 'all in DRAM', "a quarter in DRAM, durability 'power'", '≥ 0.6'),
      ratio(samples, `step with a checkpoint every ${checkpointEvery} ÷ without`, `all in DRAM, a checkpoint every ${checkpointEvery} steps`, 'all in DRAM', '≤ 1.05'),
    ];
    return { tables: [{ title: `training step, GPT d ${size.dim}, ${size.layers} layers, ${batch * size.context} tokens, AdamW, threads: ${threads}`, samples, ratios: ratios.filter((r) => r !== null) }], verified, skipped: [], kernels };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
