/**
 * What sparse training learns: a small byte-level GPT on the project's own text with three quarters of its linear weights absent, by algorithm, beside the dense one.
 *
 *   for each seed: dense, static, set, rigl, gmp ─▶ held-out loss ± over seeds, multiply-adds ÷ dense, seconds
 *
 * All have the same steps and batches, and the better of two learning rates each: sparse models want higher ones than dense ones. Nothing else is tuned. Held out is the
 * text's tail. Verified: masks end as full as asked for, and every model has learned more than how often each byte comes. Not here: speed (sparse.bench.ts).
 */
import { adamW, bytesEntropy, Cluster, cosine, gpt, linearWarmup, readText, sparsity, splitTokens, type Sparsity, type SparsityOptions } from '../src/index.js';
import { ownText } from '../src/cli/own-text.js';
import type { Figure, Outcome } from './harness/results.js';
import type { BenchOptions } from './run.js';

const size = { layers: 2, heads: 4, dim: 96, context: 64, vocabulary: 256 } as const, batchSize = 16, steps = 300, warmupSteps = 30, clipNorm = 1;
const peaks = [0.003, 0.006];
const seeds = [1, 2, 3], threads = 2, heldOut = 0.1, evaluationBatches = 24;
const absent = 0.75;
/** Masks change every so many steps, up to three quarters of the run; pruning has reached its end by then. */
const freq = 20, stop = 0.75 * steps, lastUpdate = Math.floor((stop - 1) / freq) * freq;
const drop = { kind: 'cosine', init: 0.3, halfPeriod: stop, minimum: 0 } as const;

const algorithms: readonly { readonly name: string; readonly options: SparsityOptions | null }[] = [
  { name: 'dense', options: null },
  { name: 'static', options: { algorithm: 'static', sparsity: absent } },
  { name: 'set', options: { algorithm: 'set', sparsity: absent, update: { freq, stop }, dropFraction: drop } },
  { name: 'rigl', options: { algorithm: 'rigl', sparsity: absent, update: { freq, stop }, dropFraction: drop } },
  { name: 'gmp', options: { algorithm: 'gmp', sparsity: { kind: 'linear', init: 0, slope: absent / lastUpdate }, update: { freq, stop } } },
];

interface Learned {
  readonly name: string;
  readonly peak: number;
  readonly loss: number;
  readonly macs: number;
  readonly seconds: number;
}

export const run = async (_options: BenchOptions): Promise<Outcome> => {
  const { bytes } = await readText(await ownText()), { training, evaluation } = splitTokens(bytes, heldOut), entropy = bytesEntropy(evaluation).nats;
  const model = gpt(size), cluster = await Cluster.start({ threads });
  const learn = async (name: string, seed: number, peak: number, sparse: Sparsity | undefined): Promise<Learned> => {
    const start = performance.now();
    const { record } = await cluster.train(model, {
      data: { kind: 'text', bytes: training }, optimizer: adamW({ learningRate: linearWarmup(warmupSteps, cosine({ peak, end: peak / 10, startStep: warmupSteps, totalSteps: steps })) }), clipNorm, steps, batchSize, seed,
      evaluation: { data: { kind: 'text', bytes: evaluation }, every: steps, batches: evaluationBatches }, ...(sparse === undefined ? {} : { sparsity: sparse }),
    }).finished;
    const loss = record.evaluations.at(-1)?.loss ?? Number.NaN;
    if (!(loss < entropy)) throw new Error(`${name}, seed ${seed}: held-out loss ${loss}, entropy of single bytes ${entropy}`);
    for (const { name: weight, size: all, stored } of record.sparsity) if (Math.abs(stored / all - (1 - absent)) > 1e-3) throw new Error(`${name}: ${weight} stores ${stored} of ${all}`);
    return { name, peak, loss, macs: record.counts.total.macs, seconds: (performance.now() - start) / 1000 };
  };
  try {
    const learned: Learned[] = [];
    for (const seed of seeds) {
      for (const peak of peaks) {
        for (const { name, options } of algorithms) {
          const one = await learn(name, seed, peak, options === null ? undefined : sparsity(options));
          learned.push(one);
          console.log(`  seed ${seed}  ${name.padEnd(6)} peak ${peak}  held-out loss ${one.loss.toFixed(4)}  ${one.seconds.toFixed(1)} s`);
        }
      }
    }
    const mean = (runs: readonly Learned[], what: 'loss' | 'macs' | 'seconds'): number => runs.reduce((sum, run) => sum + run[what], 0) / runs.length;
    /** An algorithm's runs at the rate that is better on the mean over seeds. */
    const best = (name: string): readonly Learned[] =>
      peaks.map((peak) => learned.filter((run) => run.name === name && run.peak === peak)).reduce((a, b) => (mean(b, 'loss') < mean(a, 'loss') ? b : a));
    const title = `byte GPT of ${(model.parameterCount / 1e6).toFixed(2)} M parameters, ${steps} steps of ${batchSize} × ${size.context}, 75 % of linear weights absent`;
    const figures = algorithms.flatMap(({ name }): readonly Figure[] => {
      const runs = best(name), loss = mean(runs, 'loss'), spread = Math.max(...runs.map((run) => Math.abs(run.loss - loss)));
      return [
        { name: `${title}: ${name}, held-out loss, mean of ${seeds.length} seeds`, value: loss, spread, unit: `nats (rate ${runs[0]?.peak})` },
        ...(name === 'dense' ? [] : [{ name: `${title}: ${name}, multiply-adds ÷ dense`, value: mean(runs, 'macs') / mean(best('dense'), 'macs'), unit: '' }]),
        { name: `${title}: ${name}, ${threads} threads`, value: mean(runs, 'seconds'), unit: 's' },
      ];
    });
    return {
      tables: [], figures, skipped: [], kernels: cluster.kernels,
      verified: [`every held-out loss is below the entropy of single bytes, ${entropy.toFixed(3)} nats`, 'masks store a quarter of their positions at the end'],
    };
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
};
