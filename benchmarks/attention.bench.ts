/**
 * Long sequences: what two threads gain on a single sample of 512 tokens, and what attention costs a token as sequences grow.
 *
 *   step on 1 and 2 threads  beside  the program's bare products on 1 and 2 threads          the attention worker on 2048 tokens, as 16 × 128 and as 4 × 512
 *
 * Verified: both threads' weights are equal to the bit; attention's output equals a plain one in f64. Not here: PyTorch (transformers.bench.ts).
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { attentionWorker } from '../src/cluster/tile/attention.js';
import { dealBatch } from '../src/cluster/deal.js';
import type { ClusterLayout } from '../src/cluster/layout.js';
import { planRun } from '../src/emulator/plan.js';
import { createKernels, kernelPlan, type KernelPlan } from '../src/kernels/load.js';
import { panelRowBytes, slabTokens } from '../src/kernels/types.js';
import { floats } from '../src/tensor/shared-memory.js';
import type { BareProgramData } from './bare-program-thread.js';
import type { Outcome, Table } from './harness/results.js';
import { interleave, quotient, ratio, timeOf, type Variant } from './harness/rounds.js';
import { startCluster, trainTimed, type Job } from './harness/training.js';
import { gptJob, type GptSize } from './harness/transformer.js';
import { fillArena } from './program-products.js';
import type { BenchOptions } from './run.js';

const base = { layers: 4, heads: 4, dim: 256, vocabulary: 256 } as const;
const longContext = 512, shortContext = 128, tokensARound = 2048, stepsARound = 4;
/** Relative to the largest value: fp32 against f64 over sums of at most 512 terms. */
const attentionTolerance = 1e-5;

const layoutOf = (job: Job, threads: number, plan: KernelPlan): ClusterLayout => planRun(job.model, { ...job, steps: 1 }, {}, threads, plan).layout;

const reply = async (worker: Worker): Promise<number> => ((await once(worker, 'message')) as [number])[0];

/** Two threads over one program's memory, each with the products that are its own: seconds of one alone, of the slower one of both. */
const startBareThreads = async (layout: ClusterLayout) => {
  const workers = [0, 1].map((thread) => new Worker(new URL('./bare-program-thread.js', import.meta.url), { workerData: { layout, thread } satisfies BareProgramData }));
  const time = async (chosen: readonly Worker[]): Promise<number> => {
    fillArena(layout);
    const replies = chosen.map(reply);
    for (const worker of chosen) worker.postMessage(null, []);
    return Math.max(...(await Promise.all(replies)));
  };
  const times = async (chosen: readonly Worker[]): Promise<readonly number[]> => {
    const list: number[] = [];
    for (let i = 0; i < stepsARound; i++) list.push(await time(chosen));
    return list;
  };
  await Promise.all(workers.map(reply));
  return { alone: () => times(workers.slice(0, 1)), both: () => times(workers), close: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))) };
};

const benchThreads = async (rounds: number, plan: KernelPlan, verified: string[]): Promise<Table> => {
  const size: GptSize = { ...base, context: longContext }, job = gptJob(size, 1);
  const title = `one sample of ${longContext} tokens, GPT d ${size.dim}, ${size.layers} layers, AdamW`;
  const clusters = [await startCluster({ threads: 1 }), await startCluster({ threads: 2 })] as const;
  const digests = [];
  for (const cluster of clusters) digests.push((await trainTimed(cluster, job, 1)).result.record.weightsDigest);
  if (digests[0] !== digests[1]) throw new Error(`one thread gives the weights ${digests[0]}, two give ${digests[1]}`);
  verified.push(`${title}: 1 and 2 threads give the same weights to the bit`);
  const bare = await startBareThreads(layoutOf(job, 2, plan));
  try {
    const [one, two, alone, both] = ['waferstream, 1 thread', 'waferstream, 2 threads', 'bare kernels, half a sample on 1 thread', 'bare kernels, half a sample on each of 2 threads'] as const;
    const samples = await interleave([
      { name: one, measure: async () => (await trainTimed(clusters[0], job, stepsARound)).seconds },
      { name: alone, measure: bare.alone },
      { name: two, measure: async () => (await trainTimed(clusters[1], job, stepsARound)).seconds },
      { name: both, measure: bare.both },
    ], rounds);
    const speedUp = ratio(samples, 'speed-up of 2 threads', one, two), bareSpeedUp = ratio(samples, 'speed-up of 2 threads, bare kernels', alone, both, undefined, 2);
    const ratios = [speedUp, bareSpeedUp, quotient('speed-up of 2 threads ÷ that of the bare kernels', speedUp, bareSpeedUp, '≥ 0.85')];
    return { title, samples, ratios: ratios.filter((r) => r !== null) };
  } finally {
    await bare.close();
    await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  }
};

/** The first sample's last token, every head, beside Q, K and V as they lie in the band, in f64. */
const checkAttention = (layout: ClusterLayout, context: number): void => {
  const [plan] = layout.program.attentions, [band] = layout.arena.bands;
  if (plan === undefined || band === undefined) throw new Error('the program attends');
  const { heads, headSize, qkv, o } = plan, width = 3 * heads * headSize;
  const at = (buffer: number, features: number, token: number, feature: number): number =>
    floats(layout.arenaMemory, (band.buffers[buffer] as number) + (Math.floor(token / slabTokens) * features + feature) * panelRowBytes + (token % slabTokens) * 4, 1)[0] as number;
  const last = context - 1, features = Array.from({ length: headSize }, (_, f) => f);
  for (let head = 0; head < heads; head++) {
    const [q, k, v] = [0, 1, 2].map((part) => (part * heads + head) * headSize) as [number, number, number];
    const scores = Array.from({ length: context }, (_, token) => features.reduce((sum, f) => sum + at(qkv, width, last, q + f) * at(qkv, width, token, k + f), 0) / Math.sqrt(headSize));
    const top = Math.max(...scores), weights = scores.map((score) => Math.exp(score - top)), all = weights.reduce((a, b) => a + b);
    const wanted = features.map((f) => weights.reduce((sum, weight, token) => sum + weight * at(qkv, width, token, v + f), 0) / all), largest = Math.max(...wanted.map(Math.abs));
    wanted.forEach((value, f) => {
      const found = at(o, heads * headSize, last, head * headSize + f);
      if (!(Math.abs(found - value) <= attentionTolerance * largest)) throw new Error(`attention over ${context} tokens: head ${head}, feature ${f} is ${found}, not ${value}`);
    });
  }
};

/** All attentions of a step, forward and delta, on one thread. */
const attentionAlone = (context: number, plan: KernelPlan): Variant => {
  const layout = layoutOf(gptJob({ ...base, context }, tokensARound / context), 1, plan);
  const { program, arena, batch, arenaMemory: memory } = layout, microBatches = dealBatch(batch);
  const worker = attentionWorker({ program, arena, batch, microBatches, thread: 0, kernels: createKernels(layout.kernels, memory), memory });
  const each = (visit: (microBatch: number, plan: (typeof program.attentions)[number]) => void): void => microBatches.forEach((_, microBatch) => program.attentions.forEach((attention) => visit(microBatch, attention)));
  fillArena(layout);
  each(worker.forward);
  checkAttention(layout, context);
  return {
    name: `attention, sequence ${context}`,
    measure: () => Array.from({ length: stepsARound }, () => {
      fillArena(layout);
      return timeOf(() => {
        each(worker.forward);
        each(worker.delta);
      }, 1);
    }),
  };
};

const benchGrowth = async (rounds: number, plan: KernelPlan, verified: string[]): Promise<Table> => {
  const title = `attention, forward and delta, d ${base.dim}, ${base.heads} heads, ${base.layers} layers, ${tokensARound} tokens, 1 thread`;
  const variants = [attentionAlone(shortContext, plan), attentionAlone(longContext, plan)] as const;
  verified.push(`attention over ${shortContext} and ${longContext} tokens equals a plain one in f64 within ${attentionTolerance} of the largest value`);
  const samples = await interleave(variants, rounds);
  // A token attends to itself and all before it: (T + 1) / 2 pairs a token.
  const growth = (longContext + 1) / (shortContext + 1);
  const [short, long] = variants.map(({ name }) => name) as [string, string];
  const cost = ratio(samples, `cost a token, sequence ${longContext} ÷ ${shortContext}`, long, short);
  const grown = ratio(samples, `cost a token, sequence ${longContext} ÷ ${shortContext}, ÷ growth of the arithmetic (${growth.toFixed(2)})`, long, short, '≤ 1', 1 / growth);
  return { title, samples, ratios: [cost, grown].filter((r) => r !== null) };
};

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const plan = kernelPlan(), verified: string[] = [];
  return { tables: [await benchThreads(rounds, plan, verified), await benchGrowth(rounds, plan, verified)], verified, skipped: [], kernels: plan.name };
};
