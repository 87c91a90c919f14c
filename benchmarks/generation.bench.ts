/**
 * Greedy generation from GPT-2 124M with random weights, 8 prompts at once: the emulated cluster beside PyTorch with a cache of keys and values, at equal threads.
 *
 * Time runs from the first step to the last token, prompts included; weights are in their places on both sides. Verified: the same tokens on 1 and 2 threads, and
 * the peer's, up to the first place of a prompt where the two best logits are too close to tell. Not here: training (transformers.bench.ts).
 */
import { kernelPlan } from '../src/kernels/load.js';
import { gpt, gptShape, type Cluster, type GenerateOptions, type GenerationResult, type Model } from '../src/index.js';
import type { Outcome, Table } from './harness/results.js';
import { interleave, ratio, type Variant } from './harness/rounds.js';
import { startCluster } from './harness/training.js';
import { dataSalt, gptWeights, ids } from './harness/transformer.js';
import { startPeer, type Peer } from './peers/child.js';
import type { BenchOptions } from './run.js';

const prompts = 8, promptTokens = 32, maxTokens = 32;
/** Wider than trained weights, so that a prompt does not just repeat its last token. */
const scale = 0.2;
/** Closer than this, two correct runs in fp32 may choose apart. */
const tieWidth = 1e-3;

const generate = (cluster: Cluster, model: Model, options: GenerateOptions): Promise<GenerationResult> => cluster.generate(model, options).finished;

/** Tokens that agree; throws where they differ though the best logit is clear. */
const agreement = (name: string, ours: readonly Int32Array[], theirs: readonly (readonly number[])[], gaps: readonly (readonly number[])[]): number =>
  ours.reduce((sum, tokens, p) => {
    const differs = tokens.findIndex((token, i) => token !== theirs[p]?.[i]);
    if (differs < 0) return sum + tokens.length;
    const gap = gaps[p]?.[differs] ?? Number.NaN;
    if (!(gap <= tieWidth)) throw new Error(`${name}: prompt ${p}, token ${differs} is ${theirs[p]?.[differs]}, the cluster has ${tokens[differs]}; the two best logits are ${gap} apart`);
    return sum + differs;
  }, 0);

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const size = gptShape('gpt2'), model = gpt(size), verified: string[] = [], skipped: string[] = [];
  const stream = ids(prompts * promptTokens, size.vocabulary);
  const options: GenerateOptions = { weights: gptWeights(model, scale), prompts: Array.from({ length: prompts }, (_, p) => ({ tokens: stream.slice(p * promptTokens, (p + 1) * promptTokens) })), maxTokens };
  const clusters = [await startCluster({ threads: 1 }), await startCluster({ threads: 2 })] as const;
  const names = ['waferstream, 1 thread', 'waferstream, 2 threads'] as const;
  const peers: { readonly peer: Peer; readonly threads: 1 | 2 }[] = [];
  try {
    const [one, two] = [await generate(clusters[0], model, options), await generate(clusters[1], model, options)];
    if (one.sequences.some((tokens, p) => tokens.some((token, i) => token !== two.sequences[p]?.[i]))) throw new Error('1 and 2 threads choose different tokens');
    verified.push(`1 and 2 threads choose the same ${prompts * maxTokens} tokens, ${new Set(one.sequences.flatMap((tokens) => [...tokens])).size} different ones`);
    for (const threads of [1, 2] as const) {
      const peer = await startPeer('pytorch', threads);
      if (typeof peer === 'string') {
        skipped.push(`pytorch, threads: ${threads}: ${peer}`);
        continue;
      }
      peers.push({ peer, threads });
      await peer.ask({ op: 'gptPrompts', layers: size.layers, heads: size.heads, dim: size.dim, context: size.context, vocabulary: size.vocabulary, scale, dataSalt, prompts, promptTokens });
      const { tokens = [], gaps = [] } = await peer.ask({ op: 'generate', count: maxTokens });
      verified.push(`${agreement(peer.name, one.sequences, tokens, gaps)} of ${prompts * maxTokens} tokens agree with ${peer.name}; others, if any, follow a tie of the two best logits within ${tieWidth}`);
    }
    const samples = await interleave([
      ...clusters.map((cluster, i): Variant => ({ name: names[i] as string, measure: async () => (await generate(cluster, model, options)).record.seconds })),
      ...peers.map(({ peer }): Variant => ({ name: peer.name, measure: async () => Number((await peer.ask({ op: 'generate', count: maxTokens })).seconds ?? Number.NaN) })),
    ], rounds);
    const ratios = [
      ...peers.map(({ peer, threads }) => ratio(samples, `tokens/s ÷ ${peer.name}`, peer.name, names[threads - 1] as string, '≥ 0.4')),
      ratio(samples, 'speed-up of 2 threads', names[0], names[1]),
    ];
    const table: Table = {
      title: `greedy generation, GPT-2 124M, batch ${prompts}, ${promptTokens} + ${maxTokens} tokens`, work: { amount: prompts * maxTokens, unit: 'tokens/s' }, samples, ratios: ratios.filter((r) => r !== null),
    };
    return { tables: [table], verified, skipped, kernels: kernelPlan().name };
  } finally {
    for (const { peer } of peers) peer.close();
    await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  }
};
