/**
 * One training run of the command line: starts a cluster, tells what it is, follows the steps, closes it.
 *
 * Not here: options (setup/), what the numbers mean (train.ts, demo.ts).
 */
import { Cluster, type ClusterOptions, type EvaluationReport, type RunPlan, type RunResult } from '../index.js';
import { formatBytes } from '../util/units.js';
import { print, progress, showCount, type LossOf, type Progress, type Unit } from './progress.js';
import type { Job } from './setup/job.js';

export interface Finished extends RunResult {
  readonly plan: RunPlan;
  readonly threads: number;
  readonly kernels: string;
  readonly lossFirst: number;
  readonly lossLast: number;
  readonly samples: number;
  readonly tokens: number;
  readonly evaluations: readonly EvaluationReport[];
  /** Host time from the first step's start to the last one's end, without evaluations. */
  readonly seconds: number;
}

/** What the speed of a job is counted in. */
export const unitOf = ({ model }: Job): Unit => (model.tokensPerSample > 1 ? 'tokens' : 'samples');
export const lossOf = ({ model, entropy }: Job): LossOf => (entropy !== null ? 'byte' : model.tokensPerSample > 1 ? 'token' : 'sample');

const tell = (job: Job, cluster: Cluster, shape: ClusterOptions, plan: RunPlan): void => {
  const { model, train } = job;
  const again = plan.recompute === 'none' ? '' : plan.recompute === 'block' ? ', blocks computed again' : plan.recompute === 'offload' ? ', blocks computed again from activations off the wafer' : ', attention computed again';
  print(`${model.name}: ${showCount(model.parameterCount)} parameters; ${job.data}`);
  print(
    `${shape.numCsx} CS-2 of ${plan.rows} × ${plan.cols} tiles, ${formatBytes(plan.sramBytesMax)} of ${formatBytes(plan.sramLimitBytes)} SRAM a tile; ` +
      `${train.batchSize} samples${model.tokensPerSample > 1 ? ` of ${model.tokensPerSample} tokens` : ''} a step in ${plan.microBatches} micro-batch${plan.microBatches === 1 ? '' : 'es'}${again}`,
  );
  print(`${cluster.threads} thread${cluster.threads === 1 ? '' : 's'}, kernels ${cluster.kernels}, ${formatBytes(plan.allocatedBytes)} of shared memory`);
};

/** Runs a job to its end. `show`: what the user sees of it; `also` follows it too. */
export const runJob = async (job: Job, shape: ClusterOptions, show: 'lines' | 'nothing' | Progress, also?: Progress): Promise<Finished> => {
  await using cluster = await Cluster.start(shape);
  const run = cluster.train(job.model, job.train);
  if (show === 'lines') tell(job, cluster, shape, run.plan);
  const shown = show === 'nothing' ? null : show === 'lines' ? progress({ steps: job.train.steps, lossOf: lossOf(job), unit: unitOf(job) }) : show;
  const followers = [shown, also].filter((one) => one !== null && one !== undefined);
  const evaluations: EvaluationReport[] = [];
  let lossFirst = Number.NaN, lossLast = Number.NaN, samples = 0, tokens = 0, seconds = 0;
  // Its failure is that of the steps, which are awaited below.
  const following = run.evaluations$.subscribe({ next: (report) => {
    evaluations.push(report);
    for (const one of followers) one.evaluation(report);
  }, error: () => {} });
  try {
    for await (const report of run) {
      if (Number.isNaN(lossFirst)) lossFirst = report.loss;
      lossLast = report.loss;
      samples += report.samples;
      tokens += report.tokens;
      seconds += report.seconds;
      for (const one of followers) one.step(report);
    }
  } finally {
    following.unsubscribe();
    for (const one of followers) one.end();
  }
  return { ...(await run.finished), plan: run.plan, threads: cluster.threads, kernels: cluster.kernels, lossFirst, lossLast, samples, tokens, evaluations, seconds };
};
