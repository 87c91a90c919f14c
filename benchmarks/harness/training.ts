/** Timed training on the emulated cluster: seconds of warmed steps, and the data that every side of a benchmark makes for itself. Not here: peers. */
import { Cluster, mlp, type ClusterOptions, type Model, type NamedTensor, type Optimizer, type RunResult, type Sparsity, type TrainingData } from '../../src/index.js';
import { made } from './data.js';

/** Steps at the start of a run that are not counted: pages are touched and code is compiled. */
const warmSteps = 2;

/** The batch of peers/protocol.ts as training data: every step sees the whole of it. */
export const classifierData = (features: number, samples: number, classes: number): TrainingData & { readonly kind: 'features' } => ({
  kind: 'features', inputs: made(samples * features, 1, 2), labels: Int32Array.from({ length: samples }, (_, i) => i % classes),
});

/** First weights of peers/protocol.ts: layer l by salt 10 + l, scale 2/√inputs; biases 0. */
export const firstWeights = (model: Model): readonly NamedTensor[] => {
  let layer = 0;
  return model.parameters.map(({ name, shape, size, role }) => {
    if (role === 'bias') return { name, shape, data: new Float32Array(size) };
    return { name, shape, data: made(size, 10 + layer++, 2 / Math.sqrt(shape[0] ?? 1)) };
  });
};

export interface Trained {
  readonly seconds: readonly number[];
  readonly losses: readonly number[];
  readonly result: RunResult;
}

export interface Job {
  readonly model: Model;
  readonly data: TrainingData;
  readonly optimizer: Optimizer;
  readonly batchSize: number;
  readonly weights?: readonly NamedTensor[];
  readonly sparsity?: Sparsity;
}

/** A run of warm-up and `steps` more; returns the seconds of the latter. */
export const trainTimed = async (cluster: Cluster, job: Job, steps: number): Promise<Trained> => {
  const run = cluster.train(job.model, { ...job, steps: steps + warmSteps, seed: 0 });
  const seconds: number[] = [], losses: number[] = [];
  for await (const step of run) {
    losses.push(step.loss);
    if (step.step >= warmSteps) seconds.push(step.seconds);
  }
  return { seconds, losses, result: await run.finished };
};

export const startCluster = (options: ClusterOptions): Promise<Cluster> => Cluster.start(options);
export const classifier = (sizes: readonly number[]): Model => mlp(sizes);
