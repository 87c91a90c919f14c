/**
 * The public door: everything a user of the emulator may import, by name. Not here: the property-test kit (`waferstream/testing`).
 */
export { Cluster } from './emulator/cluster.js';
export { startRemote, type RemoteCluster, type RemoteListeners } from './emulator/remote.js';
export type { ClusterOptions, KernelChoice, TrainOptions } from './emulator/options.js';
export { Run, type Inspection, type RunPlan, type RunResult } from './emulator/run.js';
export type { StepReport } from './cluster/coordinator/training.js';
export { model } from './model/build.js';
export type { Heads, InputSpec, Initializer, Layer, LayerSpec, Model, ParameterSpec, RotaryScaling } from './model/graph.js';
export { attention, block, dropout, embedding, features, gelu, layerNorm, linear, relu, residual, rmsNorm, rotary, sequence, swiglu, tokens } from './model/layers.js';
export { byteLm, mlp } from './model/presets/small.js';
export { gpt, type GptOptions } from './model/presets/gpt.js';
export { llama, type LlamaOptions } from './model/presets/llama.js';
export { gptShape, gptShapes, llamaShape, llamaShapes } from './model/presets/shapes.js';
export { adam, adamW, sgd, type Optimizer } from './model/optimizer.js';
export { constant, cosine, linearWarmup, type Schedule } from './model/schedule.js';
export type { TrainingData } from './model/data.js';
export { specs, type WaferSpec } from './spec/wafer.js';
export { digest, firstDifference, type Difference, type NamedTensor } from './tensor/named.js';
export type { RunRecord, CountsByDevice } from './trace/record.js';
export type { Action, Counts } from './trace/counts.js';
export { ActorFailed, CorruptFile, DoesNotFit, EmulatorBug, InvalidConfig, InvalidModel, NonFiniteLoss, NotEmulated, WaferstreamError } from './util/errors.js';
export { compareWithReference, type StepVerdicts } from './emulator/against-reference.js';
export { describeVerdict, type Verdict } from './reference/compare.js';
export { bytesEntropy, readText } from './formats/text.js';
export { findIdxPair, readIdx, readIdxPair } from './formats/idx.js';
