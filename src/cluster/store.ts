/** First weights and masks into MemoryX, and trained ones out of it. Not here: steps (coordinator/), files (formats/). */
import { createKernels } from '../kernels/load.js';
import type { Kernels } from '../kernels/types.js';
import type { Model, ParameterSpec } from '../model/graph.js';
import { initialize } from '../model/init.js';
import type { NamedMask } from '../model/sparsity.js';
import type { NamedTensor } from '../tensor/named.js';
import { floats } from '../tensor/shared-memory.js';
import { InvalidConfig, assert } from '../util/errors.js';
import { purposes, streamKey } from '../util/prng.js';
import type { ClusterLayout, MemoryXPlan, ParameterPlace } from './layout.js';
import { putMask, putValues, readMask, spreadValues } from './mask-store.js';
import { MaskTable } from './masks.js';

/** Values drawn in one call: few enough that the first call of many is soon in compiled code. */
const drawFloats = 1 << 14;

/** Values first … first+count−1 of a parameter, drawn to `dst`. */
const drawPart = (k: Kernels, { init, index }: ParameterSpec, seed: number, dst: number, first: number, count: number): void => {
  const { key0, key1 } = streamKey(seed, purposes.init, index);
  if (init.kind === 'normal') k.initNormal(dst, first, count, key0, key1, init.std);
  else if (init.kind === 'uniform') k.initUniform(dst, first, count, key0, key1, init.bound);
};

/** `initialize` by kernels: the first values of a parameter, drawn to `address`. */
const draw = (k: Kernels, spec: ParameterSpec, seed: number, address: number): void => {
  for (let first = 0; first < spec.size; first += drawFloats) drawPart(k, spec, seed, address + first * 4, first, Math.min(drawFloats, spec.size - first));
};

const placeOf = (plan: MemoryXPlan, parameter: number): ParameterPlace => {
  const place = plan.parameters[parameter];
  assert(place !== undefined, `parameter ${parameter} has a place`);
  return place;
};

const viewOf = (plan: MemoryXPlan, memories: readonly WebAssembly.Memory[], parameter: number, parity: 0 | 1, size: number): Float32Array => {
  const place = placeOf(plan, parameter);
  return floats(memoryOf(memories, place), place.weights[parity], size);
};

const memoryOf = (memories: readonly WebAssembly.Memory[], place: ParameterPlace): WebAssembly.Memory => {
  const memory = memories[place.memory];
  assert(memory !== undefined, `memory ${place.memory} exists`);
  return memory;
};

type Stored = Pick<ClusterLayout, 'program' | 'kernels' | 'memoryX' | 'memoryXMemories' | 'masks'>;
/** The first mask of a sparse parameter, given its first weights. */
export type FirstMask = (spec: ParameterSpec, weights: Float32Array) => Uint8Array;

/** Values drawn by kernels where a unit keeps a stretch, and copied out: a sparse weight has no room for all of them. */
const drawn = (k: Kernels, spec: ParameterSpec, seed: number, memory: WebAssembly.Memory, stretch: number): Float32Array => {
  const values = new Float32Array(spec.size);
  for (let first = 0; first < spec.size; first += drawFloats) {
    const count = Math.min(drawFloats, spec.size - first);
    drawPart(k, spec, seed, stretch, first, count);
    values.set(floats(memory, stretch, count), first);
  }
  return values;
};

const storeSparse = (layout: Stored, k: Kernels | undefined, spec: ParameterSpec, seed: number, given: NamedTensor | undefined, firstMask: FirstMask): void => {
  const place = placeOf(layout.memoryX, spec.index), memory = memoryOf(layout.memoryXMemories, place), { sparse } = place, table = new MaskTable(layout.masks);
  assert(sparse !== null, `parameter ${spec.index} is sparse`);
  let values: Float32Array;
  if (given !== undefined) values = given.data;
  else if (k !== undefined && spec.init.kind !== 'zeros' && spec.init.kind !== 'ones') values = drawn(k, spec, seed, memory, layout.memoryX.units[0]?.stretch[place.memory] ?? 0);
  else initialize(spec, seed, (values = new Float32Array(spec.size)));
  const mask = putMask(memory, layout.program, sparse, 0, firstMask(spec, values), table);
  putValues(memory, mask, mask.place.weights[0], values);
  table.use(sparse, 0, 0);
};

/** Fills the weights of step 0: the given ones, or the model's initializers under the seed; of sparse ones what their first masks store. @throws InvalidConfig for tensors of other shapes */
export const storeWeights = (model: Model, layout: Stored, seed: number, given: readonly NamedTensor[] | undefined, firstMask: FirstMask): void => {
  if (given !== undefined && given.length !== model.parameters.length) {
    throw new InvalidConfig({ what: 'weights', value: given.length, limit: `${model.parameters.length} tensors`, hint: 'give every parameter of the model in graph order' });
  }
  const { memoryX, memoryXMemories } = layout;
  const kernels = given === undefined ? memoryXMemories.map((memory) => createKernels(layout.kernels, memory)) : [];
  for (const spec of model.parameters) {
    const place = placeOf(memoryX, spec.index), tensor = given?.[spec.index], k = kernels[place.memory];
    if (tensor !== undefined && (tensor.name !== spec.name || tensor.data.length !== spec.size)) {
      throw new InvalidConfig({ what: `weights[${spec.index}]`, value: `${tensor.name} of ${tensor.data.length} values`, limit: `${spec.name} of ${spec.size} values` });
    }
    if (place.sparse !== null) {
      storeSparse(layout, k, spec, seed, tensor, firstMask);
      continue;
    }
    const view = viewOf(memoryX, memoryXMemories, spec.index, 0, spec.size);
    if (tensor !== undefined) view.set(tensor.data);
    else if (k === undefined || spec.init.kind === 'zeros' || spec.init.kind === 'ones') initialize(spec, seed, view);
    else draw(k, spec, seed, place.weights[0]);
  }
};

/** A copy of the weights that step `step` reads; 0 where a mask stores nothing. */
export const readWeights = (model: Model, layout: Omit<Stored, 'kernels'>, step: number): NamedTensor[] =>
  model.parameters.map((spec) => {
    const place = placeOf(layout.memoryX, spec.index), parity = step % 2 === 0 ? 0 : 1;
    if (place.sparse === null) return { name: spec.name, shape: spec.shape, data: new Float32Array(viewOf(layout.memoryX, layout.memoryXMemories, spec.index, parity, spec.size)) };
    const mask = new MaskTable(layout.masks).at(place.sparse, step);
    return { name: spec.name, shape: spec.shape, data: spreadValues(memoryOf(layout.memoryXMemories, place), mask, mask.place.weights[parity], spec.size) };
  });

/** The masks that step `step` reads, in graph order. */
export const readMasks = (model: Model, layout: Omit<Stored, 'kernels'>, step: number): NamedMask[] =>
  model.parameters.flatMap((spec) => {
    const place = placeOf(layout.memoryX, spec.index);
    if (place.sparse === null) return [];
    return [{ name: spec.name, shape: spec.shape, mask: readMask(memoryOf(layout.memoryXMemories, place), new MaskTable(layout.masks).at(place.sparse, step), spec.size) }];
  });
