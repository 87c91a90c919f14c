/**
 * A training step of small GPTs under AdamW: the emulated cluster beside PyTorch at equal threads, and beside its own matrix products.
 *
 * Verified: losses of the first steps, from the same weights and batch, agree with the peers'; one and two threads give the same weights to the bit.
 * Not here: long sequences (attention.bench.ts), GPT-2 itself (gpt2.bench.ts), generation.
 */
import { kernelPlan, type KernelPlan } from '../src/kernels/load.js';
import { planRun } from '../src/emulator/plan.js';
import type { Cluster } from '../src/index.js';
import type { Outcome, Table } from './harness/results.js';
import { complement, interleave, ratio, type Variant } from './harness/rounds.js';
import { startCluster, trainTimed, type Job } from './harness/training.js';
import { dataSalt, gptJob, learningRate, weightScale, type GptSize } from './harness/transformer.js';
import { startPeer, type Peer } from './peers/child.js';
import { fillArena, programProducts } from './program-products.js';
import type { BenchOptions } from './run.js';

interface Contest {
  readonly size: GptSize;
  readonly batch: number;
  readonly goal: string;
}

const base = { layers: 4, context: 128, vocabulary: 256 } as const;
const contests: readonly Contest[] = [
  { size: { ...base, dim: 256, heads: 4 }, batch: 16, goal: '≥ 0.45 on Node 20, ≥ 0.85 on Node 24' },
  { size: { ...base, dim: 768, heads: 12 }, batch: 4, goal: '≥ 0.40 on Node 20, ≥ 0.75 on Node 24' },
];
const stepsARound = 2, stepsVerified = 3;
/** What two correct runs in fp32 with sums in different orders may be apart in the loss after a few steps, relatively. */
const lossTolerance = 1e-4;

interface Trainer {
  readonly peer: Peer;
  readonly threads: 1 | 2;
}

const startTrainers = async ({ size, batch }: Contest, losses: readonly number[], skipped: string[]): Promise<readonly Trainer[]> => {
  const started: Trainer[] = [];
  for (const threads of [1, 2] as const) {
    const peer = await startPeer('pytorch', threads);
    if (typeof peer === 'string') {
      skipped.push(`pytorch, threads: ${threads}: ${peer}`);
      continue;
    }
    await peer.ask({ op: 'gpt', ...size, batch, learningRate, scale: weightScale, dataSalt });
    const theirs = (await peer.ask({ op: 'steps', count: losses.length })).losses ?? [];
    losses.forEach((loss, step) => {
      if (!(Math.abs((theirs[step] ?? Number.NaN) - loss) <= lossTolerance * loss)) throw new Error(`${peer.name}: loss ${theirs[step]} in step ${step}, the cluster has ${loss}`);
    });
    started.push({ peer, threads });
  }
  return started;
};

/** The first losses; the two clusters must agree to the bit. */
const verifyClusters = async (clusters: readonly Cluster[], job: Job): Promise<readonly number[]> => {
  const trained = [];
  for (const cluster of clusters) trained.push(await trainTimed(cluster, job, stepsVerified - 2));
  const [one, two] = trained.map(({ result }) => result.record.weightsDigest);
  if (one !== two) throw new Error(`one thread gives the weights ${one}, two give ${two}`);
  return trained[0]?.losses ?? [];
};

/** All products of a step on one thread, in the program's own memory. */
const productsAlone = (job: Job, plan: KernelPlan): Variant => {
  const { layout } = planRun(job.model, { ...job, steps: 1 }, {}, 1, plan);
  const work = programProducts(layout, 0);
  return {
    name: 'matrix products alone',
    measure: () => Array.from({ length: stepsARound }, () => {
      fillArena(layout);
      return work.measure();
    }),
  };
};

const contend = async (contest: Contest, rounds: number, plan: KernelPlan, verified: string[], skipped: string[]): Promise<Table> => {
  const { size, batch, goal } = contest;
  const title = `GPT d ${size.dim}, ${size.layers} layers, ${size.heads} heads, sequence ${size.context}, batch ${batch}, vocabulary ${size.vocabulary}, AdamW`;
  const job = gptJob(size, batch), tokens = batch * size.context;
  const clusters = [await startCluster({ threads: 1 }), await startCluster({ threads: 2 })];
  const names = ['waferstream, 1 thread', 'waferstream, 2 threads'] as const;
  const losses = await verifyClusters(clusters, job);
  const trainers = await startTrainers(contest, losses, skipped);
  verified.push(`${title}: 1 and 2 threads give the same weights to the bit`);
  if (trainers.length > 0) verified.push(`${title}: losses of ${losses.length} steps agree within ${lossTolerance} (relative) with ${trainers.map(({ peer }) => peer.name).join('; ')}`);
  try {
    const samples = await interleave([
      ...clusters.map((cluster, i): Variant => ({ name: names[i] as string, measure: async () => (await trainTimed(cluster, job, stepsARound)).seconds })),
      productsAlone(job, plan),
      ...trainers.map(({ peer }): Variant => ({ name: peer.name, measure: async () => (await peer.ask({ op: 'steps', count: stepsARound })).seconds ?? Number.NaN })),
    ], rounds);
    const share = ratio(samples, 'matrix products alone ÷ step, 1 thread', 'matrix products alone', names[0]);
    const ratios = [
      ...trainers.map(({ peer, threads }) => ratio(samples, `tokens/s ÷ ${peer.name}`, peer.name, names[threads - 1] as string, goal)),
      complement('share of a step outside matrix products, 1 thread', share, '≤ 0.15'),
      ratio(samples, 'speed-up of 2 threads', names[0], names[1]),
    ];
    return { title, work: { amount: tokens, unit: 'tokens/s' }, samples, ratios: ratios.filter((r) => r !== null) };
  } finally {
    for (const { peer } of trainers) peer.close();
    await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  }
};

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const plan = kernelPlan(), verified: string[] = [], skipped: string[] = [], tables: Table[] = [];
  for (const contest of contests) tables.push(await contend(contest, rounds, plan, verified, skipped));
  return { tables, verified, skipped, kernels: plan.name };
};
