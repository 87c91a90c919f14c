/**
 * The price of more systems and the gain of more threads: wall time a step at a fixed global batch of 1024, numCsx 1 to 16, 1 and 2 threads.
 *
 * On a host of few cores more emulated systems do the same work in more pieces; a ratio of 1 would be perfect. Verified: the weights of every shape are
 * equal to the bit. Not here: peers (step.bench.ts).
 */
import { availableParallelism } from 'node:os';
import { sgd } from '../src/index.js';
import type { Outcome } from './harness/results.js';
import { interleave, ratio, type Ratio, type Variant } from './harness/rounds.js';
import { classifier, classifierData, firstWeights, startCluster, trainTimed, type Job } from './harness/training.js';
import type { BenchOptions } from './run.js';

const sizes = [784, 1024, 1024, 10], batch = 1024, stepsARound = 4;
const systems = [1, 2, 4, 8, 16];

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const model = classifier(sizes);
  const job: Job = { model, data: classifierData(sizes[0] as number, batch, sizes.at(-1) as number), optimizer: sgd({ learningRate: 0.25 }), batchSize: batch, weights: firstWeights(model) };
  const cores = availableParallelism();
  const shapes = [...systems.map((numCsx) => ({ numCsx, threads: 1 })), ...(cores > 1 ? systems.map((numCsx) => ({ numCsx, threads: 2 })) : [])];
  const named = await Promise.all(shapes.map(async (shape) => ({ ...shape, name: `numCsx ${shape.numCsx}, threads ${shape.threads}`, cluster: await startCluster(shape) })));
  try {
    let kernels = '';
    const digests = new Map<string, string>();
    for (const { name, cluster } of named) {
      kernels = cluster.kernels;
      digests.set(name, (await trainTimed(cluster, job, 1)).result.record.weightsDigest);
    }
    if (new Set(digests.values()).size !== 1) throw new Error(`weights differ: ${JSON.stringify([...digests])}`);
    const samples = await interleave(named.map(({ name, cluster }): Variant => ({ name, measure: async () => (await trainTimed(cluster, job, stepsARound)).seconds })), rounds);
    const ratios: (Ratio | null)[] = [];
    for (const { numCsx, threads, name } of named) {
      if (numCsx > 1) ratios.push(ratio(samples, `step of ${name} ÷ numCsx 1`, name, `numCsx 1, threads ${threads}`, numCsx === 16 ? '≤ 1.15' : undefined));
      if (threads === 2) ratios.push(ratio(samples, `speed-up of 2 threads, numCsx ${numCsx}`, `numCsx ${numCsx}, threads 1`, name));
    }
    return {
      tables: [{ title: `training step ${sizes.join('-')}, global batch ${batch}`, samples, ratios: ratios.filter((r) => r !== null) }],
      verified: [`${named.length} shapes of the cluster gave the same weights to the bit`], skipped: cores > 1 ? [] : ['2 threads: this host has one core'], kernels,
    };
  } finally {
    await Promise.all(named.map(({ cluster }) => cluster[Symbol.asyncDispose]()));
  }
};
