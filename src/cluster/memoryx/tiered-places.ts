/**
 * MemoryX in two tiers: parameters in groups, groups as objects that come and go, and in each memory a pool for their rooms.
 *
 *   streamed layer ─▶ group { weights of even steps, of odd steps · moments · gradient }      a sparse weight: { stored · gradient }
 *   dramBytes = what each unit keeps for itself + pools
 *
 * A group's objects are in one memory, for its update works on all of them. Not here: MemoryX all in DRAM (places.ts), who comes and goes when (coordinator/residence.ts).
 */
import type { Program } from '../../compiler/program.js';
import type { ParameterSpec } from '../../model/graph.js';
import { MemoryPlan, memoryBytesMax } from '../../tensor/shared-memory.js';
import { DoesNotFit, assert } from '../../util/errors.js';
import { MiB, ceilDiv, roundUp } from '../../util/units.js';
import { pageBytes, type MemoryXPlan, type ParameterPlace, type StateGroup, type StateObject, type TierPlan } from '../layout.js';
import { wantsOf } from '../wants.js';
import { planBeside, planParameter, roomsOf, unitsOf, type MemoryXNeed } from './places.js';

/** Parameters that come and go together. */
export const groupParameters = (program: Program, sparse: ReadonlySet<number>): number[][] => {
  const { model, streamed } = program;
  const groups: number[][] = [], grouped = new Set<number>();
  for (const { index } of model.parameters) {
    if (grouped.has(index)) continue;
    const plan = streamed.find(({ weight, bias }) => weight === index || bias === index);
    const together = plan === undefined || sparse.has(plan.weight) || model.parameters[plan.weight]?.role === 'table' ? [index] : [plan.weight, ...(plan.bias === null ? [] : [plan.bias])];
    groups.push(together);
    for (const parameter of together) grouped.add(parameter);
  }
  return groups;
};

/** What a budget may exceed a memory by before another one is made. */
const spareBytes = 64 * MiB;

interface Grouped {
  readonly parameters: readonly { readonly spec: ParameterSpec; readonly place: ReturnType<typeof planParameter> }[];
  readonly bytes: { readonly weights: number; readonly moments: number; readonly stored: number; readonly gradient: number };
}

const pages = (plan: MemoryPlan): number => roundUp(plan.bytes, pageBytes);

/** One group's objects, and where its parameters lie in them. */
const planGroup = (need: MemoryXNeed, parameters: readonly number[]): Grouped => {
  const plans = { weights: new MemoryPlan('weights', 0), odd: new MemoryPlan('weights', 0), moments: new MemoryPlan('moments', 0), stored: new MemoryPlan('a sparse weight', 0), gradient: new MemoryPlan('a gradient', 0) };
  const places = parameters.map((index) => {
    const spec = need.program.model.parameters[index];
    assert(spec !== undefined, `parameter ${index} is in the model`);
    return { spec, place: planParameter(need, spec, plans) };
  });
  return { parameters: places, bytes: { weights: pages(plans.weights), moments: pages(plans.moments), stored: pages(plans.stored), gradient: pages(plans.gradient) } };
};

const allOf = ({ bytes }: Grouped): number => 2 * bytes.weights + bytes.moments + bytes.stored + bytes.gradient;

/** By memory: bytes of what a part of a step wants there at once, at most. Mostly an update; or all tables, or a sparse weight and a bias. */
const leastPools = ({ program, clips }: MemoryXNeed, tiers: Pick<TierPlan, 'groups' | 'groupOf' | 'objects'>, plan: Pick<MemoryXPlan, 'parameters' | 'embeddings'>, memories: number): number[] => {
  const layout = { program, memoryX: { ...plan, memoryBytes: [], units: [] }, tiers: { ...tiers, pools: [], rooms: new SharedArrayBuffer(0) } };
  const eventsOf = wantsOf({ layout, microBatches: 1, verdict: clips }), least = Array.from({ length: memories }, () => 0);
  for (const { wants } of [...eventsOf({ kind: 'fill', step: 0 }), ...eventsOf({ kind: 'train', step: 0, archive: true })]) {
    const bytes = least.map(() => 0);
    for (const want of wants) {
      const object = tiers.objects[want] as StateObject, { memory } = tiers.groups[object.group] as StateGroup;
      bytes[memory] = (bytes[memory] as number) + object.bytes;
    }
    bytes.forEach((sum, m) => (least[m] = Math.max(least[m] as number, sum)));
  }
  return least;
};

/** @throws DoesNotFit where the budget is too small for the largest part of a step */
export const planTieredMemoryX = (need: MemoryXNeed, dramBytes: number): { readonly plan: MemoryXPlan; readonly tiers: TierPlan; readonly create: () => WebAssembly.Memory[]; readonly stateBytes: number } => {
  const { program, sparse } = need;
  const groups = groupParameters(program, new Set(sparse.map(({ parameter }) => parameter))).map((parameters) => planGroup(need, parameters));
  const stateBytes = groups.reduce((sum, group) => sum + allOf(group), 0);
  const memories = Array.from({ length: Math.max(1, ceilDiv(Math.min(dramBytes, stateBytes + spareBytes) - spareBytes, memoryBytesMax)) }, (_, m) => new MemoryPlan(`MemoryX ${m}`));
  const rooms = memories.map((memory) => roomsOf(need, memory));
  /** Each group goes where least has gone so far. */
  const load = memories.map(() => 0);
  const memoryOf = groups.map((group) => {
    const memory = load.indexOf(Math.min(...load));
    load[memory] = (load[memory] ?? 0) + allOf(group);
    return memory;
  });
  const parameters: ParameterPlace[] = [];
  groups.forEach((group, g) => {
    for (const { spec, place } of group.parameters) parameters[spec.index] = { ...place, memory: memoryOf[g] as number, squares: 0, statistics: 0 };
  });
  const beside = planBeside(need, memories, (parameter) => (parameters[parameter] as ParameterPlace).memory);

  const objects: StateObject[] = [];
  const object = (group: number, kind: StateObject['kind'], bytes: number): number => objects.push({ group, kind, bytes }) - 1;
  const stateGroups = groups.map((group, g): StateGroup => {
    const { bytes } = group;
    return {
      parameters: group.parameters.map(({ spec }) => spec.index),
      memory: memoryOf[g] as number,
      weights: bytes.weights === 0 ? null : [object(g, 'weights', bytes.weights), object(g, 'weights', bytes.weights)],
      moments: bytes.moments === 0 ? null : object(g, 'moments', bytes.moments),
      stored: bytes.stored === 0 ? null : object(g, 'stored', bytes.stored),
      gradient: object(g, 'gradient', bytes.gradient),
    };
  });
  const groupOf: number[] = [];
  stateGroups.forEach((group, g) => group.parameters.forEach((parameter) => (groupOf[parameter] = g)));

  const fixed = memories.map((memory) => roundUp(memory.bytes, pageBytes)), fixedBytes = fixed.reduce((sum, bytes) => sum + bytes, 0);
  const leastOf = leastPools(need, { groups: stateGroups, groupOf, objects }, { parameters, embeddings: beside.embeddings }, memories.length);
  const share = Math.floor((dramBytes - fixedBytes) / memories.length / pageBytes) * pageBytes;
  const pools = memories.map((memory, m) => {
    const address = fixed[m] as number, bytes = Math.min(share, roundUp(load[m] as number, pageBytes), Math.floor((memoryBytesMax - address) / pageBytes) * pageBytes);
    if (bytes < (leastOf[m] as number)) {
      throw new DoesNotFit({
        what: 'the largest part of a step in MemoryX', where: 'memoryX.dramBytes', needBytes: fixedBytes + Math.max(...leastOf) * memories.length, haveBytes: dramBytes,
        hint: 'give more DRAM, or use an optimizer with fewer moments',
      });
    }
    memory.reserve(address - memory.bytes + bytes);
    return { address, bytes };
  });

  return {
    plan: { memoryBytes: memories.map((memory) => memory.bytes), parameters: parameters.map((place, p) => ({ ...place, ...beside.sums[p] })), units: unitsOf(rooms), embeddings: beside.embeddings },
    tiers: { groups: stateGroups, groupOf, objects, pools, rooms: new SharedArrayBuffer(objects.length * 4) },
    create: () => memories.map((memory) => memory.create()),
    stateBytes,
  };
};
