/** `waferstream train`: one run from options to a summary. Not here: verification (verify.ts). */
import type { Options } from './options.js';
import { print, printJson, showCount, showLoss } from './progress.js';
import { runJob } from './run.js';
import { clusterShape, setUp } from './setup.js';

const defaults = { hidden: 256, layers: 2, embed: 32, context: 12, steps: 100, batchSize: 256 };

export const train = async (options: Options, signal: AbortSignal): Promise<number> => {
  const shape = clusterShape(options, signal);
  const job = await setUp(options, defaults);
  signal.throwIfAborted();
  const done = await runJob(job, shape, options.json === true ? 'json' : 'lines');
  const { plan, threads, kernels, lossFirst, lossLast, samples, seconds, record } = done;
  if (options.json === true) {
    printJson({
      type: 'summary', steps: job.train.steps, parameters: job.model.parameterCount, numCsx: shape.numCsx, ...plan, threads, kernels,
      entropy: job.entropy, lossFirst, lossLast, samples, seconds, samplesPerSecond: samples / seconds, weightsDigest: record.weightsDigest,
    });
    return 0;
  }
  const isText = job.entropy !== null;
  print(`loss ${showLoss(lossFirst, isText)} → ${showLoss(lossLast, isText)}${job.entropy === null ? '' : `; entropy of single bytes ${showLoss(job.entropy.nats, true)}`}`);
  print(`weights ${record.weightsDigest}; ${seconds.toFixed(2)} s, ${showCount(samples / seconds)} samples/s`);
  return 0;
};
