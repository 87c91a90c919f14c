/**
 * What plans, prices and counting cost: GPT-3 175B on 192 CS-2 from a cold process, the 120-trillion-parameter model with its scaling curve, a record of 1,000 steps, and
 * the counting of a training step beside the step itself.
 *
 * Verified: counts of the record are those of its plan; both plans fit their wafers. Not here: how right prices are (benchmarks/ledger/).
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { shareOf } from '../src/cluster/tile/band.js';
import { countAttention, countAttentionDelta } from '../src/cluster/tile/count-attention.js';
import { countDelta, countForward, countGradient, countLocal, countNorm, countNormDelta, countNormGradient, gradientRun, linearRun } from '../src/cluster/tile/count.js';
import { dealBatch } from '../src/cluster/deal.js';
import type { ClusterLayout } from '../src/cluster/layout.js';
import { planRun } from '../src/emulator/plan.js';
import { kernelPlan } from '../src/kernels/load.js';
import { machines, price, workCounts } from '../src/index.js';
import { actions } from '../src/trace/counts.js';
import type { Outcome } from './harness/results.js';
import { median } from './harness/rounds.js';
import { startCluster, trainTimed } from './harness/training.js';
import { gptJob } from './harness/transformer.js';
import type { PlanOnce } from './plan-once.js';
import type { BenchOptions } from './run.js';

const MB = 1e6, size = { vocabulary: 256, context: 128, dim: 256, layers: 4, heads: 4 }, batch = 16, threads = 1;

const runOnce = (name: string): PlanOnce => {
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(new URL('./plan-once.js', import.meta.url)), name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`the plan of ${name} ended with ${status}`);
  return JSON.parse(stdout) as PlanOnce;
};

/** Counts a step as its tile hosts do, command by command; returns the seconds. */
const countStep = ({ program, batch: shape, arena: { bands } }: ClusterLayout): number => {
  const to = new Float64Array(actions.length), microBatches = dealBatch(shape);
  const shares = microBatches.map((microBatch) => bands.map((band) => ({ ...shareOf(band, program, microBatch, shape), step: 0, evaluate: false })));
  const began = performance.now();
  for (const ofMicroBatch of shares) {
    for (const pass of program.passes) {
      for (const share of ofMicroBatch) {
        if (pass.op === 'forward' || pass.op === 'delta' || pass.op === 'gradient') {
          const plan = program.streamed[pass.streamed];
          if (plan?.kind === 'norm') (pass.op === 'forward' ? countNorm : pass.op === 'delta' ? countNormDelta : countNormGradient)(to, program, share, plan);
          else if (plan?.kind === 'linear') {
            for (const { count } of pass.op === 'delta' ? plan.deltaBlocks : plan.forwardBlocks) {
              const all = (pass.op === 'delta' ? plan.outputs : plan.inputs) * count;
              if (pass.op === 'gradient') countGradient(to, program, share, plan, gradientRun(count, all, all));
              else (pass.op === 'forward' ? countForward : countDelta)(to, program, share, plan, linearRun(program, plan, count, all, all));
            }
          }
        } else if (pass.op === 'attention' || pass.op === 'attentionDelta') {
          const plan = program.attentions[pass.attention];
          if (plan !== undefined) (pass.op === 'attention' ? countAttention : countAttentionDelta)(to, program, shape, share, plan);
        }
        for (const step of pass.locals) countLocal(to, program, share, step);
      }
    }
  }
  return (performance.now() - began) / 1000;
};

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const large = Array.from({ length: rounds }, () => runOnce('gpt3-175b')), huge = Array.from({ length: rounds }, () => runOnce('120t'));
  const job = gptJob(size, batch), cluster = await startCluster({ threads });
  try {
    const { seconds, result: { record } } = await trainTimed(cluster, job, 5);
    const counts = workCounts(record.work);
    for (const action of actions) if ((counts[action] ?? 0) !== record.counts.total[action]) throw new Error(`${action} of the work is not that of the record`);
    const { layout } = planRun(job.model, { ...job, steps: 1, seed: 0 }, {}, threads, kernelPlan());
    for (let i = 0; i < 50; i++) countStep(layout);
    const counting = Math.min(...Array.from({ length: 20 }, () => countStep(layout)));
    // A record of any number of steps has the work of all of them.
    const long = { ...record.work, steps: 1000 }, began = performance.now();
    price(long, machines.wse2);
    const pricing = (performance.now() - began) / 1000;
    const best = (list: readonly number[]): number => Math.min(...list), cold = large.map(({ planSeconds }) => planSeconds * 1000), curve = huge.map(({ priceSeconds }) => priceSeconds);
    return {
      tables: [], skipped: [], kernels: cluster.kernels,
      verified: [`work of ${record.steps} steps has the counts of its devices`, `${((huge[0]?.parameters ?? 0) / 1e12).toFixed(2)} trillion parameters on 192 CS-2: efficiency ${(huge[0]?.efficiency ?? 0).toFixed(4)} of one`],
      figures: [
        { name: 'plan of GPT-3 175B on 192 CS-2, in a new process: median', value: median(cold), unit: 'ms', goal: '< 100 ms' },
        { name: 'plan of GPT-3 175B on 192 CS-2, in a new process: best', value: best(cold), unit: 'ms', goal: '< 100 ms' },
        { name: 'plan of GPT-3 175B on 192 CS-2, once more in the same process', value: best(large.map(({ warmSeconds }) => warmSeconds * 1000)), unit: 'ms' },
        { name: 'plans and prices of 120 trillion parameters on 1 to 192 CS-2 (12 points), in a new process: median', value: median(curve), unit: 's', goal: '< 1 s' },
        { name: 'plans and prices of 120 trillion parameters on 1 to 192 CS-2 (12 points), in a new process: best', value: best(curve), unit: 's', goal: '< 1 s' },
        { name: 'peak resident memory of that process', value: Math.max(...huge.map(({ peakBytes }) => peakBytes)) / MB, unit: 'MB', goal: '< 500 MB' },
        { name: 'pricing a record of 1,000 steps', value: pricing * 1000, unit: 'ms', goal: '< 1000 ms' },
        { name: `counting ÷ training step, GPT d ${size.dim}, ${size.layers} layers, ${batch * size.context} tokens`, value: (100 * counting) / median(seconds), unit: '%', goal: '≤ 1 %' },
      ],
    };
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
};
