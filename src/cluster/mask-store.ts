/**
 * Masks in MemoryX: putting a mask and its values into their place, reading them as dense tensors, and updating a mask behind a step.
 *
 *   mask + dense values ─put─▶ structure, values by stored place ─read─▶ dense values, 0 where absent
 *   update   weights, moments, gradient of step s under mask a ─nextMask─▶ mask b, what it keeps moved, what it adds 0 ─▶ version s + 1 reads b
 *
 * An update reads mask a alone and writes mask b alone, so it may be done again after a fault. Not here: which positions are chosen (sparsity/), when (the coordinator).
 */
import type { Program } from '../compiler/program.js';
import { nextMask } from '../sparsity/algorithms.js';
import { structureOf, type StoredForm } from '../sparsity/structure.js';
import { floats, halves, words } from '../tensor/shared-memory.js';
import { assert } from '../util/errors.js';
import { layerOf, updateAt, type MaskInUse, type MaskTable } from './masks.js';
import { streamsOf } from './mask-streams.js';
import type { FormPlace, SparsePlace } from './layout.js';

type Memory = WebAssembly.Memory;

const positionsOf = (memory: Memory, { place, stored }: MaskInUse): Uint32Array => new Uint32Array(memory.buffer, place.positions, stored);

/** Values by dense index, 0 where nothing is stored; `address` holds them by stored place. */
export const spreadValues = (memory: Memory, mask: MaskInUse, address: number, size: number): Float32Array => {
  const dense = new Float32Array(size), values = floats(memory, address, mask.stored);
  positionsOf(memory, mask).forEach((position, place) => (dense[position] = values[place] as number));
  return dense;
};

/** The mask by dense index. */
export const readMask = (memory: Memory, mask: MaskInUse, size: number): Uint8Array => {
  const dense = new Uint8Array(size);
  for (const position of positionsOf(memory, mask)) dense[position] = 1;
  return dense;
};

const putForm = (memory: Memory, place: FormPlace, form: StoredForm): void => {
  halves(memory, place.indices, form.indices.length).set(form.indices);
  const put = (address: number, values: Uint32Array): void => words(memory, address, values.length).set(values);
  put(place.starts, form.starts);
  put(place.firstOf, form.firstOf);
  put(place.startsOf, form.startsOf);
};

/** Writes a mask's structure to one of the parameter's places, and says how many positions it stores. */
export const putMask = (memory: Memory, program: Program, sparse: SparsePlace, buffer: number, mask: Uint8Array, table: MaskTable): MaskInUse => {
  const { inputs, outputs, parameter, storedMax } = sparse.plan, layer = layerOf(program, parameter), place = sparse.masks[buffer];
  const structure = structureOf(mask, inputs, outputs, sparse.fourRow ? 'blocks' : 'unstructured', layer.forwardBlocks, layer.deltaBlocks);
  const { stored, positions } = structure;
  assert(place !== undefined && stored <= storedMax, `a mask stores at most ${storedMax} positions`);
  words(memory, place.positions, stored).set(positions);
  putForm(memory, place.forward, structure.forward);
  putForm(memory, place.delta, structure.delta);
  words(memory, place.delta.order, structure.delta.order.length).set(structure.delta.order);
  if (place.byIndex !== 0) {
    const places = new Uint32Array(mask.length), byIndex = words(memory, place.byIndex, stored);
    positions.forEach((position, i) => (places[position] = i));
    let next = 0;
    mask.forEach((isStored, position) => {
      if (isStored === 1) byIndex[next++] = places[position] as number;
    });
  }
  const inBlock = ({ firstOf }: StoredForm) => (b: number): number => (firstOf[b + 1] ?? 0) - (firstOf[b] ?? 0);
  table.setStored(sparse, buffer, stored, streamsOf(program, layer, inBlock(structure.forward), inBlock(structure.delta)));
  return { place, buffer, stored };
};

/** Stored values of a dense tensor. */
export const putValues = (memory: Memory, mask: MaskInUse, address: number, dense: Float32Array): void => {
  const values = floats(memory, address, mask.stored);
  positionsOf(memory, mask).forEach((position, place) => (values[place] = dense[position] as number));
};

/** Updates the mask of a parameter behind step `step`; its weights and moments of version `step` + 1 stand under the old mask already. */
export const updateMask = (memory: Memory, program: Program, sparse: SparsePlace, table: MaskTable, step: number, seed: number): void => {
  const { plan } = sparse, size = plan.inputs * plan.outputs, version = step + 1, parity = version % 2 === 0 ? 0 : 1;
  const update = updateAt(plan, version);
  assert(update !== null, `version ${version} has an update`);
  const before = table.at(sparse, step);
  const mask = readMask(memory, before, size), weights = spreadValues(memory, before, before.place.weights[parity], size);
  const [dense] = sparse.dense;
  const after = putMask(memory, program, sparse, 1 - before.buffer, nextMask(plan, update, { mask, weights, gradient: dense === undefined ? null : floats(memory, dense, size).slice() }, seed), table);
  putValues(memory, after, after.place.weights[parity], weights);
  before.place.moments.forEach((moment, i) => putValues(memory, after, after.place.moments[i] as number, spreadValues(memory, before, moment, size)));
  table.use(sparse, version, after.buffer);
};
