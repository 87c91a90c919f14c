/**
 * First weights of a generation: packed for the forward pass once, since they do not change while it runs.
 *
 *   tensors in graph order ─▶ blocks [group][input][R] with their bias behind · gains and biases · tables as they are
 *
 * Every float leaves as it came. Not here: where blocks lie (plan.ts).
 */
import type { LinearPlan } from '../../compiler/program.js';
import type { NamedTensor } from '../../tensor/named.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import type { GenerationLayout, PackedBlock } from '../generation-layout.js';

/** A tied weight is a table [outputs][inputs]: it is read the other way round. */
const pack = (to: Float32Array, packWidth: number, plan: LinearPlan, block: PackedBlock, weight: Float32Array, bias: Float32Array | null): void => {
  const { inputs, outputs, tied } = plan, inputStep = tied ? 1 : outputs, outputStep = tied ? inputs : 1;
  let next = 0;
  for (let group = 0; group < block.count; group += packWidth) {
    const width = Math.min(packWidth, block.count - group);
    for (let i = 0; i < inputs; i++) {
      let from = i * inputStep + (block.first + group) * outputStep;
      for (let r = 0; r < width; r++) {
        to[next++] = weight[from] as number;
        from += outputStep;
      }
    }
  }
  if (bias !== null) to.set(bias.subarray(block.first, block.first + block.count), next);
};

/** `weights`: checked against the model. */
export const storeGenerationWeights = (layout: GenerationLayout, weights: readonly NamedTensor[]): void => {
  const { program, memories } = layout;
  const dataOf = (parameter: number): Float32Array => {
    const tensor = weights[parameter];
    assert(tensor !== undefined, `parameter ${parameter} is given`);
    return tensor.data;
  };
  const view = (place: { readonly memory: number; readonly address: number }, length: number): Float32Array => floats(memories[place.memory] as WebAssembly.Memory, place.address, length);
  for (const [number, plan] of program.streamed.entries()) {
    const bias = plan.bias === null ? null : dataOf(plan.bias);
    if (plan.kind === 'norm') {
      const place = layout.norms[number];
      assert(place !== undefined, `norm ${number} has a place`);
      view({ memory: 0, address: place.gain }, plan.inputs).set(dataOf(plan.weight));
      if (bias !== null) view({ memory: 0, address: place.bias }, plan.inputs).set(bias);
      continue;
    }
    if (plan.kind !== 'linear') continue;
    for (const block of (layout.blocks[number] ?? []).flat()) {
      pack(view(block, (plan.inputs + (bias === null ? 0 : 1)) * block.count), layout.kernels.packWidth, plan, block, dataOf(plan.weight), bias);
    }
  }
  const embedding = program.model.layers.find((layer) => layer.kind === 'embedding');
  assert(embedding !== undefined, 'a sequence model has a table');
  view(layout.table, dataOf(embedding.table).length).set(dataOf(embedding.table));
  if (layout.positions !== null && embedding.positions !== null) view(layout.positions, dataOf(embedding.positions).length).set(dataOf(embedding.positions));
};
