/** The JSON of commands that train: `train`, `verify`, `demo`. Lines, since they tell as they go. Not here: printing (say.ts). */
import * as v from 'valibot';
import { recomputes } from '../../compiler/program.js';
import { about, count, line, listOf, loose, real, share, sparseWeight, text, type JsonOf } from './kinds.js';
import { predicted, reportPath } from './plan.js';

const tiersOfStep = v.strictObject({
  readBytes: about(count, 'bytes read from flash since the step before'), writtenBytes: about(count, 'bytes written to flash'), waitedSeconds: about(real, 'waiting of all parts of the step, added up'),
});

const step = {
  step: about(count, 'from 0'),
  loss: about(loose, 'mean loss over the global batch, in nats; null where it is no number and the step was skipped'),
  learningRate: about(real, 'learning rate of the step'),
  samples: about(count, 'samples of the global batch'),
  tokens: about(count, 'tokens of the global batch that have a label'),
  gradientNorm: v.exactOptional(about(loose, 'global norm of the gradient before clipping; with --clip-norm')),
  lossScale: v.exactOptional(about(real, 'factor on the losses; where the loss is scaled')),
  skipped: v.exactOptional(about(v.boolean(), 'whether the step changed nothing, for a gradient that is not finite; where the loss is scaled')),
  masksUpdated: v.exactOptional(about(count, 'masks that changed behind the step; where weights are sparse')),
  sparsity: v.exactOptional(about(share, 'share of positions of sparse weights that is not stored from then on; where weights are sparse')),
  tiers: v.exactOptional(about(tiersOfStep, 'what the flash tier did; with --flash-dir')),
  seconds: about(real, 'host time since the step before was acknowledged'),
};

const evaluation = {
  step: about(count, 'steps done'), loss: about(loose, 'mean loss over the evaluation batches, in nats'), perplexity: about(loose, 'e to the loss; null where it is too large for a number'), batches: about(count, 'batches of the evaluation'),
};

const entropy = v.nullable(v.strictObject({ bits: about(real, 'a byte'), nats: about(real, 'a byte') }));

const common = {
  numCsx: about(count, 'CS-2 systems'), threads: about(count, 'worker threads'), kernels: about(text, 'build of the kernels'), weightsDigest: about(text, 'SHA-256 of the final weights, 16 hexadecimal digits'),
};

const plan = {
  rows: about(count, 'rows of tiles of each wafer'), cols: about(count, 'columns of tiles of each wafer'), tiles: about(count, 'tiles of each wafer'),
  sramBytesMax: about(count, 'SRAM of the fullest tile, in bytes'), sramLimitBytes: about(count, 'SRAM that a tile has'),
  microBatches: about(count, 'micro-batches of a step'), microBatchSize: about(count, 'samples that one CS-2 works on at a time'),
  recompute: about(v.picklist(recomputes), "what of a block's activations is computed again, or waits off the wafer"), blocks: about(count, 'weight blocks of a forward pass'), allocatedBytes: about(count, 'shared memory of the host'),
};

const tiers = v.strictObject({
  dram: about(v.strictObject({
    budgetBytes: about(v.nullable(count), '--dram; null: no limit'), bytes: about(count, 'that MemoryX takes'), stateBytesMax: about(count, 'most bytes of state at once'),
  }), "MemoryX's DRAM"),
  flash: about(v.strictObject({
    shards: about(count, 'units, each with its file'), readBytes: about(count, 'by all units'), writtenBytes: about(count, 'by all units'), readRate: about(loose, 'bytes a second, while lanes were at it'),
    writeRate: about(loose, 'bytes a second, while lanes were at it'), commits: about(count, 'steps that were made durable'), commitSeconds: about(real, 'host time of them'),
  }), 'the flash tier'),
  hitRate: about(loose, 'share of what parts of steps wanted that was in DRAM already'), waitedSeconds: about(real, 'that parts of steps waited, added up'),
  boundBy: about(v.picklist(['wafers', 'reading flash', 'writing flash', 'making steps durable']), 'what bounded the steps'),
});

const written = v.strictObject({
  trace: about(v.nullable(text), 'file of --trace'), tensorboard: about(v.nullable(text), 'event file in the folder of --tensorboard'), csv: about(listOf(text), 'files of --csv'),
  hostTurns: about(v.nullable(count), 'turns of threads in the trace'), hostTurnsDropped: about(v.nullable(count), 'older turns that had no room in it'),
});

const trainSummary = {
  steps: about(count, 'steps done, those before --resume included'), parameters: about(count, 'parameters of the model'), numCsx: common.numCsx, ...plan,
  threads: common.threads, kernels: common.kernels, entropy: about(entropy, 'entropy of single bytes; null where the data is not bytes'),
  lossFirst: about(loose, 'of the first step of this run'), lossLast: about(loose, 'of its last step'), evaluation: about(v.nullable(v.strictObject(evaluation)), 'the last evaluation'),
  samples: about(count, 'samples of all steps'), tokens: about(count, 'tokens with a label of all steps'), seconds: about(real, 'host time of all steps'), samplesPerSecond: about(loose, 'host speed'), tokensPerSecond: about(loose, 'host speed'),
  sparse: about(listOf(v.strictObject({ ...sparseWeight, imbalance: about(loose, 'stored positions of the fullest column of tiles ÷ their mean') })), 'sparse weights'),
  sparsity: about(share, 'of all sparse weights together'), flopsDone: about(count, 'floating-point operations of matrix products'), flopsSaved: about(count, 'those that dense weights would have needed besides'),
  precision: about(v.unknown(), 'numbers of weights and activations, and the rules of the loss scale'), skippedSteps: about(count, 'steps that changed nothing'), lossScale: about(v.nullable(real), 'for the next step; null where there is none'),
  tiers: about(v.nullable(tiers), 'what was asked of DRAM and flash; null without --flash-dir'), checkpoints: about(v.strictObject({ count: about(count, 'how many'), bytes: about(count, 'of all of them') }), 'checkpoints that were written'),
  saved: about(v.nullable(text), 'path of --save'), written: about(written, 'files beside the weights'), predicted, report: reportPath, weightsDigest: common.weightsDigest,
};

const version = 1;
export const trainJson = {
  command: 'train', version, form: 'lines',
  schema: v.variant('type', [line('train', version, 'step', step), line('train', version, 'evaluation', evaluation), line('train', version, 'summary', trainSummary)]),
} as const satisfies JsonOf<v.GenericSchema>;

const shapeOfRun = {
  numCsx: common.numCsx, rows: plan.rows, cols: plan.cols, microBatches: plan.microBatches, slabsPerWafer: about(count, 'slabs of 32 tokens or samples that a wafer holds'), threads: common.threads,
  dispatcher: about(text, 'thread or local'), kernels: common.kernels, microBatchSize: plan.microBatchSize,
  scheduleSeed: about(v.nullable(count), 'order of turns; null: round robin, or that of the threads'), weightsDigest: common.weightsDigest,
  same: about(v.boolean(), 'whether weights and losses are those of the first shape'), difference: about(v.nullable(text), 'the first difference'),
};
const reference = {
  step: about(count, 'from 0'), elements: about(count, 'values that were judged'), kinks: about(count, 'inputs of ReLU too near to zero to judge'), worst: about(text, 'the tensor that is nearest to its bound'),
  shareOfBound: about(loose, 'its distance from the f64 reference ÷ its bound'), ok: about(v.boolean(), 'all are within their bounds'),
};
const verifySummary = {
  shapes: about(count, 'shapes that were run'), same: about(v.boolean(), 'the same bits on all'), difference: about(v.nullable(text), 'the first one'), referenceSteps: about(count, 'steps that the reference judged'),
  withinBounds: about(v.boolean(), 'all values that the reference judged'), outside: about(v.nullable(text), 'the first value outside its bound'),
};
export const verifyJson = {
  command: 'verify', version, form: 'lines',
  schema: v.variant('type', [line('verify', version, 'shape', shapeOfRun), line('verify', version, 'reference', reference), line('verify', version, 'summary', verifySummary)]),
} as const satisfies JsonOf<v.GenericSchema>;

/** What a model wrote behind a prompt. */
export const textOfPrompt = {
  place: about(count, 'number of the prompt, from 0'), prompt: about(text, 'as it was given'), text: about(text, 'what was added to it'), tokens: about(count, 'tokens of it'), ended: about(v.boolean(), 'its last token was the end of a document'),
};
const demoSummary = {
  entropy: about(entropy, 'entropy of single bytes'), lossLast: about(loose, 'of the last step'), evaluation: about(v.nullable(v.strictObject(evaluation)), 'the last evaluation'), tokens: about(count, 'tokens with a label of all steps'),
  seconds: about(real, 'host time of all steps'), tokensPerSecond: about(loose, 'host speed'), weightsDigest: common.weightsDigest,
};
const proof = {
  steps: about(count, 'of each run'), digests: about(listOf(v.strictObject({ numCsx: common.numCsx, weightsDigest: common.weightsDigest })), 'runs that differ in the number of CS-2'),
  same: about(v.boolean(), 'the same bits on all'),
};
export const demoJson = {
  command: 'demo', version, form: 'lines',
  schema: v.variant('type', [
    line('demo', version, 'step', step), line('demo', version, 'evaluation', evaluation), line('demo', version, 'summary', demoSummary), line('demo', version, 'text', textOfPrompt), line('demo', version, 'proof', proof),
  ]),
} as const satisfies JsonOf<v.GenericSchema>;
