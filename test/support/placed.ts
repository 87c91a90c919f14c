/** What a run is compiled and dealt to, made once more for whoever checks it: the program (with its logits held) and the shape of its batch. Not here: any check. */
import { dealBatch, lanesIn, slabsPerWafer, type BatchShape } from '../../src/cluster/deal.js';
import { compile } from '../../src/compiler/compile.js';
import type { Program } from '../../src/compiler/program.js';
import { specs, type Model, type TrainOptions } from '../../src/index.js';
import { optionsOn, type ClusterShape } from '../../src/testing/index.js';

export interface Placed {
  readonly program: Program;
  readonly batch: BatchShape;
}

const slabTokens = 32;

export const place = (model: Model, options: TrainOptions, shape: ClusterShape): Placed => {
  const { training } = optionsOn(shape, model, options), { tokensPerSample } = model, numCsx = shape.numCsx ?? 1;
  const batch = { samples: options.batchSize, tokensPerSample, numCsx, slabsPerWafer: slabsPerWafer(options.batchSize, numCsx, slabTokens, training.microBatchSize, tokensPerSample), slabTokens };
  const tokens = Math.max(...dealBatch(batch).flatMap(({ wafers }) => wafers.map((range) => lanesIn(range, batch))));
  const wafer = shape.wafer ?? 'auto';
  return { batch, program: compile(model, { tokens, wafer, spec: wafer === 'auto' ? specs.wse2 : (wafer.spec ?? specs.wse2), recompute: training.recompute ?? 'auto', logits: 'held', ...(options.precision === undefined ? {} : { numbers: options.precision }) }) };
};
