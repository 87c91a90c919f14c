/**
 * Where MemoryX keeps what: every parameter twice, its moments, its waiting gradients; and each unit's own room.
 *
 * Parameters fill memories of at most 4 GiB in graph order. Not here: the arena (wafer/arena.ts), the values (store.ts).
 */
import type { Program } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes, slabTokens, squareLeafFloats } from '../../kernels/types.js';
import type { LayerOf, ParameterSpec } from '../../model/graph.js';
import { momentsOf, type Optimizer } from '../../model/optimizer.js';
import { MemoryPlan, memoryBytesMax } from '../../tensor/shared-memory.js';
import { MiB, ceilDiv, roundUp } from '../../util/units.js';
import type { SparseParameter } from '../../model/sparsity.js';
import { blockShape } from '../gradient-nodes.js';
import { dealBatch, type BatchShape } from '../deal.js';
import { stretchFloats, type EmbeddingPlace, type MemoryXPlan, type ParameterPlace } from '../layout.js';
import { planSparse, type SparseNeed } from './sparse-places.js';
import { stackDepth } from './collect.js';

/** Floats first … first+count−1 of a parameter that unit `unit` of `units` updates; shares start on cache lines. */
export const unitShare = (size: number, unit: number, units: number): { readonly first: number; readonly count: number } => {
  const edge = (u: number): number => Math.min(size, roundUp(Math.floor((size * u) / units), 16));
  return { first: edge(unit), count: (unit === units - 1 ? size : edge(unit + 1)) - edge(unit) };
};

export interface MemoryXNeed {
  readonly program: Program;
  readonly optimizer: Optimizer;
  readonly batch: BatchShape;
  readonly units: number;
  /** Whether the norm of the gradient is asked for. */
  readonly clips: boolean;
  readonly sparse: readonly SparseParameter[];
  /** Whether tiles work one by one: blocks of four rows are then streamed like any others. */
  readonly plainForms: boolean;
  /** Whether weights are rounded by chance on their way out: what is packed then lies apart first. */
  readonly byChance: boolean;
}

/** @throws DoesNotFit if one parameter with its state is larger than a memory */
export const planMemoryX = ({ program, optimizer, batch, units, clips, sparse, plainForms, byChance }: MemoryXNeed): { readonly plan: MemoryXPlan; readonly create: () => WebAssembly.Memory[]; readonly stateBytes: number } => {
  const { model } = program;
  const moments = momentsOf(optimizer);
  const depth = stackDepth(batch);
  const stagingBytes = 64 + 4 * (1 + (sparse.length === 0 ? 0 : 1) + (byChance ? 1 : 0)) * Math.max(program.blockFloatsMax, 1, ...program.streamed.flatMap((plan) => plan.forwardBlocks.map((_, b) => blockShape(plan, b).nodeBytes / 4)));
  const undoBytes = 4 * Math.max(1, moments) * stretchFloats;
  const tied = new Set(model.layers.flatMap((layer) => (layer.kind === 'linear' && layer.tied ? [layer.weight] : [])));

  const memories: MemoryPlan[] = [];
  const parameters: ParameterPlace[] = [];
  const embeddings: EmbeddingPlace[] = [];
  const unitRooms: { readonly staging: number; readonly undo: number; readonly stretch: number }[][] = [];
  let stateBytes = 0;
  for (const parameter of model.parameters) {
    const number = sparse.findIndex((plan) => plan.parameter === parameter.index), masked = sparse[number];
    const need: SparseNeed | null = masked === undefined ? null : { program, plan: masked, number, moments, depth, clips, plainForms };
    const waiting = parameter.role === 'table' && !tied.has(parameter.index) ? 1 : depth;
    const copies = 2 + moments + waiting + (tied.has(parameter.index) ? 1 : 0);
    const bytes = roundUp(parameter.size * 4, 64);
    // A sparse weight's place is planned on a memory of its own first, to know how large it is.
    const needBytes = need === null ? copies * bytes : planSparse(need, new MemoryPlan('a sparse weight')).bytes;
    let memory = memories[memories.length - 1];
    if (memory === undefined || memory.bytes + needBytes > memoryBytesMax - spareBytes) {
      const fresh = new MemoryPlan(`MemoryX ${memories.length}`);
      memories.push(fresh);
      unitRooms.push(Array.from({ length: units }, () => ({ staging: fresh.reserve(stagingBytes), undo: fresh.reserve(undoBytes), stretch: fresh.reserve(stretchFloats * 4) })));
      memory = fresh;
    }
    const squares = clips ? memory.reserve(ceilDiv(parameter.size, squareLeafFloats) * 4) : 0;
    stateBytes += needBytes;
    if (need !== null) {
      const { gradients, sparse: place } = planSparse(need, memory);
      parameters.push({ memory: memories.length - 1, weights: [0, 0], moments: [], gradients, tableRoot: null, squares, sparse: place });
      continue;
    }
    const reserve = (n: number): number[] => Array.from({ length: n }, () => (memory as MemoryPlan).reserve(bytes));
    const [first, second] = reserve(2) as [number, number];
    parameters.push({
      memory: memories.length - 1, weights: [first, second], moments: reserve(moments), gradients: reserve(waiting),
      tableRoot: tied.has(parameter.index) ? (reserve(1)[0] as number) : null,
      squares, sparse: null,
    });
    const layer = model.layers[parameter.layer];
    if (layer?.kind === 'embedding') embeddings.push(planEmbedding(memory, memories.length - 1, layer, parameter, batch, units));
  }
  const plan: MemoryXPlan = {
    memoryBytes: memories.map((memory) => memory.bytes),
    parameters,
    units: Array.from({ length: units }, (_, u) => ({
      staging: unitRooms.map((rooms) => rooms[u]?.staging ?? 0), undo: unitRooms.map((rooms) => rooms[u]?.undo ?? 0), stretch: unitRooms.map((rooms) => rooms[u]?.stretch ?? 0),
    })),
    embeddings,
  };
  return { plan, create: () => memories.map((memory) => memory.create()), stateBytes };
};

/** Room that a memory keeps for what stands beside its parameters. */
const spareBytes = 64 * MiB;

const planEmbedding = (memory: MemoryPlan, number: number, layer: LayerOf<'embedding'>, parameter: ParameterSpec, batch: BatchShape, units: number): EmbeddingPlace => {
  const microBatches = dealBatch(batch);
  const slabs = Math.max(...microBatches.map((microBatch) => microBatch.count)), allSlabs = microBatches.reduce((sum, microBatch) => sum + microBatch.count, 0);
  const width = roundUp(layer.features, nodeAlign), vocabulary = parameter.shape[0] ?? 0;
  // A leaf has at most 32·context rows, a node of level l at most 2^l of that, and never more than the vocabulary; on each level at most three nodes wait.
  const leafRows = slabTokens * layer.context;
  const levels = 34 - Math.clz32(allSlabs);
  let rowsMax = 0;
  for (let level = 0; level < levels; level++) rowsMax += 3 * Math.min(vocabulary, leafRows * 2 ** level);
  const panels = (): number[] => Array.from({ length: units }, () => memory.reserve(width * panelRowBytes));
  return {
    parameter: parameter.index,
    vocabulary,
    dim: layer.dim,
    context: layer.context,
    byPlace: parameter.index === layer.positions,
    memory: number,
    ids: memory.reserve(slabs * leafRows * 4),
    panels: panels(),
    sums: panels(),
    rows: memory.reserve(rowsMax * layer.dim * 4),
    rowsMax,
    slots: memory.reserve(leafRows * 4),
  };
};
