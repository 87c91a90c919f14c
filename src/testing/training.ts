/**
 * Arbitrary trainings, and running one on a machine: what is trained on one side, the machine on the other.
 *
 *   aTraining() × aClusterShape() ─▶ trainOn ─▶ weights, record
 *
 * Not here: the verdicts (same-bits.ts, matches-reference.ts).
 */
import fc from 'fast-check';
import { Cluster, type Model, type RunResult, type TrainOptions } from '../index.js';
import { someData, type DataOptions } from './data.js';
import { aModel, type ModelOptions } from './models.js';
import { anOptimizer } from './optimizers.js';
import type { ClusterShape } from './shapes.js';

/** A model and all that its trained weights may depend on. */
export interface Training {
  readonly model: Model;
  readonly options: Pick<TrainOptions, 'data' | 'optimizer' | 'steps' | 'batchSize'> & { readonly seed: number };
}

export interface TrainingLimits extends ModelOptions, DataOptions {
  /** Most steps; 3 unless given. */
  readonly stepsMax?: number;
  /** Largest global batch; 230 unless given. */
  readonly batchMax?: number;
  /** Train this model; an arbitrary one unless given. */
  readonly model?: Model;
}

/** A model, data for it, an optimizer and a batch size, in and out of step with slabs of 32. */
export const aTraining = (limits: TrainingLimits = {}): fc.Arbitrary<Training> => {
  const { stepsMax = 3, batchMax = 230 } = limits;
  return (limits.model === undefined ? aModel(limits) : fc.constant(limits.model)).chain((model) =>
    fc
      .record({ data: someData(model, limits), optimizer: anOptimizer(), steps: fc.integer({ min: 1, max: stepsMax }), batchSize: fc.integer({ min: 1, max: batchMax }), seed: fc.nat() })
      .map((options) => ({ model, options })),
  );
};

/** Starts a cluster of that shape, trains, and closes it. @throws whatever `Cluster.start`, `train` and the run throw */
export const trainOn = async (shape: ClusterShape, model: Model, options: TrainOptions): Promise<RunResult> => {
  const { microBatchSize, ...cluster } = shape;
  await using started = await Cluster.start(cluster);
  return await started.train(model, microBatchSize === undefined ? options : { ...options, microBatchSize }).finished;
};
