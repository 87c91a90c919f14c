/**
 * `waferstream demo`: trains a small GPT on the project's own sources and documents on 4 CS-2, lets it write, then proves that the number of CS-2 does not show.
 *
 * Its length is a number of steps, not a time: what it computes is the same everywhere. Not here: the full proof (verify.ts).
 */
import { adamW, cosine, decayMatricesOnly, firstDifference, linearWarmup, type ClusterOptions } from '../index.js';
import { nowMs } from '../util/clock.js';
import { samplingOf, showSamples } from './generate.js';
import { sayJson } from './json/say.js';
import { demoJson } from './json/training.js';
import { flagOf, type Options } from './options.js';
import { ownText } from './own-text.js';
import { jsonProgress, print, showLoss, showRate } from './progress.js';
import { lossOf, runJob, type Finished } from './run.js';
import { sample } from './sample.js';
import { clusterShape } from './setup/cluster.js';
import { setUp, type Defaults, type Job } from './setup/job.js';

/** Sets the demo's length: about 45 s of training on 2 quiet cores. */
const demoSteps = 1100;
const proofSteps = 12;
const numCsx = 4;
const peakRate = 3e-3;
const evaluationsInAll = 6, evaluationBatches = 16;
const prompts = ['/**\n * ', 'export const ', 'import { ', '## '];

const defaults: Defaults = {
  steps: demoSteps,
  small: { hidden: 1, layers: 1, embed: 1, context: 1, batchSize: 1 },
  // The table of bytes is also the output layer: wider first weights than a deep model's let it learn which bytes follow each other at once.
  transformer: { layers: 3, heads: 4, dim: 128, context: 128, batchSize: 4, initStd: 0.05 },
};

const makeJob = async (options: Options): Promise<Job> => {
  const { steps = demoSteps, learningRate: peak = peakRate } = options;
  const job = await setUp(
    { evaluationSplit: 0.05, evaluateEvery: Math.ceil(steps / evaluationsInAll), evaluationBatches, ...options, model: 'gpt', tokenizer: 'bytes' },
    { ...defaults, text: await ownText() },
  );
  const learningRate = linearWarmup(Math.ceil(steps / 20), cosine({ peak, end: peak / 10, totalSteps: steps }));
  return { ...job, train: { ...job.train, optimizer: adamW({ learningRate, beta2: 0.99, weightDecay: 0.1, groups: decayMatricesOnly }), clipNorm: 1 } };
};

const summary = (job: Job, { lossLast, tokens, seconds, evaluations, record }: Finished, options: Options): void => {
  const entropy = job.entropy?.nats ?? Number.NaN, evaluation = evaluations.at(-1) ?? null;
  if (options.json === true) {
    sayJson(demoJson, { type: 'summary', entropy: job.entropy, lossLast, evaluation, tokens, seconds, tokensPerSecond: tokens / seconds, weightsDigest: record.weightsDigest });
    return;
  }
  const loss = evaluation?.loss ?? lossLast, of = lossOf(job);
  print('');
  print(`entropy of single bytes  ${showLoss(entropy, of)}, perplexity ${Math.exp(entropy).toFixed(2)}`);
  print(`loss of held-out text    ${showLoss(loss, of)}, perplexity ${Math.exp(loss).toFixed(2)}: ${loss < entropy ? `${((1 - loss / entropy) * 100).toFixed(0)} % below` : `not below yet, raise ${flagOf('steps')}`}`);
  print(`weights ${record.weightsDigest}; ${seconds.toFixed(1)} s, ${showRate('tokens', tokens, seconds)}`);
};

const write = async (job: Job, weights: Finished['weights'], shape: ClusterOptions, options: Options): Promise<void> => {
  const tokenizer = job.tokenizer?.tokenizer;
  if (tokenizer === undefined) return;
  const startMs = nowMs();
  const sampling = samplingOf({ topK: 40, ...options });
  const { samples, tokens } = await sample({ model: job.model, weights, tokenizer, prompts, sampling, shape });
  const seconds = (nowMs() - startMs) / 1000;
  if (options.json === true) {
    for (const [place, found] of samples.entries()) sayJson(demoJson, { type: 'text', place, ...found });
    return;
  }
  print('');
  print(`what it writes (temperature ${sampling.temperature}${sampling.topK === undefined ? '' : `, top ${sampling.topK}`}, seed ${sampling.seed}; ${tokens} tokens in ${seconds.toFixed(1)} s):`);
  print('');
  print(showSamples(samples));
};

const proof = async (job: Job, shapes: readonly ClusterOptions[], options: Options): Promise<number> => {
  const { evaluation: _, ...train } = job.train;
  const short: Job = { ...job, train: { ...train, steps: Math.min(proofSteps, train.steps) } };
  const runs = [];
  for (const shape of shapes) runs.push({ shape, ...(await runJob(short, shape, 'nothing')) });
  const [first] = runs;
  const difference = runs.map((run) => firstDifference(first?.weights ?? [], run.weights)).find((found) => found !== null);
  if (options.json === true) {
    sayJson(demoJson, { type: 'proof', steps: short.train.steps, digests: runs.map(({ record }) => ({ numCsx: record.shape.numCsx, weightsDigest: record.weightsDigest })), same: difference === undefined });
  } else {
    for (const { shape, record } of runs) print(`${String(shape.numCsx).padStart(3)} CS-2, ${short.train.steps} steps: weights ${record.weightsDigest}`);
    print(difference === undefined ? 'the same bits' : `DIFFERENT: ${difference.tensor}[${difference.index}] is ${difference.a} and ${difference.b}`);
  }
  return difference === undefined ? 0 : 1;
};

export const demo = async (options: Options, signal: AbortSignal): Promise<number> => {
  const shape = { ...clusterShape(options, signal), numCsx: options.numCsx ?? numCsx };
  const job = await makeJob(options);
  signal.throwIfAborted();
  const done = await runJob(job, shape, options.json === true ? jsonProgress((line) => sayJson(demoJson, line)) : 'lines');
  summary(job, done, options);
  signal.throwIfAborted();
  await write(job, done.weights, shape, options);
  return proof(job, [{ ...shape, numCsx: 1 }, shape], options);
};
