/**
 * The property-test kit (`waferstream/testing`): arbitraries for fast-check, and the two verdicts that every run must pass.
 *
 *   aTraining() × aClusterShape() ─▶ trainOn ─▶ assertSameBits · assertMatchesReference
 *
 * fast-check is an optional peer: install it beside waferstream. docs/guides/testing-your-own-model.md shows the kit at work.
 * Not here: the emulator (`waferstream`).
 */
export { aModel, type ModelOptions } from './models.js';
export { aTransformer, type TransformerOptions } from './transformers.js';
export { someData, type DataOptions } from './data.js';
export { aClusterShape, optionsOn, roomyWafer, type ClusterShape, type ShapeOptions } from './shapes.js';
export { anOptimizer, aSchedule, type OptimizerOptions } from './optimizers.js';
export { aPrecision, type PrecisionChoices } from './precision.js';
export { aSparsity, mayBeSparse, type SparsityChoices } from './sparsity.js';
export { aTraining, trainOn, type Training, type TrainingLimits } from './training.js';
export { assertSameBits } from './same-bits.js';
export { assertMatchesReference, type ReferenceOptions } from './matches-reference.js';
export { compareWithReference, type StepVerdicts } from '../index.js';
export { describeVerdict, type Verdict } from '../reference/compare.js';
