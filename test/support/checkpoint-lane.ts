/** A thread that writes every so many rows of each tensor of a checkpoint, from shared memory, and tells what it wrote. Not here: the judgement (unit/formats/checkpoint/real-files.test.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointTensor } from '../../src/formats/checkpoint/tensor-file.js';
import { continueCheckpoint } from '../../src/formats/checkpoint/write.js';

export interface CheckpointLane {
  readonly partFolder: string;
  readonly tensors: readonly (CheckpointTensor & { readonly memory: SharedArrayBuffer })[];
  readonly lane: number;
  readonly lanes: number;
}

const { partFolder, tensors, lane, lanes } = workerData as CheckpointLane, writer = continueCheckpoint(partFolder);
for (const { file, name, shape: [rows = 0, columns = 0], memory } of tensors) {
  const values = file === 'masks' ? new Uint8Array(memory) : new Float32Array(memory);
  for (let row = lane; row < rows; row += lanes) writer.write(file, name, row * columns, values.subarray(row * columns, (row + 1) * columns));
}
writer.close();
parentPort?.postMessage(writer.ranges(), []);
