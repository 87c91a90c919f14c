/**
 * Where MemoryX keeps what: every parameter twice, its moments, its waiting gradients; and each unit's own room.
 *
 * Parameters fill memories of at most 4 GiB in graph order. Not here: the arena (wafer/arena.ts), the values (store.ts).
 */
import type { Program } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import { momentsOf, type Optimizer } from '../../model/optimizer.js';
import { MemoryPlan, memoryBytesMax } from '../../tensor/shared-memory.js';
import { ceilDiv, roundUp } from '../../util/units.js';
import { blockShape } from '../gradient-nodes.js';
import { dealBatch, type BatchShape } from '../deal.js';
import { stretchFloats, type EmbeddingPlace, type MemoryXPlan, type ParameterPlace } from '../layout.js';
import { stackDepth } from './collect.js';

/** Floats first … first+count−1 of a parameter that unit `unit` of `units` updates; shares start on cache lines. */
export const unitShare = (size: number, unit: number, units: number): { readonly first: number; readonly count: number } => {
  const edge = (u: number): number => Math.min(size, roundUp(Math.floor((size * u) / units), 16));
  return { first: edge(unit), count: (unit === units - 1 ? size : edge(unit + 1)) - edge(unit) };
};

/** @throws DoesNotFit if one parameter with its state is larger than a memory */
export const planMemoryX = (program: Program, optimizer: Optimizer, batch: BatchShape, units: number): { readonly plan: MemoryXPlan; readonly create: () => WebAssembly.Memory[]; readonly stateBytes: number } => {
  const moments = momentsOf(optimizer);
  const depth = stackDepth(batch);
  const stagingBytes = 4 * Math.max(program.blockFloatsMax, 1, ...program.linears.flatMap((linear) => linear.forwardBlocks.map((_, b) => blockShape(linear, b).nodeBytes / 4)));
  const undoBytes = 4 * Math.max(1, moments) * stretchFloats;

  const memories: MemoryPlan[] = [];
  const parameters: ParameterPlace[] = [];
  let embedding: EmbeddingPlace | null = null;
  const unitRooms: { readonly staging: number; readonly undo: number }[][] = [];
  let stateBytes = 0;
  for (const parameter of program.model.parameters) {
    const copies = 2 + moments + (parameter.role === 'table' ? 1 : depth);
    const bytes = roundUp(parameter.size * 4, 64);
    let memory = memories[memories.length - 1];
    if (memory === undefined || memory.bytes + copies * bytes > memoryBytesMax) {
      const fresh = new MemoryPlan(`MemoryX ${memories.length}`);
      memories.push(fresh);
      unitRooms.push(Array.from({ length: units }, () => ({ staging: fresh.reserve(stagingBytes), undo: fresh.reserve(undoBytes) })));
      memory = fresh;
    }
    const reserve = (n: number): number[] => Array.from({ length: n }, () => (memory as MemoryPlan).reserve(bytes));
    const [first, second] = reserve(2) as [number, number];
    parameters.push({ memory: memories.length - 1, weights: [first, second], moments: reserve(moments), gradients: reserve(parameter.role === 'table' ? 1 : depth) });
    stateBytes += copies * bytes;
    const layer = program.model.layers[parameter.layer];
    if (layer?.kind === 'embedding') embedding = planEmbedding(memory, memories.length - 1, layer, batch, units);
  }
  const plan: MemoryXPlan = {
    memoryBytes: memories.map((memory) => memory.bytes),
    parameters,
    units: Array.from({ length: units }, (_, u) => ({ staging: unitRooms.map((rooms) => rooms[u]?.staging ?? 0), undo: unitRooms.map((rooms) => rooms[u]?.undo ?? 0) })),
    embedding,
  };
  return { plan, create: () => memories.map((memory) => memory.create()), stateBytes };
};

const planEmbedding = (memory: MemoryPlan, number: number, layer: { readonly context: number; readonly dim: number; readonly vocabulary: number; readonly features: number }, batch: BatchShape, units: number): EmbeddingPlace => {
  const slabs = Math.max(...dealBatch(batch).map((microBatch) => microBatch.count));
  const width = roundUp(layer.features, nodeAlign);
  // A leaf has at most 32·context rows, a node of level l at most 2^l of that, and never more than the vocabulary; on each level at most three nodes wait.
  const leafRows = slabTokens * layer.context;
  const levels = 33 - Math.clz32(ceilDiv(batch.samples, slabTokens));
  let rowsMax = 0;
  for (let level = 0; level < levels; level++) rowsMax += 3 * Math.min(layer.vocabulary, leafRows * 2 ** level);
  return {
    memory: number,
    ids: memory.reserve(slabs * leafRows * 4),
    panels: Array.from({ length: units }, () => memory.reserve(width * panelRowBytes)),
    rows: memory.reserve(rowsMax * layer.dim * 4),
    rowsMax,
    slots: memory.reserve(leafRows * 4),
  };
};
