/** Reads gradients and deltas out of the machine after a run, for whoever checks them. Not here: weights (cluster/store.ts), counts (cluster/wiring.ts). */
import { dealBatch } from '../cluster/deal.js';
import type { ClusterLayout } from '../cluster/layout.js';
import { slabTokens } from '../kernels/types.js';
import type { NamedTensor } from '../tensor/named.js';
import { floats } from '../tensor/shared-memory.js';
import type { Inspection } from './run.js';

export const inspect = (layout: ClusterLayout): Inspection => {
  const { program, memoryX } = layout;
  const gradients = program.model.parameters.map((spec): NamedTensor => {
    const place = memoryX.parameters[spec.index];
    const memory = layout.memoryXMemories[place?.memory ?? 0] as WebAssembly.Memory;
    return { name: spec.name, shape: spec.shape, data: new Float32Array(floats(memory, place?.gradients[0] ?? 0, spec.size)) };
  });
  const deltas = program.linears.map((linear): NamedTensor => deltaOf(layout, linear.y, program.model.layers[linear.layer]?.name ?? ''));
  return { gradients, deltas };
};

const deltaOf = (layout: ClusterLayout, buffer: number, name: string): NamedTensor => {
  const { batch, arena } = layout;
  const features = layout.program.buffers[buffer]?.features ?? 0;
  const last = dealBatch(batch).at(-1);
  const firstSample = (last?.first ?? 0) * slabTokens;
  const samples = batch.samples - firstSample;
  const data = new Float32Array(samples * features);
  for (const band of arena.bands) {
    const wafer = last?.wafers[band.wafer];
    const slabs = Math.min(band.slabs, (wafer?.count ?? 0) - band.firstSlab);
    for (let p = 0; p < slabs; p++) {
      const panel = floats(layout.arenaMemory, (band.buffers[buffer] as number) + p * features * slabTokens * 4, features * slabTokens);
      const first = ((wafer?.first ?? 0) + band.firstSlab + p) * slabTokens - firstSample;
      for (let t = 0; t < slabTokens && first + t < samples; t++) for (let f = 0; f < features; f++) data[(first + t) * features + f] = panel[f * slabTokens + t] as number;
    }
  }
  return { name, shape: [samples, features], data };
};
