/**
 * Reads golden values of transformers: a GPT-2 and a Llama stack run by PyTorch (test/golden/make_transformers.py), as this project's models and arrays.
 *
 *   model, parameters      config.json and model.safetensors of the folder, through the project's own readers
 *   batch, value(…)        one batch; activations and deltas of its layers, gradients of its parameters, read without the project's readers
 *   batches, runs          50 batches and the losses of AdamW over them; dataAs(seed) lays the batches out so that a run with that seed draws them in order
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModelConfig } from '../../src/formats/hugging-face/config.js';
import { readCheckpoint } from '../../src/formats/hugging-face/checkpoint.js';
import { sampleAt, type TrainingData } from '../../src/model/data.js';
import type { Model } from '../../src/model/graph.js';
import { adamW, type Optimizer } from '../../src/model/optimizer.js';
import type { NamedTensor } from '../../src/tensor/named.js';
import { projectRoot } from './golden.js';

export interface TransformerRun {
  readonly optimizer: Optimizer;
  /** Largest global norm of the gradient, or null. */
  readonly clip: number | null;
  /** Loss of each step before its update, by PyTorch in float64 and in float32. */
  readonly losses64: readonly number[];
  readonly losses32: readonly number[];
  /** Global norms before clipping; empty without it. */
  readonly norms64: readonly number[];
}

export interface Generation {
  readonly prompt: readonly number[];
  /** The 24 tokens behind the prompt, greedy, by float64. */
  readonly tokens: readonly number[];
  /** At each of them, how far the best logit is above the second. */
  readonly gaps: readonly number[];
}

interface Batch {
  /** [samples · tokensPerSample] */
  readonly inputs: Int32Array;
  readonly labels: Int32Array;
}

export interface GoldenTransformer {
  /** The folder that holds config.json and model.safetensors. */
  readonly folder: string;
  readonly model: Model;
  readonly parameters: readonly NamedTensor[];
  readonly batch: Batch;
  readonly loss: number;
  /** Activations and deltas are rounded to float32, gradients are float64. */
  value(kind: 'activations' | 'deltas' | 'gradients', name: string): Float32Array | Float64Array;
  /** Names of all values of a kind. */
  names(kind: 'activations' | 'deltas' | 'gradients'): readonly string[];
  readonly samplesPerBatch: number;
  readonly batches: readonly Batch[];
  readonly runs: readonly TransformerRun[];
  /** Empty for the Llama. */
  readonly generation: readonly Generation[];
  /** Training data from which a run with this seed and batch size `samplesPerBatch` draws `batches` in order. */
  dataAs(seed: number): TrainingData;
}

interface File {
  readonly ids: readonly (readonly number[])[];
  readonly labels: readonly (readonly number[])[];
  readonly loss: number;
  readonly batches: readonly (readonly (readonly number[])[])[];
  readonly runs: readonly { readonly optimizer: { readonly learningRate: number; readonly weightDecay: number; readonly beta2?: number }; readonly clip: number | null; readonly losses64: readonly number[]; readonly norms64: readonly number[]; readonly losses32: readonly number[] }[];
  readonly generation?: readonly Generation[];
}

const readTensors = (path: string): Map<string, Float32Array | Float64Array> => {
  const bytes = readFileSync(path), length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, { readonly dtype: 'F32' | 'F64'; readonly data_offsets: readonly [number, number] }>;
  return new Map(Object.entries(header).filter(([name]) => name !== '__metadata__').map(([name, { dtype, data_offsets: [begin, end] }]) => {
    const data = new Uint8Array(bytes.subarray(8 + length + begin, 8 + length + end)).buffer;
    return [name, dtype === 'F64' ? new Float64Array(data) : new Float32Array(data)];
  }));
};

export const loadTransformer = async (name: 'gpt2' | 'llama'): Promise<GoldenTransformer> => {
  const folder = join(projectRoot(), 'test', 'golden', name);
  const file = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as File;
  const tensors = readTensors(join(folder, 'golden.safetensors'));
  const { model } = await readModelConfig(folder);
  const batches = file.batches.map((batch): Batch => ({ inputs: Int32Array.from(batch.flatMap((ids) => ids.slice(0, -1))), labels: Int32Array.from(batch.flatMap((ids) => ids.slice(1))) }));
  const samplesPerBatch = file.ids.length, length = model.tokensPerSample;
  return {
    folder, model, parameters: (await readCheckpoint(model, folder)).weights,
    batch: { inputs: Int32Array.from(file.ids.flat()), labels: Int32Array.from(file.labels.flat()) },
    loss: file.loss,
    value: (kind, of) => {
      const found = tensors.get(`${kind}.${of}`);
      if (found === undefined) throw new Error(`no golden ${kind} of ${of}`);
      return found;
    },
    names: (kind) => [...tensors.keys()].filter((key) => key.startsWith(`${kind}.`)).map((key) => key.slice(kind.length + 1)),
    samplesPerBatch, batches,
    runs: file.runs.map(({ optimizer, ...rest }) => ({ optimizer: adamW(optimizer), ...rest })),
    generation: file.generation ?? [],
    dataAs: (seed) => {
      const samples = batches.length * samplesPerBatch, ids = new Int32Array(samples * length), labels = new Int32Array(samples * length);
      for (const [step, batch] of batches.entries()) {
        for (let position = 0; position < samplesPerBatch; position++) {
          const to = sampleAt(samples, samplesPerBatch, step, position, seed) * length, from = position * length;
          ids.set(batch.inputs.subarray(from, from + length), to);
          labels.set(batch.labels.subarray(from, from + length), to);
        }
      }
      return { kind: 'sequence', ids, labels };
    },
  };
};
