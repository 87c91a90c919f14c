/** First weights and masks into MemoryX, and trained ones out of it. Not here: steps (coordinator/), files (formats/). */
import { createKernels } from '../kernels/load.js';
import type { Kernels } from '../kernels/types.js';
import type { Model, ParameterSpec } from '../model/graph.js';
import { initialize } from '../model/init.js';
import { momentSizes } from '../model/moments.js';
import { optimizerFor } from '../model/optimizer.js';
import type { NamedMask } from '../model/sparsity.js';
import type { NamedTensor } from '../tensor/named.js';
import { floats } from '../tensor/shared-memory.js';
import { InvalidConfig, assert } from '../util/errors.js';
import { purposes, streamKey } from '../util/prng.js';
import { journalWords, type ClusterLayout, type ParameterPlace, type SparsePlace } from './layout.js';
import { putMask, putValues, readMask, spreadValues } from './mask-store.js';
import { MaskTable } from './masks.js';
import { sweepsOf } from './sweeps.js';
import { inDram, placeNow } from './tiers.js';

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

type Stored = Pick<ClusterLayout, 'program' | 'kernels' | 'memoryX' | 'memoryXMemories' | 'masks' | 'tiers' | 'optimizer'>;
/** The first mask of a sparse parameter, given its first weights. */
export type FirstMask = (spec: ParameterSpec, weights: Float32Array) => Uint8Array;

/** What a run begins with: version `version`, the steps done before. Values by dense index; who has none says no, and leaves the room as it is. */
export interface FirstState {
  readonly version: number;
  /** Else they are drawn by the model's initializers. */
  readonly weights: (spec: ParameterSpec, into: Float32Array) => boolean;
  /** Else they are 0. */
  readonly moment: (spec: ParameterSpec, number: number, into: Float32Array) => boolean;
  readonly mask: FirstMask;
}

const memoryOf = (layout: Pick<Stored, 'memoryXMemories'>, place: ParameterPlace): WebAssembly.Memory => {
  const memory = layout.memoryXMemories[place.memory];
  assert(memory !== undefined, `memory ${place.memory} exists`);
  return memory;
};

const parityOf = (version: number): 0 | 1 => (version % 2 === 0 ? 0 : 1);

/** Values drawn by kernels where a unit keeps a stretch, and copied out: a sparse weight has no room for all of them. */
const drawn = (k: Kernels, spec: ParameterSpec, seed: number, memory: WebAssembly.Memory, stretch: number, values: Float32Array): void => {
  for (let first = 0; first < spec.size; first += drawFloats) {
    const count = Math.min(drawFloats, spec.size - first);
    drawPart(k, spec, seed, stretch, first, count);
    values.set(floats(memory, stretch, count), first);
  }
};

const isDrawn = ({ init }: ParameterSpec): boolean => init.kind !== 'zeros' && init.kind !== 'ones';

/** Fills parameters with what a run begins with, one by one. */
export const filler = (layout: Stored, seed: number, first: FirstState): ((spec: ParameterSpec) => void) => {
  const { memoryX, program } = layout, parity = parityOf(first.version);
  const kernels = layout.memoryXMemories.map((memory) => createKernels(layout.kernels, memory));
  const sparseState = (spec: ParameterSpec, place: ParameterPlace, sparse: SparsePlace): void => {
    const memory = memoryOf(layout, place), table = new MaskTable(layout.masks), values = new Float32Array(spec.size);
    if (!first.weights(spec, values)) {
      if (isDrawn(spec)) drawn(kernels[place.memory] as Kernels, spec, seed, memory, memoryX.units[0]?.stretch[place.memory] ?? 0, values);
      else initialize(spec, seed, values);
    }
    const mask = putMask(memory, program, sparse, 0, first.mask(spec, values), table);
    putValues(memory, mask, mask.place.weights[parity], values);
    mask.place.moments.forEach((moment, number) => {
      const isThere = first.moment(spec, number, values);
      if (isThere) putValues(memory, mask, moment, values);
      else floats(memory, moment, mask.stored).fill(0);
    });
    table.use(sparse, first.version, 0);
  };
  return (spec) => {
    const place = placeNow(layout, spec.index), memory = memoryOf(layout, place);
    if (place.sparse !== null) {
      sparseState(spec, place, place.sparse);
      return;
    }
    const address = inDram(place.weights[parity]), view = floats(memory, address, spec.size);
    if (!first.weights(spec, view)) {
      if (isDrawn(spec)) draw(kernels[place.memory] as Kernels, spec, seed, address);
      else initialize(spec, seed, view);
    }
    const sizes = momentSizes(layout.optimizer, spec);
    place.moments.forEach((moment, number) => {
      const into = floats(memory, inDram(moment), sizes[number] ?? 0);
      // Memory of its own is zero as it comes.
      if (!first.moment(spec, number, into) && layout.tiers !== null) into.fill(0);
    });
  };
};

/** What a run from step 0 begins with: the given weights, or those that are drawn. @throws InvalidConfig for tensors of other names or sizes */
export const firstState = (model: Model, given: readonly NamedTensor[] | undefined, mask: FirstMask): FirstState => {
  if (given !== undefined && given.length !== model.parameters.length) {
    throw new InvalidConfig({ what: 'weights', value: given.length, limit: `${model.parameters.length} tensors`, hint: 'give every parameter of the model in graph order' });
  }
  for (const spec of given === undefined ? [] : model.parameters) {
    const tensor = given?.[spec.index];
    if (tensor !== undefined && (tensor.name !== spec.name || tensor.data.length !== spec.size)) {
      throw new InvalidConfig({ what: `weights[${spec.index}]`, value: `${tensor.name} of ${tensor.data.length} values`, limit: `${spec.name} of ${spec.size} values` });
    }
  }
  return {
    version: 0,
    weights(spec, into) {
      const tensor = given?.[spec.index];
      if (tensor !== undefined) into.set(tensor.data);
      return tensor !== undefined;
    },
    moment: () => false,
    mask,
  };
};

/** Fills everything, where all of it has a place of its own. */
export const storeState = (model: Model, layout: Stored, seed: number, first: FirstState): void => model.parameters.forEach(filler(layout, seed, first));

/** Updates go on from version `version`: all sweeps of the steps before are complete. */
export const beginJournal = ({ journal, program, optimizer, memoryX }: Pick<ClusterLayout, 'journal' | 'program' | 'optimizer' | 'memoryX'>, version: number): void => {
  const words = new Int32Array(journal), units = memoryX.units.length;
  for (const spec of program.model.parameters) {
    const sweeps = sweepsOf(optimizerFor(optimizer, spec), spec, memoryX.parameters[spec.index]?.sparse !== null);
    for (let unit = 0; unit < units; unit++) words[(spec.index * units + unit) * journalWords] = version * sweeps;
  }
};

/** A copy of the weights that step `step` reads; 0 where a mask stores nothing. */
export const readWeights = (model: Model, layout: Omit<Stored, 'kernels'>, step: number): NamedTensor[] =>
  model.parameters.map((spec) => ({ name: spec.name, shape: spec.shape, data: readWeight(layout, spec, step) }));

export const readWeight = (layout: Omit<Stored, 'kernels'>, spec: ParameterSpec, step: number): Float32Array => {
  const place = placeNow(layout, spec.index), parity = parityOf(step), memory = memoryOf(layout, place);
  if (place.sparse === null) return new Float32Array(floats(memory, inDram(place.weights[parity]), spec.size));
  const mask = new MaskTable(layout.masks).at(place.sparse, step);
  return spreadValues(memory, mask, mask.place.weights[parity], spec.size);
};

/** The masks that step `step` reads, in graph order. */
export const readMasks = (model: Model, layout: Omit<Stored, 'kernels'>, step: number): NamedMask[] =>
  model.parameters.flatMap((spec) => {
    const place = placeNow(layout, spec.index);
    if (place.sparse === null) return [];
    return [{ name: spec.name, shape: spec.shape, mask: readMask(memoryOf(layout, place), new MaskTable(layout.masks).at(place.sparse, step), spec.size) }];
  });
