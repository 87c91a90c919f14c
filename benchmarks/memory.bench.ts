/**
 * Host memory: shared memory allocated by a run ÷ what training must hold (weights, previous weights, moments, gradients, kept activations), on a state of
 * more than 500 MB.
 *
 * Verified: the run's step ends with a finite loss and the sum of the state is recomputed from the model. Not here: SRAM of the emulated tiles (compiler/sram.ts).
 */
import { adamW } from '../src/index.js';
import type { Outcome } from './harness/results.js';
import { classifier, classifierData, startCluster } from './harness/training.js';
import type { BenchOptions } from './run.js';

const sizes = [1024, 4096, 4096, 1024, 10], batch = 256, MB = 1e6;
/** Tensors of a parameter's size: weights, previous weights, gradient and AdamW's two moments. */
const tensors = 5;

export const run = async (_options: BenchOptions): Promise<Outcome> => {
  const model = classifier(sizes);
  const cluster = await startCluster({ numCsx: 1, threads: 2 });
  try {
    const training = cluster.train(model, { data: classifierData(sizes[0] as number, batch, sizes.at(-1) as number), optimizer: adamW({ learningRate: 1e-3 }), steps: 1, batchSize: batch });
    const { record } = await training.finished;
    const { allocatedBytes, activationBytes } = record.memory;
    const stateBytes = model.parameterCount * 4 * tensors;
    if (!Number.isFinite(record.losses[0] ?? Number.NaN)) throw new Error('the step has no finite loss');
    if (stateBytes < 500 * MB) throw new Error('the state is too small for this figure');
    const needed = stateBytes + activationBytes;
    return {
      tables: [], verified: [`${sizes.join('-')} under AdamW, batch ${batch}: one step, loss ${record.losses[0]?.toFixed(4)}`], skipped: [], kernels: cluster.kernels,
      figures: [
        { name: 'weights, previous weights, gradients, moments', value: stateBytes / MB, unit: 'MB' },
        { name: 'activations and deltas', value: activationBytes / MB, unit: 'MB' },
        { name: 'shared memory allocated', value: allocatedBytes / MB, unit: 'MB' },
        { name: 'allocated ÷ needed', value: allocatedBytes / needed, unit: '', goal: '≤ 1.3' },
        { name: 'resident set of the process after the step', value: process.memoryUsage().rss / MB, unit: 'MB' },
      ],
    };
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
};
