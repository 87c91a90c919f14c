/**
 * Where MemoryX keeps what: every parameter twice, its moments, its waiting gradients; and each unit's own room.
 *
 * Parameters fill memories of at most 4 GiB in graph order. Not here: the arena (wafer/arena.ts), the values (store.ts).
 */
import type { Program } from '../../compiler/program.js';
import { nodeAlign, panelRowBytes, slabTokens, squareLeafFloats } from '../../kernels/types.js';
import type { LayerOf, ParameterSpec } from '../../model/graph.js';
import { momentSizes } from '../../model/moments.js';
import type { Optimizer } from '../../model/optimizer.js';
import { MemoryPlan, memoryBytesMax } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { MiB, ceilDiv, roundUp } from '../../util/units.js';
import type { SparseParameter } from '../../model/sparsity.js';
import { blockShape } from '../gradient-nodes.js';
import { dealBatch, type BatchShape } from '../deal.js';
import { statisticsOf } from '../sweeps.js';
import { stretchFloats, type EmbeddingPlace, type MemoryXPlan, type ParameterPlace } from '../layout.js';
import { planSparse } from './sparse-places.js';
import { stackDepth } from './collect.js';

/** Floats first … first+count−1 of a parameter that unit `unit` of `units` updates; shares start on cache lines, or on multiples of `align`. */
export const unitShare = (size: number, unit: number, units: number, align = 16): { readonly first: number; readonly count: number } => {
  const edge = (u: number): number => Math.min(size, roundUp(Math.floor((size * u) / units), align));
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

/** Memories that a parameter's objects are planned on; all the same one where everything has a place for good. */
export interface ParameterPlans {
  /** Weights of even and of odd steps: regions at the same addresses if the memories are two. */
  readonly weights: MemoryPlan;
  readonly odd: MemoryPlan;
  readonly moments: MemoryPlan;
  readonly stored: MemoryPlan;
  readonly gradient: MemoryPlan;
}

/** Tables whose weight is also that of the last layer. */
const tiedTables = ({ model }: Program): ReadonlySet<number> => new Set(model.layers.flatMap((layer) => (layer.kind === 'linear' && layer.tied ? [layer.weight] : [])));

/** Plans what MemoryX keeps of one parameter. */
export const planParameter = (need: MemoryXNeed, parameter: ParameterSpec, plans: ParameterPlans): Omit<ParameterPlace, 'memory' | keyof SumsPlace> => {
  const { program, sparse, clips, plainForms } = need;
  const moments = momentSizes(need.optimizer, parameter), depth = stackDepth(need.batch);
  const number = sparse.findIndex((plan) => plan.parameter === parameter.index), masked = sparse[number];
  if (masked !== undefined) {
    const { gradients, sparse: place } = planSparse({ program, plan: masked, number, moments: moments.length, depth, sums: clips || statisticsOf(need.optimizer, parameter).bytes > 0, plainForms }, plans.stored, plans.gradient);
    return { weights: [0, 0], moments: [], gradients, tableRoot: null, sparse: place };
  }
  const isTied = tiedTables(program).has(parameter.index);
  const waiting = parameter.role === 'table' && !isTied ? 1 : depth;
  const reserve = (memory: MemoryPlan, n: number): number[] => Array.from({ length: n }, () => memory.reserve(roundUp(parameter.size * 4, 64)));
  const weights: readonly [number, number] = [reserve(plans.weights, 1)[0] as number, reserve(plans.odd, 1)[0] as number];
  return { weights, moments: moments.map((floats) => plans.moments.reserve(roundUp(floats * 4, 64))), gradients: reserve(plans.gradient, waiting), tableRoot: isTied ? (reserve(plans.gradient, 1)[0] as number) : null, sparse: null };
};

export interface UnitRooms {
  readonly staging: number;
  readonly undo: number;
  readonly stretch: number;
}

/** Each unit's own regions in a memory. */
export const roomsOf = ({ program, optimizer, units, sparse, byChance }: MemoryXNeed, memory: MemoryPlan): UnitRooms[] => {
  const stagingBytes = 64 + 4 * (1 + (sparse.length === 0 ? 0 : 1) + (byChance ? 1 : 0)) * Math.max(program.blockFloatsMax, 1, ...program.streamed.flatMap((plan) => plan.forwardBlocks.map((_, b) => blockShape(plan, b).nodeBytes / 4)));
  const undoBytes = 4 * Math.max(1, ...program.model.parameters.map((parameter) => momentSizes(optimizer, parameter).length)) * stretchFloats;
  return Array.from({ length: units }, () => ({ staging: memory.reserve(stagingBytes), undo: memory.reserve(undoBytes), stretch: memory.reserve(stretchFloats * 4) }));
};

/** Sums over a parameter: leaves of the norm, and what sweeps of an update need. */
type SumsPlace = Pick<ParameterPlace, 'squares' | 'statistics'>;

/** What stands beside the parameters for good: sums over each, and what gathered tables need. */
export const planBeside = ({ program, optimizer, batch, units, clips }: MemoryXNeed, memories: readonly MemoryPlan[], memoryOf: (parameter: number) => number): { readonly sums: readonly SumsPlace[]; readonly embeddings: readonly EmbeddingPlace[] } => {
  const { model } = program, embeddings: EmbeddingPlace[] = [];
  const sums = model.parameters.map((parameter): SumsPlace => {
    const number = memoryOf(parameter.index), memory = memories[number], layer = model.layers[parameter.layer], { bytes } = statisticsOf(optimizer, parameter);
    assert(memory !== undefined, `memory ${number} is planned`);
    if (layer?.kind === 'embedding') embeddings.push(planEmbedding(memory, number, layer, parameter, batch, units));
    return { squares: clips ? memory.reserve(ceilDiv(parameter.size, squareLeafFloats) * 4) : 0, statistics: bytes > 0 ? memory.reserve(bytes) : 0 };
  });
  return { sums, embeddings };
};

/** Everything in DRAM, each in a place of its own. @throws DoesNotFit if one parameter with its state is larger than a memory */
export const planMemoryX = (need: MemoryXNeed): { readonly plan: MemoryXPlan; readonly create: () => WebAssembly.Memory[]; readonly stateBytes: number } => {
  const memories: MemoryPlan[] = [], unitRooms: UnitRooms[][] = [];
  let stateBytes = 0;
  const parameters = need.program.model.parameters.map((parameter): Omit<ParameterPlace, keyof SumsPlace> => {
    // A parameter's place is planned on a memory of its own first, to know how large it is.
    const alone = new MemoryPlan('a parameter', 0);
    planParameter(need, parameter, onOne(alone));
    const needBytes = alone.bytes;
    let memory = memories[memories.length - 1];
    if (memory === undefined || memory.bytes + needBytes > memoryBytesMax - spareBytes) {
      memory = new MemoryPlan(`MemoryX ${memories.length}`);
      memories.push(memory);
      unitRooms.push(roomsOf(need, memory));
    }
    stateBytes += needBytes;
    return { ...planParameter(need, parameter, onOne(memory)), memory: memories.length - 1 };
  });
  const { sums, embeddings } = planBeside(need, memories, (parameter) => (parameters[parameter] as ParameterPlace).memory);
  const plan: MemoryXPlan = {
    memoryBytes: memories.map((memory) => memory.bytes),
    parameters: parameters.map((place, p) => ({ ...place, ...(sums[p] as SumsPlace) })),
    units: unitsOf(unitRooms),
    embeddings,
  };
  return { plan, create: () => memories.map((memory) => memory.create()), stateBytes };
};

const onOne = (memory: MemoryPlan): ParameterPlans => ({ weights: memory, odd: memory, moments: memory, stored: memory, gradient: memory });

/** Units' own regions, unit by unit, from those of each memory. */
export const unitsOf = (rooms: readonly UnitRooms[][]): MemoryXPlan['units'] =>
  (rooms[0] ?? []).map((_, u) => ({ staging: rooms.map((all) => all[u]?.staging ?? 0), undo: rooms.map((all) => all[u]?.undo ?? 0), stretch: rooms.map((all) => all[u]?.stretch ?? 0) }));

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
