/**
 * A training step of a small GPT with 90 % of its linear weights absent, beside the same step with dense weights; bytes that are kept and that travel.
 *
 * Verified: one and two threads give the same sparse weights to the bit, and as many positions are stored as asked for. Not here: one layer (sparse-layer.ts), what is learned
 * (sparse-training.bench.ts).
 */
import { adamW, mlp, sparsity, type Cluster, type RunRecord } from '../src/index.js';
import type { Figure, Table } from './harness/results.js';
import { interleave, ratio, type Variant } from './harness/rounds.js';
import { classifierData, startCluster, trainTimed, type Job } from './harness/training.js';
import { gptJob, learningRate, type GptSize } from './harness/transformer.js';

/** The first contest of transformers.bench.ts. */
const size: GptSize = { layers: 4, context: 128, vocabulary: 256, dim: 256, heads: 4 }, batch = 16;
const absent = 0.9, stepsARound = 2;
const asSparse = (job: Job): Job => ({ ...job, sparsity: sparsity({ algorithm: 'static', sparsity: absent }) });
const title = `GPT d ${size.dim}, ${size.layers} layers, ${size.heads} heads, sequence ${size.context}, batch ${batch}, vocabulary ${size.vocabulary}, AdamW, 90 % of linear weights absent`;

const recordOf = async (cluster: Cluster, job: Job): Promise<RunRecord> => (await trainTimed(cluster, job, 1)).result.record;
const streamed = ({ counts: { total } }: RunRecord): number => total.weightBytesOut + total.gradientBytesIn;
const kept = ({ memory }: RunRecord): number => memory.stateBytes;

/** Layers of a GPT block's shapes in a chain, without biases: behind the first one, which both have, only what is compared. */
const chain = [256, 256, 768, 256, 1024, 256] as const, chainBatch = 1024;
const chainJob = (sizes: readonly number[]): Job => ({
  model: mlp(sizes, { bias: false, activation: 'gelu' }), data: classifierData(sizes[0] as number, chainBatch, sizes.at(-1) as number), optimizer: adamW({ learningRate }), batchSize: chainBatch,
});

/** Bytes of a chain's layers behind the first, as the difference of two runs. */
const bytesBehindFirst = async (cluster: Cluster, isSparse: boolean): Promise<{ readonly kept: number; readonly streamed: number }> => {
  const job = (sizes: readonly number[]): Job => (isSparse ? asSparse(chainJob(sizes)) : chainJob(sizes));
  const [all, first] = [await recordOf(cluster, job(chain)), await recordOf(cluster, job(chain.slice(0, 2)))];
  return { kept: kept(all) - kept(first), streamed: streamed(all) - streamed(first) };
};

export const sparseGptTable = async (rounds: number, verified: string[]): Promise<{ readonly table: Table; readonly figures: readonly Figure[] }> => {
  const clusters = [await startCluster({ threads: 1 }), await startCluster({ threads: 2 })] as const;
  try {
    const dense = gptJob(size, batch), sparse = asSparse(dense);
    const [one, two, full] = [await recordOf(clusters[0], sparse), await recordOf(clusters[1], sparse), await recordOf(clusters[0], dense)];
    if (one.weightsDigest !== two.weightsDigest) throw new Error(`one thread gives the weights ${one.weightsDigest}, two give ${two.weightsDigest}`);
    for (const { name, size: all, stored } of one.sparsity) if (Math.abs(stored / all - (1 - absent)) > 1e-3) throw new Error(`${name} stores ${stored} of ${all}`);
    verified.push(`${title}: 1 and 2 threads give the same weights to the bit; ${one.sparsity.length} weights are sparse`);
    const [chainDense, chainSparse] = [await bytesBehindFirst(clusters[0], false), await bytesBehindFirst(clusters[0], true)];
    const samples = await interleave(clusters.flatMap((cluster, i) => ([['dense', dense], ['sparse', sparse]] as const).map(([name, job]): Variant => ({
      name: `${name}, ${i + 1} thread${i === 0 ? '' : 's'}`, measure: async () => (await trainTimed(cluster, job, stepsARound)).seconds,
    }))), rounds);
    const ratios = ['1 thread', '2 threads'].map((threads) => ratio(samples, `step, dense ÷ sparse, ${threads}`, `dense, ${threads}`, `sparse, ${threads}`, '≥ 2.3'));
    return {
      table: { title, work: { amount: batch * size.context, unit: 'tokens/s' }, samples, ratios: ratios.filter((r) => r !== null) },
      figures: [
        { name: `linear layers ${chain.slice(1).join('-')} without biases, AdamW, 90 % absent: MemoryX state, sparse ÷ dense`, value: chainSparse.kept / chainDense.kept, unit: '', goal: '≤ 0.25' },
        { name: `linear layers ${chain.slice(1).join('-')} without biases, AdamW, 90 % absent: bytes streamed, sparse ÷ dense`, value: chainSparse.streamed / chainDense.streamed, unit: '', goal: '≤ 0.25' },
        { name: `${title}: whole model's MemoryX state, sparse ÷ dense`, value: kept(one) / kept(full), unit: '' },
        { name: `${title}: whole model's bytes streamed, sparse ÷ dense`, value: streamed(one) / streamed(full), unit: '' },
        { name: `${title}: multiply-adds, sparse ÷ dense`, value: one.counts.total.macs / full.counts.total.macs, unit: '' },
      ],
    };
  } finally {
    await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  }
};
