/** `waferstream train`: one run from options to a summary and, if wanted, saved weights, a trace, events and tables. Not here: verification (verify.ts). */
import { price, spansOf } from '../index.js';
import { sayJson } from './json/say.js';
import { trainJson } from './json/training.js';
import { flagOf, type OptionName, type Options } from './options.js';
import { figuresOfPrice } from './plan/figures.js';
import { machineOfOptions } from './plan/job.js';
import { jsonProgress, print, showCount, showLoss, showRate, showSkipped } from './progress.js';
import { checkFilePlace, writeReport } from './report.js';
import { lossOf, runJob, unitOf } from './run.js';
import { clusterShape } from './setup/cluster.js';
import { setUp, type Defaults } from './setup/job.js';
import { openOutputs, type Written } from './setup/outputs.js';
import { refuse } from './setup/rules.js';
import { checkSave, saveWeights } from './setup/save.js';
import { tiersLine } from './tiers-line.js';
import { formatBytes } from '../util/units.js';
import { flopsLine, flopsOf, inAll, sparsityShare, sparsityTable } from './sparsity-table.js';

/** What is trained where options do not say. */
export const trainDefaults: Defaults = {
  steps: 100,
  small: { hidden: 256, layers: 2, embed: 32, context: 12, batchSize: 256 },
  transformer: { layers: 4, heads: 4, dim: 128, context: 128, batchSize: 16 },
};

/** Files that hold what the run would take on a machine. */
const pricedFiles = ['report', 'trace', 'tensorboard', 'csv'] as const satisfies readonly OptionName[];

/** Files beside the weights, for people. */
const writtenLines = ({ trace, tensorboard, csv, hostTurns }: Written): readonly string[] => [
  ...(trace === null ? [] : [`trace of a step on the machine and of ${showCount(hostTurns ?? 0)} turns of threads in ${trace}: open it in ui.perfetto.dev`]),
  ...(tensorboard === null ? [] : [`events for TensorBoard in ${tensorboard}`]),
  ...(csv.length === 0 ? [] : [`tables in ${csv.join(', ')}`]),
];

export const train = async (options: Options, signal: AbortSignal): Promise<number> => {
  const shape = clusterShape(options, signal);
  const job = await setUp(options, trainDefaults);
  const machine = pricedFiles.some((name) => options[name] !== undefined) ? await machineOfOptions(options) : null;
  if (machine === null) refuse(options, ['machine'], `has no effect without ${pricedFiles.map(flagOf).join(', ')}`);
  await checkFilePlace(options, 'report');
  await checkSave(options, job.model, job.train.sparsity !== undefined);
  signal.throwIfAborted();
  using outputs = openOutputs(options);
  const done = await runJob(outputs.hostTrace ? { ...job, train: { ...job.train, hostTrace: true } } : job, shape, options.json === true ? jsonProgress((line) => sayJson(trainJson, line)) : 'lines', outputs);
  const { plan, threads, kernels, lossFirst, lossLast, samples, tokens, evaluations, seconds, record } = done;
  const saved = await saveWeights(options, job, done);
  const { work } = record, virtual = machine === null ? undefined : { work, price: price(work, machine), spans: spansOf(work, machine) }, priced = virtual?.price ?? null;
  const written = outputs.finish(done, virtual), dropped = written.hostTurnsDropped ?? 0;
  if (dropped > 0) process.stderr.write(`${showCount(dropped)} turns of threads, the oldest, had no room in the trace\n`);
  if (options.report !== undefined && machine !== null && priced !== null) await writeReport(options.report, { title: `${job.model.name}, ${record.steps} steps on ${work.numCsx} CS-2`, work, price: priced, machine, record });
  const { sparsity } = record, { total } = record.counts;
  if (options.json === true) {
    sayJson(trainJson, {
      type: 'summary', steps: record.steps, parameters: job.model.parameterCount, numCsx: record.shape.numCsx, ...plan, threads, kernels,
      entropy: job.entropy, lossFirst, lossLast, evaluation: evaluations.at(-1) ?? null, samples, tokens, seconds, samplesPerSecond: samples / seconds, tokensPerSecond: tokens / seconds,
      sparse: sparsity.map((line) => ({ ...line, sparsity: sparsityShare(line) })), sparsity: sparsityShare(inAll(sparsity)), ...flopsOf(total),
      precision: record.precision, skippedSteps: record.skippedSteps, lossScale: record.lossScale, tiers: record.tiers, checkpoints: record.checkpoints, saved: options.save ?? null, written, predicted: priced === null ? null : figuresOfPrice(priced), report: options.report ?? null, weightsDigest: record.weightsDigest,
    });
    return 0;
  }
  const of = lossOf(job), unit = unitOf(job);
  if (record.steps < job.train.steps) print(`stopped after ${record.steps} of ${job.train.steps} steps: no new lowest loss in ${options.patience} evaluations`);
  print(`loss ${showLoss(lossFirst, of)} → ${showLoss(lossLast, of)}${job.entropy === null ? '' : `; entropy of single bytes ${showLoss(job.entropy.nats, 'byte')}`}`);
  if (record.skippedSteps > 0) print(showSkipped(record.skippedSteps, record.lossScale, ''));
  if (sparsity.length > 0) {
    print(sparsityTable(sparsity));
    print(flopsLine(total));
  }
  if (record.tiers !== null) print(tiersLine(record.tiers));
  if (record.checkpoints.count > 0) print(`${record.checkpoints.count} checkpoint${record.checkpoints.count === 1 ? '' : 's'}, ${formatBytes(record.checkpoints.bytes)}, in ${options.checkpointDir}`);
  print(`weights ${record.weightsDigest}; ${seconds.toFixed(2)} s, ${showRate(unit, { samples, tokens }[unit], seconds)}`);
  if (saved !== null) print(`saved to ${saved}`);
  for (const line of writtenLines(written)) print(line);
  if (priced !== null) print(`on ${priced.machine}: ${priced.step.seconds.toPrecision(3)} s a step, ${showCount(priced.step.tokensPerSecond)} tokens/s; ${priced.verdict}`);
  if (options.report !== undefined) print(`report in ${options.report}`);
  return 0;
};
