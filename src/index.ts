/**
 * The public door: everything a user of the emulator may import, by name. Not here: the property-test kit (`waferstream/testing`).
 */
export { Cluster } from './emulator/cluster.js';
export { startRemote, type RemoteCluster, type RemoteListeners } from './emulator/remote.js';
export type { ClusterOptions, EvaluationOptions, KernelChoice, TrainOptions } from './emulator/options.js';
export { Generation, type GenerateOptions, type GenerationRecord, type GenerationResult, type Prompt } from './emulator/generate.js';
export type { GeneratedToken } from './cluster/coordinator/generation.js';
export { Run, type Inspection, type RunPlan, type RunResult } from './emulator/run.js';
export type { EvaluationReport, StepReport } from './cluster/coordinator/training.js';
export type { Recompute } from './compiler/program.js';
export { model } from './model/build.js';
export type { Heads, InputSpec, Initializer, Layer, LayerSpec, Model, ParameterSpec, RotaryScaling } from './model/graph.js';
export { attention, block, dropout, embedding, features, gelu, layerNorm, linear, relu, residual, rmsNorm, rotary, sequence, swiglu, tokens } from './model/layers.js';
export { byteLm, mlp } from './model/presets/small.js';
export { gpt, type GptOptions } from './model/presets/gpt.js';
export { llama, type LlamaOptions } from './model/presets/llama.js';
export { gptShape, gptShapes, llamaShape, llamaShapes } from './model/presets/shapes.js';
export { adam, adamW, decayMatricesOnly, sgd, type Optimizer, type ParameterGroup } from './model/optimizer.js';
export { constant, cosine, linearDecay, linearWarmup, type Schedule } from './model/schedule.js';
export type { TrainingData } from './model/data.js';
export { specs, type WaferSpec } from './spec/wafer.js';
export { digest, firstDifference, type Difference, type NamedTensor } from './tensor/named.js';
export type { RunRecord, CountsByDevice } from './trace/record.js';
export type { Action, Counts } from './trace/counts.js';
export { ActorFailed, CorruptFile, DoesNotFit, EmulatorBug, InvalidConfig, InvalidModel, NonFiniteLoss, NotEmulated, WaferstreamError } from './util/errors.js';
export { compareWithReference, type StepVerdicts } from './emulator/against-reference.js';
export { describeVerdict, type Verdict } from './reference/compare.js';
export { bytesEntropy, readText } from './formats/text.js';
export { openSafetensors, type SafetensorsFile, type StoredTensor } from './formats/safetensors/open.js';
export { writeSafetensors, type TensorToWrite, type WriteOptions, type WrittenCheckpoint } from './formats/safetensors/write.js';
export { describeCheckpoint, inspectCheckpoint, type CheckpointInspection } from './formats/inspect.js';
export { bytesTokenizer, type IncrementalDecoder, type Tokenizer } from './formats/tokenizer.js';
export { readTokenizer } from './formats/tokenizer-json.js';
export { readTokens, splitTokens, type ReadTokensOptions, type TokenIds, type Tokens } from './formats/tokens.js';
export { configOfModel, modelOfConfig, readModelConfig, type ConfigOptions, type ModelConfig } from './formats/hugging-face/config.js';
export { readCheckpoint, writeCheckpoint, type CheckpointOptions } from './formats/hugging-face/checkpoint.js';
export { findIdxPair, readIdx, readIdxPair } from './formats/idx.js';
