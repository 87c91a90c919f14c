/**
 * The archive: writes versions of MemoryX's state to checkpoints, on a thread of its own, straight out of DRAM while the stream goes on.
 *
 *   begin ─▶ a parameter's weights, moments and mask, when it is told that they stand still ─▶ … ─▶ finish: complete, and the oldest beyond `keep` go
 *
 * Not here: what stands still when (coordinator/archiving.ts), files (formats/checkpoint/).
 */
import { join } from 'node:path';
import { deserialize } from 'node:v8';
import type { Behavior } from '../../actor/behavior.js';
import { partName, pruneCheckpoints, removeLeftovers } from '../../formats/checkpoint/folders.js';
import type { CheckpointState } from '../../formats/checkpoint/state.js';
import type { CheckpointTensor } from '../../formats/checkpoint/tensor-file.js';
import { beginCheckpoint, continueCheckpoint, type CheckpointWriter } from '../../formats/checkpoint/write.js';
import type { ParameterSpec } from '../../model/graph.js';
import { momentNames, momentSizes } from '../../model/moments.js';
import { optimizerFor } from '../../model/optimizer.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import type { ClusterLayout } from '../layout.js';
import { readMask, spreadValues } from '../mask-store.js';
import { MaskTable } from '../masks.js';
import { inDram, placeNow } from '../tiers.js';
import type { ArchiveCommand, ArchiveReply } from './protocol.js';

export interface ArchiveProps {
  readonly layout: ClusterLayout;
  /** Where checkpoints go. */
  readonly dir: string;
  /** How many are kept; null: all. */
  readonly keep: number | null;
  /** A state's text, in UTF-8, for the checkpoint being finished. */
  readonly text: SharedArrayBuffer;
}

/** Moments of a parameter as a checkpoint names them; those of rows and columns have one dimension. */
export const momentTensors = (optimizer: ClusterLayout['optimizer'], spec: ParameterSpec): CheckpointTensor[] => {
  const own = optimizerFor(optimizer, spec), sizes = momentSizes(own, spec);
  return momentNames(own, spec).map((name, i) => ({ file: 'optimizer', name: `${spec.name}.${name}`, shape: sizes[i] === spec.size ? spec.shape : [sizes[i] as number] }));
};

export const archive = ({ layout, dir, keep, text }: ArchiveProps): Behavior<ArchiveCommand, ArchiveReply> => {
  const { parameters } = layout.program.model, masks = new MaskTable(layout.masks);
  const tensors = parameters.flatMap((spec): CheckpointTensor[] => [
    { file: 'model', name: spec.name, shape: spec.shape }, ...momentTensors(layout.optimizer, spec),
    ...(layout.memoryX.parameters[spec.index]?.sparse === null ? [] : [{ file: 'masks', name: spec.name, shape: spec.shape } as const]),
  ]);
  let writer: CheckpointWriter | null = null, step = -1, isContinued = false, isTidy = false;
  const writing = (version: number): CheckpointWriter => {
    assert(writer !== null && step === version, `the checkpoint of step ${version} was begun`);
    return writer;
  };
  const write = (version: number, parameter: number): number => {
    const spec = parameters[parameter], place = placeNow(layout, parameter), memory = layout.memoryXMemories[place.memory];
    assert(spec !== undefined && memory !== undefined, `parameter ${parameter} is in the model`);
    const { sparse } = place, parity = version % 2 === 0 ? 0 : 1, moments = momentTensors(layout.optimizer, spec), sizes = momentSizes(optimizerFor(layout.optimizer, spec), spec);
    if (sparse === null) {
      return put(version, 'model', spec.name, floats(memory, inDram(place.weights[parity]), spec.size)) +
        place.moments.reduce((sum, address, i) => sum + put(version, 'optimizer', moments[i]?.name ?? '', floats(memory, inDram(address), sizes[i] ?? 0)), 0);
    }
    const mask = masks.at(sparse, version);
    return put(version, 'model', spec.name, spreadValues(memory, mask, mask.place.weights[parity], spec.size)) + put(version, 'masks', spec.name, readMask(memory, mask, spec.size)) +
      mask.place.moments.reduce((sum, address, i) => sum + put(version, 'optimizer', moments[i]?.name ?? '', spreadValues(memory, mask, address, spec.size)), 0);
  };
  const put = (version: number, file: CheckpointTensor['file'], name: string, values: Float32Array | Uint8Array): number => {
    writing(version).write(file, name, 0, values);
    return values.byteLength;
  };
  const finish = (version: number, state: CheckpointState): void => {
    const to = writing(version), written = new Set(to.ranges().map(({ file, name }) => `${file}/${name}`));
    // What a former incarnation was answered for is in the file: its checksum is taken from there.
    const before = isContinued ? tensors.filter(({ file, name }) => !written.has(`${file}/${name}`)) : [];
    to.add(before.map(({ file, name, shape }) => ({ file, name, ranges: [{ first: 0, end: shape.reduce((product, n) => product * n, file === 'masks' ? 1 : 4), crc: null }] })));
    to.finish(state);
  };
  return (ctx) => ({
    receive(message) {
      let bytes = 0;
      switch (message.type) {
        case 'archive.begin':
          if (message.again === 1 && writer !== null && step === message.version) break;
          writer?.abandon();
          // What killed runs have left; one that goes on is its own.
          if (!isTidy && message.again === 0) removeLeftovers(dir);
          isTidy = true;
          writer = message.again === 1 ? continueCheckpoint(join(dir, partName(message.version))) : beginCheckpoint(dir, message.version, tensors);
          step = message.version;
          isContinued = message.again === 1;
          break;
        case 'archive.write':
          bytes = write(message.version, message.parameter);
          break;
        case 'archive.finish':
          finish(message.version, deserialize(new Uint8Array(text, 0, message.textBytes).slice()) as CheckpointState);
          writer = null;
          if (keep !== null) pruneCheckpoints(dir, keep);
          break;
        default:
          message satisfies never;
      }
      ctx.reply({ type: 'archive.done', bytes });
    },
    close: () => writer?.abandon(),
  });
};
