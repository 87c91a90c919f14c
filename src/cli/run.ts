/**
 * One training run of the command line: starts a cluster, tells what it is, follows the steps, closes it.
 *
 * Not here: options (setup.ts), what the numbers mean (train.ts, demo.ts).
 */
import { Cluster, type ClusterOptions, type RunPlan, type RunResult } from '../index.js';
import { formatBytes } from '../util/units.js';
import { print, progress, showCount } from './progress.js';
import type { Job } from './setup.js';

export interface Finished extends RunResult {
  readonly plan: RunPlan;
  readonly threads: number;
  readonly kernels: string;
  readonly lossFirst: number;
  readonly lossLast: number;
  readonly samples: number;
  /** Host time from the first step's start to the last one's end. */
  readonly seconds: number;
}

const tell = (job: Job, cluster: Cluster, shape: ClusterOptions, plan: RunPlan): void => {
  const { model, train } = job;
  print(`${model.name}: ${showCount(model.parameterCount)} parameters; ${job.data}`);
  print(
    `${shape.numCsx} CS-2 of ${plan.rows} × ${plan.cols} tiles, ${formatBytes(plan.sramBytesMax)} of ${formatBytes(plan.sramLimitBytes)} SRAM a tile; ` +
      `${train.batchSize} samples a step in ${plan.microBatches} micro-batch${plan.microBatches === 1 ? '' : 'es'}`,
  );
  print(`${cluster.threads} thread${cluster.threads === 1 ? '' : 's'}, kernels ${cluster.kernels}, ${formatBytes(plan.allocatedBytes)} of shared memory`);
};

/** Runs a job to its end. `show`: what the user sees of it. */
export const runJob = async (job: Job, shape: ClusterOptions, show: 'lines' | 'json' | 'nothing'): Promise<Finished> => {
  await using cluster = await Cluster.start(shape);
  const run = cluster.train(job.model, job.train);
  if (show === 'lines') tell(job, cluster, shape, run.plan);
  const shown = show === 'nothing' ? null : progress({ steps: job.train.steps, isText: job.entropy !== null, json: show === 'json' });
  let lossFirst = Number.NaN, lossLast = Number.NaN, samples = 0, seconds = 0;
  try {
    for await (const report of run) {
      if (report.step === 0) lossFirst = report.loss;
      lossLast = report.loss;
      samples += report.samples;
      seconds += report.seconds;
      shown?.step(report);
    }
  } finally {
    shown?.end();
  }
  return { ...(await run.finished), plan: run.plan, threads: cluster.threads, kernels: cluster.kernels, lossFirst, lossLast, samples, seconds };
};
