/** First weights into MemoryX and trained ones out of it. Not here: steps (coordinator/), files (formats/). */
import { initialize } from '../model/init.js';
import type { Model } from '../model/graph.js';
import type { NamedTensor } from '../tensor/named.js';
import { floats } from '../tensor/shared-memory.js';
import { InvalidConfig, assert } from '../util/errors.js';
import type { MemoryXPlan } from './layout.js';

const viewOf = (plan: MemoryXPlan, memories: readonly WebAssembly.Memory[], parameter: number, parity: 0 | 1, size: number): Float32Array => {
  const place = plan.parameters[parameter];
  const memory = place && memories[place.memory];
  assert(place !== undefined && memory !== undefined, `parameter ${parameter} has a place`);
  return floats(memory, place.weights[parity], size);
};

/** Fills the weights of step 0: the given ones, or the model's initializers under the seed. @throws InvalidConfig for tensors of other shapes */
export const storeWeights = (model: Model, plan: MemoryXPlan, memories: readonly WebAssembly.Memory[], seed: number, given: readonly NamedTensor[] | undefined): void => {
  if (given !== undefined && given.length !== model.parameters.length) {
    throw new InvalidConfig({ what: 'weights', value: given.length, limit: `${model.parameters.length} tensors`, hint: 'give every parameter of the model in graph order' });
  }
  for (const spec of model.parameters) {
    const view = viewOf(plan, memories, spec.index, 0, spec.size);
    const tensor = given?.[spec.index];
    if (tensor === undefined) initialize(spec, seed, view);
    else if (tensor.name !== spec.name || tensor.data.length !== spec.size) {
      throw new InvalidConfig({ what: `weights[${spec.index}]`, value: `${tensor.name} of ${tensor.data.length} values`, limit: `${spec.name} of ${spec.size} values` });
    } else view.set(tensor.data);
  }
};

/** A copy of the weights that step `step` reads. */
export const readWeights = (model: Model, plan: MemoryXPlan, memories: readonly WebAssembly.Memory[], step: number): NamedTensor[] =>
  model.parameters.map((spec) => ({ name: spec.name, shape: spec.shape, data: new Float32Array(viewOf(plan, memories, spec.index, step % 2 === 0 ? 0 : 1, spec.size)) }));
