/**
 * How a global batch is worked off: batch size = micro-batch size × CS-2 × accumulated micro-batches. Two of them give the third; all three must agree.
 *
 * Not here: how it is dealt out (the cluster's business).
 */
import type { TrainOptions } from '../../index.js';
import type { Options } from '../options.js';
import { outside } from './rules.js';

/** Samples of a slab where a sample is one token: micro-batches end on these. */
const slab = 32;

/** @throws InvalidConfig */
export const batchOf = (options: Options, usual: number, isSequence: boolean): Pick<TrainOptions, 'batchSize' | 'microBatchSize'> => {
  const { gradAccumSteps: accumulated, microBatchSize: micro, numCsx = 1 } = options;
  if (accumulated === undefined) return { batchSize: options.batchSize ?? usual, ...(micro === undefined ? {} : { microBatchSize: micro }) };
  const parts = numCsx * accumulated;
  if (micro !== undefined) {
    const batchSize = micro * parts;
    if (options.batchSize !== undefined && options.batchSize !== batchSize) {
      throw outside('batchSize', options.batchSize, `--micro-batch-size ${micro} × ${numCsx} CS-2 × --grad-accum-steps ${accumulated} = ${batchSize}`);
    }
    if (batchSize > 2 ** 26) throw outside('gradAccumSteps', accumulated, `a batch of at most ${2 ** 26} samples`);
    return { batchSize, microBatchSize: micro };
  }
  const { batchSize = usual } = options;
  const microBatchSize = batchSize / parts;
  if (!Number.isInteger(microBatchSize)) throw outside('gradAccumSteps', accumulated, `a divisor of the batch of ${batchSize} samples on ${numCsx} CS-2`);
  if (!isSequence && accumulated > 1 && microBatchSize % slab !== 0) throw outside('gradAccumSteps', accumulated, `micro-batches of a multiple of ${slab} samples, not of ${microBatchSize}`);
  return { batchSize, microBatchSize };
};
