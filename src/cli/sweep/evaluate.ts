/**
 * One point of a sweep: planned and priced, or trained and priced; a setting that cannot be is a result too.
 *
 * Host seconds are of this machine and differ from run to run; everything else is the same anywhere. Not here: processes (lanes.ts), tables (sweep/table.ts).
 */
import { InvalidConfig, price, specs, type ClusterOptions } from '../../index.js';
import { refusalOf, type Figures, type PointResult } from '../../sweep/results.js';
import type { Parameters } from '../../sweep/values.js';
import { figuresOfPlan, mainCause } from '../plan/figures.js';
import { planJobOf, priced } from '../plan/job.js';
import { runJob } from '../run.js';
import { clusterShape } from '../setup/cluster.js';
import { setUp } from '../setup/job.js';
import { refuse } from '../setup/rules.js';
import { trainDefaults } from '../train.js';
import { settingsOf, type PointKind, type PointSettings } from './parameters.js';

const plannedPoint = async ({ options, machine }: PointSettings): Promise<Figures> => figuresOfPlan(priced(await planJobOf(options, machine)));

/** The smallest rectangle is found for WSE-2's tiles: others are asked for by their rectangle. @throws InvalidConfig */
const waferOf = ({ options, machine: { wafer } }: PointSettings, shape: ClusterOptions): NonNullable<ClusterOptions['wafer']> => {
  const { rectangle } = options;
  if (rectangle !== undefined) refuse(options, ['rows', 'cols'], 'says what the rectangle says');
  if (typeof rectangle === 'object') return { ...rectangle, spec: wafer };
  if (rectangle === 'whole') return { rows: wafer.rowsMax, cols: wafer.colsMax, spec: wafer };
  if (typeof shape.wafer === 'object') return { ...shape.wafer, spec: wafer };
  if (wafer.sramBytesPerTile !== specs.wse2.sramBytesPerTile || wafer.codeBytesPerTile !== specs.wse2.codeBytesPerTile) {
    throw new InvalidConfig({ what: 'the smallest rectangle of tiles with other SRAM than those of WSE-2', hint: 'name a rectangle' });
  }
  return 'auto';
};

const trainedPoint = async (settings: PointSettings, threads: number | 'auto'): Promise<Figures> => {
  const { rectangle: _, ...options } = settings.options;
  // It runs to its end: a sweep stops at the edge of a point.
  const shape = clusterShape({ threads, ...options }, new AbortController().signal);
  const job = await setUp(options, trainDefaults), { record, plan, lossFirst, lossLast, evaluations, seconds } = await runJob(job, { ...shape, wafer: waferOf(settings, shape) }, 'nothing');
  const predicted = price(record.work, settings.machine);
  return {
    rows: plan.rows, cols: plan.cols, microBatches: plan.microBatches, steps: record.steps, lossFirst, lossLast, evaluationLoss: evaluations.at(-1)?.loss ?? null, skippedSteps: record.skippedSteps,
    weightsDigest: record.weightsDigest, predictedSeconds: predicted.totalSeconds, predictedSecondsAStep: predicted.step.seconds, utilization: predicted.flops.utilization, boundBy: mainCause(predicted), hostSeconds: seconds,
  };
};

/** `threads`: of a run that does not say. @throws what does not follow from the parameters, such as a file that is missing */
export const evaluatePoint = async (kind: PointKind, parameters: Parameters, threads: number | 'auto'): Promise<PointResult> => {
  try {
    const settings = await settingsOf(parameters);
    return { figures: await (kind === 'plan' ? plannedPoint(settings) : trainedPoint(settings, threads)) };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    return refusal;
  }
};
