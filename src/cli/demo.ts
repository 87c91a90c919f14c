/**
 * `waferstream demo`: trains a byte model on the project's own sources and documents on 4 CS-2, then proves that the number of CS-2 does not show.
 *
 * Its length is a number of steps, not a time: what it computes is the same everywhere. Not here: the full proof (verify.ts).
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { firstDifference, type ClusterOptions } from '../index.js';
import { flagOf, type Options } from './options.js';
import { packageRoot } from './package-root.js';
import { print, printJson, showCount, showLoss } from './progress.js';
import { runJob } from './run.js';
import { clusterShape, setUp, type Job } from './setup.js';

const numCsx = 4;
const proofSteps = 12;

/** The project's own text: src, docs, and the documents beside them. */
export const ownText = async (): Promise<readonly string[]> => {
  const root = await packageRoot();
  const names = (await readdir(root)).filter((name) => name === 'src' || name === 'docs' || name.endsWith('.md'));
  return names.toSorted().map((name) => join(root, name));
};

const proof = async (job: Job, shapes: readonly ClusterOptions[], options: Options): Promise<number> => {
  const short: Job = { ...job, train: { ...job.train, steps: Math.min(proofSteps, job.train.steps) } };
  const runs = [];
  for (const shape of shapes) runs.push({ shape, ...(await runJob(short, shape, 'nothing')) });
  const [first] = runs;
  const difference = runs.map((run) => firstDifference(first?.weights ?? [], run.weights)).find((found) => found !== null);
  if (options.json === true) {
    printJson({ type: 'proof', steps: short.train.steps, digests: runs.map(({ shape, record }) => ({ numCsx: shape.numCsx, weightsDigest: record.weightsDigest })), same: difference === undefined });
  } else {
    for (const { shape, record } of runs) print(`${String(shape.numCsx).padStart(3)} CS-2, ${short.train.steps} steps: weights ${record.weightsDigest}`);
    print(difference === undefined ? 'the same bits' : `DIFFERENT: ${difference.tensor}[${difference.index}] is ${difference.a} and ${difference.b}`);
  }
  return difference === undefined ? 0 : 1;
};

export const demo = async (options: Options, signal: AbortSignal): Promise<number> => {
  const shape = { ...clusterShape(options, signal), numCsx: options.numCsx ?? numCsx };
  const job = await setUp({ schedule: 'cosine', warmupSteps: 20, learningRate: 2e-3, ...options }, { hidden: 256, layers: 2, embed: 32, context: 12, steps: 2800, batchSize: 512, text: await ownText() });
  signal.throwIfAborted();
  const isJson = options.json === true;
  const { lossLast, samples, seconds, record } = await runJob(job, shape, isJson ? 'json' : 'lines');
  const entropy = job.entropy?.nats ?? Number.NaN;
  if (isJson) printJson({ type: 'summary', entropy: job.entropy, lossLast, samples, seconds, weightsDigest: record.weightsDigest });
  else {
    print('');
    print(`entropy of single bytes  ${showLoss(entropy, true)}`);
    print(`loss of the last step    ${showLoss(lossLast, true)}: ${lossLast < entropy ? `${((1 - lossLast / entropy) * 100).toFixed(0)} % below` : 'not below yet, raise ' + flagOf('steps')}`);
    print(`weights ${record.weightsDigest}; ${seconds.toFixed(1)} s, ${showCount(samples / seconds)} samples/s`);
    print('');
  }
  return proof(job, [{ ...shape, numCsx: 1 }, shape], options);
};
