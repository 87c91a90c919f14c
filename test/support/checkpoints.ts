/** Checkpoints for tests: what lies in each follows from its step. Not here: what is judged. */
import assert from 'node:assert/strict';
import type { TensorFileName } from '../../src/formats/checkpoint/folders.js';
import { openCheckpoint } from '../../src/formats/checkpoint/read.js';
import type { CheckpointState } from '../../src/formats/checkpoint/state.js';
import type { CheckpointTensor } from '../../src/formats/checkpoint/tensor-file.js';
import { beginCheckpoint } from '../../src/formats/checkpoint/write.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import { purposes, randomWord } from '../../src/util/prng.js';

export const elementsOf = ({ shape }: { readonly shape: readonly number[] }): number => shape.reduce((a, b) => a * b, 1);

/** Two parameters, one of them sparse, and Adam's moments. */
export const someTensors: readonly CheckpointTensor[] = [
  { file: 'model', name: 'layers.0.weight', shape: [40, 30] },
  { file: 'model', name: 'layers.0.bias', shape: [30] },
  { file: 'optimizer', name: 'layers.0.weight.exp_avg', shape: [40, 30] },
  { file: 'optimizer', name: 'layers.0.weight.exp_avg_sq', shape: [40, 30] },
  { file: 'masks', name: 'layers.0.weight', shape: [40, 30] },
];

/** Any bits, NaNs among them: a checkpoint gives back bits, not numbers. */
export const valuesOf = (step: number, { file, name, shape }: CheckpointTensor): Float32Array | Uint8Array => {
  const words = Uint32Array.from({ length: elementsOf({ shape }) }, (_, i) => randomWord(step * 31 + name.length + file.length, purposes.testData, i));
  return file === 'masks' ? Uint8Array.from(words, (word) => word & 1) : new Float32Array(words.buffer);
};

export const someState = (step: number, tensors: readonly CheckpointTensor[] = someTensors): CheckpointState => ({
  step, seed: 7, batchSize: 32, samplesSeen: step * 32, numericsVersion: 1,
  model: { name: 'a model', parameters: tensors.filter(({ file }) => file === 'model').map(({ name, shape }) => ({ name, shape })) },
  optimizer: { kind: 'adamW', learningRate: { kind: 'constant', value: 0.001 }, beta1: 0.9 },
  clipNorm: 1, sparsity: null, precision: null, lossScaling: { scale: 65_536, goodSteps: 3 },
  evaluations: [{ step, loss: 1.5, perplexity: 4.48, batches: 2 }],
  losses: Array.from({ length: Math.min(step, 100) }, (_, i) => 5 / (i + 1)),
});

export const writeWhole = (dir: string, step: number, fs: FileSystem, tensors: readonly CheckpointTensor[] = someTensors): string => {
  const writer = beginCheckpoint(dir, step, tensors, fs);
  for (const tensor of tensors) writer.write(tensor.file, tensor.name, 0, valuesOf(step, tensor));
  return writer.finish(someState(step, tensors));
};

export const bitsOf = (values: Float32Array | Uint8Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
export const emptyFor = (file: TensorFileName, elements: number): Float32Array | Uint8Array => (file === 'masks' ? new Uint8Array(elements) : new Float32Array(elements));

/** Every tensor and the state of a checkpoint are those of its step. */
export const assertWhole = (path: string, step: number, fs: FileSystem, tensors: readonly CheckpointTensor[] = someTensors): void => {
  const checkpoint = openCheckpoint(path, fs);
  try {
    assert.deepEqual(checkpoint.state, someState(step, tensors));
    assert.equal(checkpoint.tensors.length, tensors.length);
    for (const tensor of tensors) {
      const into = emptyFor(tensor.file, elementsOf(tensor));
      checkpoint.readTensor(tensor.file, tensor.name, 0, into);
      assert.deepEqual(bitsOf(into), bitsOf(valuesOf(step, tensor)), `${tensor.file} ${tensor.name}`);
    }
  } finally {
    checkpoint.close();
  }
};
