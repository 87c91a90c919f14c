/** Reads gradients, activations and deltas out of the machine after a run, for whoever checks them. Not here: weights (cluster/store.ts), counts (cluster/wiring.ts). */
import { dealBatch, tokensIn, tokensInSlab } from '../cluster/deal.js';
import type { ClusterLayout } from '../cluster/layout.js';
import { readMask, spreadValues } from '../cluster/mask-store.js';
import { MaskTable, wantsDenseGradient } from '../cluster/masks.js';
import { slabTokens } from '../kernels/types.js';
import type { Layer, ParameterSpec } from '../model/graph.js';
import type { NamedTensor } from '../tensor/named.js';
import { floats } from '../tensor/shared-memory.js';
import type { Inspection } from './run.js';

/** What stands in the machine after step `step`, the last one. */
export const inspect = (layout: ClusterLayout, step: number): Inspection => {
  const { program, memoryX } = layout, masks = new MaskTable(layout.masks);
  /** The gradient at every position of a sparse parameter, where the last step formed it. */
  const denseOf = (spec: ParameterSpec): NamedTensor | null => {
    const place = memoryX.parameters[spec.index], sparse = place?.sparse, address = sparse?.dense[0];
    if (place === undefined || address === undefined || sparse === undefined || sparse === null || !wantsDenseGradient(sparse.plan, step)) return null;
    return { name: spec.name, shape: spec.shape, data: new Float32Array(floats(layout.memoryXMemories[place.memory] as WebAssembly.Memory, address, spec.size)) };
  };
  const gradients = program.model.parameters.map((spec): NamedTensor => {
    const place = memoryX.parameters[spec.index];
    const memory = layout.memoryXMemories[place?.memory ?? 0] as WebAssembly.Memory;
    if (place !== undefined && place.sparse !== null) {
      const mask = masks.at(place.sparse, step), dense = denseOf(spec), isStored = readMask(memory, mask, spec.size);
      const data = dense === null ? spreadValues(memory, mask, place.gradients[0] ?? 0, spec.size) : dense.data.map((value, i) => (isStored[i] === 1 ? value : 0));
      return { name: spec.name, shape: spec.shape, data };
    }
    const data = new Float32Array(floats(memory, place?.gradients[0] ?? 0, spec.size));
    const table = place?.tableRoot ?? null;
    // A tied table has two roots; their sum is what the optimizer sees.
    if (table !== null) floats(memory, table, spec.size).forEach((value, i) => (data[i] = (data[i] as number) + value));
    return { name: spec.name, shape: spec.shape, data };
  });
  const { layers } = program.model;
  const read = (id: number, kind: 'activation' | 'delta'): NamedTensor => tensorOf(layout, id, kind);
  // What a residual passes on to its branch is its own delta.
  const deltaSource = (id: number): number => layers.find((layer) => layer.kind === 'add' && layer.inputs[1] === id)?.id ?? id;
  const isHead = (id: number): boolean => program.streamed.some((plan) => plan.kind === 'head' && plan.layer === id);
  const inner = layers.filter((layer) => layer.kind !== 'tokens' && layer.kind !== 'softmaxCrossEntropy' && !isHead(layer.id));
  const trained = trainedLayers(layers);
  return {
    gradients,
    denseGradients: program.model.parameters.map(denseOf).filter((tensor) => tensor !== null),
    activations: inner.map((layer) => read(layer.id, 'activation')),
    deltas: inner.filter((layer) => trained.has(layer.id)).map((layer) => ({ ...read(deltaSource(layer.id), 'delta'), name: layer.name })),
  };
};

/** Layers behind which, or in which, something is trained: those that have a delta. */
const trainedLayers = (layers: readonly Layer[]): ReadonlySet<number> => {
  const trained = new Set<number>();
  for (const layer of layers) if ('table' in layer || 'weight' in layer || layer.inputs.some((input) => trained.has(input))) trained.add(layer.id);
  return trained;
};

/** A captured tensor of the last micro-batch, [tokens][features]. */
const tensorOf = (layout: ClusterLayout, id: number, kind: 'activation' | 'delta'): NamedTensor => {
  const layer = layout.program.model.layers[id];
  const { batch, arena } = layout;
  const features = layer?.features ?? 0;
  const last = dealBatch(batch).at(-1) ?? { first: 0, count: 0, wafers: [] };
  const tokens = tokensIn(last, batch);
  const data = new Float32Array(tokens * features);
  /** Place of each slab's first token among those of the micro-batch. */
  const before = Array.from({ length: last.count }, (_, i) => tokensIn({ first: last.first, count: i }, batch));
  for (const band of arena.bands) {
    const wafer = last.wafers[band.wafer];
    const slabs = Math.min(band.slabs, (wafer?.count ?? 0) - band.firstSlab);
    for (let p = 0; p < slabs; p++) {
      const panel = floats(layout.arenaMemory, (band.captured[id]?.[kind] ?? 0) + p * features * slabTokens * 4, features * slabTokens);
      const slab = (wafer?.first ?? 0) + band.firstSlab + p, first = before[slab - last.first] ?? 0, here = tokensInSlab(slab, batch);
      for (let t = 0; t < here; t++) for (let f = 0; f < features; f++) data[(first + t) * features + f] = panel[f * slabTokens + t] as number;
    }
  }
  return { name: layer?.name ?? '', shape: [tokens, features], data };
};
