/**
 * `waferstream verify`: the same short run on many shapes, and each of its first steps on the f64 reference.
 *
 * The weights must be the same to the bit on every shape; loss, deltas, gradients and updates must lie within the reference's bounds. The tables say
 * so, or the first difference does. Not here: which shapes are allowed (the public door refuses the others).
 */
import { compareWithReference, describeVerdict, firstDifference, type ClusterOptions, type StepVerdicts } from '../index.js';
import { sayJson } from './json/say.js';
import { verifyJson } from './json/training.js';
import type { Options } from './options.js';
import { ownText } from './own-text.js';
import { print } from './progress.js';
import { runJob, type Finished } from './run.js';
import { clusterShape } from './setup/cluster.js';
import { setUp, type Defaults, type Job } from './setup/job.js';

const defaults: Defaults = {
  steps: 4,
  small: { hidden: 96, layers: 2, embed: 16, context: 8, batchSize: 200 },
  transformer: { layers: 2, heads: 2, dim: 32, context: 40, batchSize: 6 },
};
/** The smallest cut of a micro-batch: a slab of samples, or one sequence. */
const smallestCut = ({ model }: Job): number => (model.tokensPerSample > 1 ? 1 : 32);
/** Steps that are judged by the reference: each runs the cluster anew up to it. */
const referenceSteps = 3;

interface Variant {
  readonly shape: ClusterOptions;
  readonly microBatchSize: number | null;
}

/** The shapes, given the rectangle of the first: every kind of choice that must not show. */
const variants = (base: ClusterOptions, job: Job, plan: Finished['plan']): readonly Variant[] => {
  const { batchSize, microBatchSize = null } = job.train;
  const of = (more: Partial<ClusterOptions>, micro: number | null = microBatchSize): Variant => ({ shape: { ...base, ...more }, microBatchSize: micro });
  const slab = smallestCut(job);
  const wider = { rows: plan.rows, cols: plan.cols + 3 }, taller = { rows: plan.rows + 2, cols: plan.cols + 1 };
  return [
    ...[2, 4, 7].map((numCsx) => of({ numCsx })),
    of({ threads: 2 }),
    of({ numCsx: 4, threads: 2 }),
    of({ wafer: wider }),
    of({ numCsx: 2, threads: 2, wafer: taller }),
    ...(batchSize > slab ? [of({}, slab), of({ numCsx: 2 }, slab)] : []),
    of({ dispatcher: 'local', scheduleSeed: 1 }),
    of({ dispatcher: 'local', scheduleSeed: 2, numCsx: 4, threads: 2 }),
    of({ kernels: 'simd128', numCsx: 2 }),
    of({ kernels: 'twin', numCsx: 4 }),
  ];
};

const columns = ['CS-2', 'tiles', 'threads', 'dispatcher', 'micro-batch', 'kernels', 'weights', 'same bits'] as const;

const rowOf = (variant: Variant, run: Finished, same: boolean): readonly string[] => [
  String(variant.shape.numCsx), `${run.plan.rows} × ${run.plan.cols}`, String(run.threads),
  `${variant.shape.dispatcher}${variant.shape.scheduleSeed === undefined ? '' : ` (order ${variant.shape.scheduleSeed})`}`,
  `${run.plan.microBatchSize} × ${run.plan.microBatches}`, run.kernels, run.record.weightsDigest, same ? 'yes' : 'NO',
];

const widths = [4, 9, 7, 15, 11, 12, 16, 9];
const line = (cells: readonly string[]): string => cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd();

/** Where two runs part: the first step whose loss differs, and the first element of the final weights. */
const differenceOf = (first: Finished, run: Finished): string | null => {
  const found = firstDifference(first.weights, run.weights);
  const step = first.record.losses.findIndex((loss, i) => !Object.is(loss, run.record.losses[i]));
  if (found === null && step < 0) return null;
  const inLoss = step < 0 ? '' : `loss of step ${step} is ${first.record.losses[step]} and ${run.record.losses[step]}`;
  return [inLoss, found === null ? '' : `${found.tensor}[${found.index}] is ${found.a} and ${found.b}`].filter((part) => part !== '').join('; ');
};

export const verify = async (options: Options, signal: AbortSignal): Promise<number> => {
  const shape = clusterShape({ threads: 1, ...options }, signal);
  const job = await setUp(options, { ...defaults, text: await ownText() });
  signal.throwIfAborted();
  const isJson = options.json === true;
  const differences: (string | null)[] = [];
  const runOne = async (variant: Variant, first: Finished | null): Promise<Finished> => {
    const { microBatchSize: _, ...train } = job.train;
    const run = await runJob({ ...job, train: variant.microBatchSize === null ? train : { ...train, microBatchSize: variant.microBatchSize } }, variant.shape, 'nothing');
    const difference = first === null ? null : differenceOf(first, run);
    differences.push(difference);
    if (isJson) {
      const { record, plan } = run;
      sayJson(verifyJson, { type: 'shape', ...record.shape, microBatchSize: plan.microBatchSize, scheduleSeed: variant.shape.scheduleSeed ?? null, weightsDigest: record.weightsDigest, same: difference === null, difference });
    } else {
      if (first === null) {
        print(`${job.model.name}: ${job.model.parameterCount} parameters, ${job.train.steps} steps of ${job.train.batchSize} samples, seed ${job.train.seed}; ${job.data}`);
        print(line(columns));
      }
      print(line(rowOf(variant, run, difference === null)));
    }
    return run;
  };
  const first = await runOne({ shape, microBatchSize: job.train.microBatchSize ?? null }, null);
  for (const variant of variants(shape, job, first.plan)) {
    signal.throwIfAborted();
    await runOne(variant, first);
  }
  const shapes = differences.length;
  const different = differences.find((difference) => difference !== null) ?? null;
  if (!isJson) print(different === null ? `the same bits on all ${shapes} shapes` : `first difference: ${different}`);

  signal.throwIfAborted();
  const judged = await compareWithReference(shape, job.model, { ...job.train, steps: Math.min(referenceSteps, job.train.steps) });
  const outside = judged.map(showReference(isJson)).find((found) => found !== null) ?? null;
  if (isJson) sayJson(verifyJson, { type: 'summary', shapes, same: different === null, difference: different, referenceSteps: judged.length, withinBounds: outside === null, outside });
  else print(outside === null ? `within the bounds of the f64 reference on all ${judged.length} steps` : `outside the bounds of the f64 reference: ${outside}`);
  return different === null && outside === null ? 0 : 1;
};

/** Prints what the reference says of a step. Returns its first element outside the bounds, if any. */
const showReference = (isJson: boolean) => ({ step, verdicts, kinks }: StepVerdicts): string | null => {
  const bad = verdicts.find((verdict) => !verdict.ok);
  const elements = verdicts.reduce((sum, verdict) => sum + verdict.elements, 0);
  const closest = verdicts.reduce((most, verdict) => (verdict.ratio > most.ratio ? verdict : most));
  if (isJson) sayJson(verifyJson, { type: 'reference', step, elements, kinks, worst: closest.name, shareOfBound: closest.ratio, ok: bad === undefined });
  else print(`f64 reference, step ${step}: ${elements} values, the worst at ${(closest.ratio * 100).toFixed(0)} % of its bound (${closest.name})${kinks === 0 ? '' : `, ${kinks} at a kink`}: ${bad === undefined ? 'ok' : 'OUTSIDE'}`);
  return bad === undefined ? null : describeVerdict(bad);
};
