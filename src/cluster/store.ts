/** First weights into MemoryX and trained ones out of it. Not here: steps (coordinator/), files (formats/). */
import { createKernels } from '../kernels/load.js';
import type { Kernels } from '../kernels/types.js';
import type { Model, ParameterSpec } from '../model/graph.js';
import { initialize } from '../model/init.js';
import type { NamedTensor } from '../tensor/named.js';
import { floats } from '../tensor/shared-memory.js';
import { InvalidConfig, assert } from '../util/errors.js';
import { purposes, streamKey } from '../util/prng.js';
import type { ClusterLayout, MemoryXPlan, ParameterPlace } from './layout.js';

/** Values drawn in one call: few enough that the first call of many is soon in compiled code. */
const drawFloats = 1 << 14;

/** `initialize` by kernels: the first values of a parameter, drawn to `address`. */
const draw = (k: Kernels, { init, index, size }: ParameterSpec, seed: number, address: number): void => {
  const { key0, key1 } = streamKey(seed, purposes.init, index);
  for (let first = 0; first < size; first += drawFloats) {
    const count = Math.min(drawFloats, size - first), dst = address + first * 4;
    if (init.kind === 'normal') k.initNormal(dst, first, count, key0, key1, init.std);
    else if (init.kind === 'uniform') k.initUniform(dst, first, count, key0, key1, init.bound);
  }
};

const placeOf = (plan: MemoryXPlan, parameter: number): ParameterPlace => {
  const place = plan.parameters[parameter];
  assert(place !== undefined, `parameter ${parameter} has a place`);
  return place;
};

const viewOf = (plan: MemoryXPlan, memories: readonly WebAssembly.Memory[], parameter: number, parity: 0 | 1, size: number): Float32Array => {
  const place = placeOf(plan, parameter), memory = memories[place.memory];
  assert(memory !== undefined, `parameter ${parameter} has a memory`);
  return floats(memory, place.weights[parity], size);
};

/** Fills the weights of step 0: the given ones, or the model's initializers under the seed. @throws InvalidConfig for tensors of other shapes */
export const storeWeights = (model: Model, layout: Pick<ClusterLayout, 'kernels' | 'memoryX' | 'memoryXMemories'>, seed: number, given: readonly NamedTensor[] | undefined): void => {
  if (given !== undefined && given.length !== model.parameters.length) {
    throw new InvalidConfig({ what: 'weights', value: given.length, limit: `${model.parameters.length} tensors`, hint: 'give every parameter of the model in graph order' });
  }
  const { memoryX, memoryXMemories } = layout;
  const kernels = given === undefined ? memoryXMemories.map((memory) => createKernels(layout.kernels, memory)) : [];
  for (const spec of model.parameters) {
    const place = placeOf(memoryX, spec.index), view = viewOf(memoryX, memoryXMemories, spec.index, 0, spec.size);
    const tensor = given?.[spec.index], k = kernels[place.memory];
    if (tensor === undefined) {
      if (k === undefined || spec.init.kind === 'zeros' || spec.init.kind === 'ones') initialize(spec, seed, view);
      else draw(k, spec, seed, place.weights[0]);
    } else if (tensor.name !== spec.name || tensor.data.length !== spec.size) {
      throw new InvalidConfig({ what: `weights[${spec.index}]`, value: `${tensor.name} of ${tensor.data.length} values`, limit: `${spec.name} of ${spec.size} values` });
    } else view.set(tensor.data);
  }
};

/** A copy of the weights that step `step` reads. */
export const readWeights = (model: Model, plan: MemoryXPlan, memories: readonly WebAssembly.Memory[], step: number): NamedTensor[] =>
  model.parameters.map((spec) => ({ name: spec.name, shape: spec.shape, data: new Float32Array(viewOf(plan, memories, spec.index, step % 2 === 0 ? 0 : 1, spec.size)) }));
