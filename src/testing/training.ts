/**
 * Arbitrary trainings, and running one on a machine: what is trained on one side, the machine on the other.
 *
 *   aTraining() × aClusterShape() ─▶ trainOn ─▶ weights, record
 *
 * Not here: the verdicts (same-bits.ts, matches-reference.ts).
 */
import fc from 'fast-check';
import { Cluster, type Model, type Precision, type RunResult, type Sparsity, type TrainOptions } from '../index.js';
import { someData, type DataOptions } from './data.js';
import { aModel, type ModelOptions } from './models.js';
import { anOptimizer } from './optimizers.js';
import { optionsOn, type ClusterShape } from './shapes.js';
import { aPrecision, type PrecisionChoices } from './precision.js';
import { aSparsity } from './sparsity.js';
import { aTransformer, type TransformerOptions } from './transformers.js';

/** A model and all that its trained weights may depend on. */
export interface Training {
  readonly model: Model;
  readonly options: Pick<TrainOptions, 'data' | 'optimizer' | 'steps' | 'batchSize' | 'clipNorm' | 'sparsity' | 'precision'> & { readonly seed: number };
}

export interface TrainingLimits extends ModelOptions, TransformerOptions, DataOptions {
  /** Most steps; 3 unless given. */
  readonly stepsMax?: number;
  /** Largest global batch, in tokens; 230 unless given. A few sequences are drawn in any case. */
  readonly batchMax?: number;
  /** Transformers in half of the cases, unless `input` says what a model reads; true unless given. 'only': in all. */
  readonly transformers?: boolean | 'only';
  /** Sparse weights in a third of the cases where a model has a weight that may be sparse; true unless given. 'only': in all of these. */
  readonly sparsity?: boolean | 'only';
  /** Narrow types in a quarter of the cases; true unless given. 'only': in all, with what may be drawn there. */
  readonly precision?: boolean | 'only' | PrecisionChoices;
  /** Train this model; an arbitrary one unless given. */
  readonly model?: Model;
}

/** Most sequences of a batch, and fewest that it may come to. */
const sequencesMax = 12, sequencesMin = 4;

const someModel = (limits: TrainingLimits): fc.Arbitrary<Model> => {
  const { transformers = true } = limits;
  if (limits.model !== undefined) return fc.constant(limits.model);
  if (transformers === 'only') return aTransformer(limits);
  return transformers && (limits.input ?? 'any') === 'any' ? fc.oneof(aModel(limits), aTransformer(limits)) : aModel(limits);
};

const someSparsity = (model: Model, { sparsity = true }: TrainingLimits): fc.Arbitrary<Sparsity | undefined> => {
  if (sparsity === false) return fc.constant(undefined);
  return sparsity === 'only' ? aSparsity(model) : fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: aSparsity(model) });
};

const somePrecision = ({ precision = true }: TrainingLimits): fc.Arbitrary<Precision | undefined> => {
  if (precision === false) return fc.constant(undefined);
  if (precision === 'only') return aPrecision();
  return fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: aPrecision(precision === true ? {} : precision) });
};

/** A model, data for it, an optimizer and a batch size, in and out of step with slabs of 32; now and then the gradient is clipped, weights are sparse, numbers are narrow. */
export const aTraining = (limits: TrainingLimits = {}): fc.Arbitrary<Training> => {
  const { stepsMax = 3, batchMax = 230 } = limits;
  return someModel(limits).chain((model) => {
    const most = model.tokensPerSample === 1 ? batchMax : Math.min(sequencesMax, Math.max(sequencesMin, Math.floor(batchMax / model.tokensPerSample)));
    return fc
      .record({
        data: someData(model, limits), optimizer: fc.record({ dense: anOptimizer(), sparse: anOptimizer({ adafactor: false }) }), steps: fc.integer({ min: 1, max: stepsMax }), batchSize: fc.integer({ min: 1, max: most }), seed: fc.nat(),
        clipNorm: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.double({ min: 0.01, max: 3, noNaN: true }) }),
        sparsity: someSparsity(model, limits), precision: somePrecision(limits),
      })
      .map(({ clipNorm, sparsity, precision, optimizer: { dense, sparse }, ...options }) => ({ model, options: { ...options, optimizer: sparsity === undefined ? dense : sparse, ...(clipNorm === undefined ? {} : { clipNorm }), ...(sparsity === undefined ? {} : { sparsity }), ...(precision === undefined ? {} : { precision }) } }));
  });
};

/** Starts a cluster of that shape, trains, and closes it. @throws whatever `Cluster.start`, `train` and the run throw */
export const trainOn = async (shape: ClusterShape, model: Model, options: TrainOptions): Promise<RunResult> => {
  const { cluster, training } = optionsOn(shape, model, options);
  await using started = await Cluster.start(cluster);
  return await started.train(model, training).finished;
};
