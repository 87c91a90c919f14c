/**
 * Planning a generation: which host computes which features, and where everything lies.
 *
 *   program + prompts' lengths + hosts ─▶ blocks, rooms, caches ─▶ layout and its memories
 *
 * Caches are as long as prompt and new tokens together. Not here: checks of what a user asks (emulator/), packing (weights.ts).
 */
import type { LinearPlan, Program } from '../../compiler/program.js';
import type { KernelPlan } from '../../kernels/load.js';
import { attendScratchBytes, panelRowBytes, slabTokens, valueFloats } from '../../kernels/types.js';
import type { LayerOf } from '../../model/graph.js';
import { rotaryTables } from '../../model/rotary.js';
import { floats, MemoryPlan, memoryBytesMax } from '../../tensor/shared-memory.js';
import { makeCounters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { ceilDiv } from '../../util/units.js';
import { laneTableWords, type GenerationLayout, type HostRoom, type PackedBlock, type Place, type RotaryRoom, type SequencePlan } from '../generation-layout.js';
import { ownBuffers, stagesOf } from './stages.js';

/** Lanes of one step, over all wafers: a prompt longer than this takes several. */
export const lanesMax = 256;
/** A multiple of every register block (4 and 5 results), so that no host has a narrow group inside. */
export const grain = 20;
/** Floats of a block: it stays in a host's cache while the panels pass by. */
const blockFloats = 64 * 1024;

export interface GenerationNeed {
  readonly program: Program;
  readonly kernels: KernelPlan;
  readonly hosts: number;
  readonly numCsx: number;
  readonly links: number;
  /** Places that each sequence will hold, and tokens of its prompt. */
  readonly sequences: readonly { readonly places: number; readonly prompt: number }[];
  /** Bytes of one memory; smaller in tests of what does not fit one. */
  readonly memoryBytes?: number;
}

/** Sequences in contiguous runs over the wafers. */
export const waferOf = (sequence: number, sequences: number, numCsx: number): number => Math.floor((sequence * numCsx) / Math.max(sequences, numCsx));

/** The first feature of host `host` of `hosts`. */
export const featureEdge = (features: number, host: number, hosts: number, step: number): number => Math.min(features, Math.round((ceilDiv(features, step) * host) / hosts) * step);

/** Bytes of keys and values of one sequence. */
export const cacheBytes = (program: Program, places: number): number =>
  program.attentions.reduce((sum, { kvHeads, headSize }) => sum + kvHeads * ceilDiv(places, slabTokens) * slabTokens * (headSize + valueFloats(headSize)) * 4, 0);

/** Panels that a step has at most: each wafer may leave one part empty. */
export const panelsFor = (sequences: readonly { readonly prompt: number }[], numCsx: number): number => {
  const lanes = Math.min(lanesMax, Math.max(sequences.length, sequences.reduce((sum, { prompt }) => sum + prompt, 0)));
  return Math.floor(lanes / slabTokens) + Math.min(numCsx, sequences.length);
};

/** @throws DoesNotFit if the arena, or one block or table, is larger than a memory */
export const planGeneration = (need: GenerationNeed): { readonly layout: GenerationLayout; readonly allocatedBytes: number } => {
  const { program, kernels, hosts, numCsx, links } = need;
  const { model } = program;
  const loss = model.layers[model.layers.length - 1], embedding = model.layers.find((layer): layer is LayerOf<'embedding'> => layer.kind === 'embedding');
  const last = program.passes.flatMap(({ locals }) => locals).find((local) => local.op === 'loss');
  assert(loss?.kind === 'softmaxCrossEntropy' && embedding !== undefined && last?.op === 'loss', 'a sequence model has a table and logits');
  const panelsMax = panelsFor(need.sequences, numCsx);
  const limit = need.memoryBytes ?? memoryBytesMax;

  const plans = [new MemoryPlan('the wafers')];
  const arena = plans[0] as MemoryPlan;
  const stages = stagesOf(program, last.x), own = ownBuffers(program, last.x);
  const used = usedBuffers(program);
  const panelBytes = (buffer: number): number => panelsMax * (program.buffers[buffer]?.features ?? 0) * panelRowBytes;
  const lanes = arena.reserve(laneTableWords(panelsMax) * 4);
  const buffers = program.buffers.map((_, buffer) => (used.has(buffer) && !own.has(buffer) ? arena.reserve(panelBytes(buffer)) : 0));
  const rotary = planRotary(program, arena, panelsMax);
  const sequences = need.sequences.map(({ places }, s): SequencePlan => {
    const slabs = ceilDiv(places, slabTokens);
    return {
      wafer: waferOf(s, need.sequences.length, numCsx), slabs,
      caches: program.attentions.map(({ kvHeads, headSize }) => ({ keys: arena.reserve(kvHeads * slabs * headSize * panelRowBytes), values: arena.reserve(kvHeads * slabs * slabTokens * valueFloats(headSize) * 4) })),
    };
  });
  const norms = program.streamed.map((plan) => (plan.kind === 'norm' ? { gain: arena.reserve(plan.inputs * 4), bias: plan.bias === null ? 0 : arena.reserve(plan.inputs * 4) } : { gain: 0, bias: 0 }));
  const placesMax = Math.max(slabTokens, ...need.sequences.map(({ places }) => places));
  const rooms = Array.from({ length: hosts }, () => ({
    buffers: Object.fromEntries([...own].map((buffer) => [buffer, arena.reserve(panelBytes(buffer))])),
    rows: arena.reserve(4 * panelRowBytes),
    scratch: arena.reserve(Math.max(1, ...program.attentions.map(({ headSize }) => attendScratchBytes(headSize, placesMax)))),
  }));
  const cuts = program.streamed.map((plan) => (plan.kind === 'linear' ? Array.from({ length: hosts }, (_, host) => cut(plan, host, hosts)) : []));
  const bytesOf = (plan: LinearPlan, count: number): number => (plan.inputs + (plan.bias === null ? 0 : 1)) * count * 4;
  const slotBytes = Math.max(1, ...program.streamed.flatMap((plan, s) => (plan.kind === 'linear' ? (cuts[s] ?? []).flat().map(({ count }) => bytesOf(plan, count)) : [])));
  // Slots come before weights, whether or not some weights will need them.
  const slots = rooms.map(() => arena.reserve(slotBytes));

  /** Room for weights, in the last memory that has some. */
  const place = (bytes: number): Place => {
    let plan = plans[plans.length - 1] as MemoryPlan;
    if (plan.bytes + bytes + 64 > limit) plans.push((plan = new MemoryPlan(`weights ${plans.length}`)));
    return { memory: plans.length - 1, address: plan.reserve(bytes) };
  };
  const blocks = program.streamed.map((plan, s) => (cuts[s] ?? []).map((ofHost) => ofHost.map(({ first, count }): PackedBlock => ({ first, count, ...place(plan.kind === 'linear' ? bytesOf(plan, count) : 0) }))));
  const sizeOf = (parameter: number): number => (model.parameters[parameter]?.size ?? 0) * 4;
  const table = place(sizeOf(embedding.table)), positions = embedding.positions === null ? null : place(sizeOf(embedding.positions));
  const memories = plans.map((plan) => plan.create());
  fillRotary(program, rotary, memories[0] as WebAssembly.Memory);
  return {
    allocatedBytes: memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0),
    layout: {
      program, kernels, stages, memories, buffers, blocks, norms, table, positions, dim: embedding.dim, rotary, sequences, lanes, panelsMax, logits: last.x, numCsx, links,
      hosts: rooms.map((room, h): HostRoom => ({ ...room, slot: slots[h] ?? 0 })),
      counts: makeCounters(hosts),
    },
  };
};

/** A host's outputs of a product, in blocks. */
const cut = (plan: LinearPlan, host: number, hosts: number): { readonly first: number; readonly count: number }[] => {
  const from = featureEdge(plan.outputs, host, hosts, grain), to = featureEdge(plan.outputs, host + 1, hosts, grain);
  const count = Math.max(grain, Math.floor(blockFloats / plan.inputs / grain) * grain);
  return Array.from({ length: ceilDiv(to - from, count) }, (_, b) => ({ first: from + b * count, count: Math.min(count, to - from - b * count) }));
};

/** Buffers that forward passes touch; statistics and scores are kept for deltas, which there are none of. */
const usedBuffers = (program: Program): Set<number> => {
  const used = new Set<number>();
  for (const pass of program.passes.filter(({ backward }) => !backward)) {
    if (pass.op === 'gather' || pass.op === 'input') used.add(pass.buffer);
    if (pass.op === 'forward') [program.streamed[pass.streamed]?.x, program.streamed[pass.streamed]?.y].forEach((buffer) => buffer !== undefined && used.add(buffer));
    if (pass.op === 'attention') [program.attentions[pass.attention]?.qkv, program.attentions[pass.attention]?.o].forEach((buffer) => buffer !== undefined && used.add(buffer));
    for (const local of pass.locals) for (const key of ['x', 'y', 'branch'] as const) if (key in local) used.add((local as unknown as Record<typeof key, number>)[key]);
  }
  return used;
};

const rotaryLayers = (program: Program): LayerOf<'rotary'>[] => program.model.layers.filter((layer): layer is LayerOf<'rotary'> => layer.kind === 'rotary');

/** Layers of equal angles share their tables. */
const planRotary = (program: Program, arena: MemoryPlan, panelsMax: number): RotaryRoom[] => {
  const kinds = new Map<string, LayerOf<'rotary'>[]>();
  for (const layer of rotaryLayers(program)) {
    const key = JSON.stringify([layer.theta, layer.headSize, layer.scaling]);
    kinds.set(key, [...(kinds.get(key) ?? []), layer]);
  }
  const places = program.model.tokensPerSample;
  return [...kinds.values()].map((layers) => {
    const half = (layers[0]?.headSize ?? 0) / 2, all = places * half * 4, ofLanes = panelsMax * slabTokens * half * 4;
    return { layers: layers.map(({ id }) => id), half, cos: arena.reserve(all), sin: arena.reserve(all), laneCos: arena.reserve(ofLanes), laneSin: arena.reserve(ofLanes) };
  });
};

const fillRotary = (program: Program, rooms: readonly RotaryRoom[], memory: WebAssembly.Memory): void => {
  for (const { layers, cos, sin } of rooms) {
    const layer = rotaryLayers(program).find(({ id }) => id === layers[0]);
    assert(layer !== undefined, 'rotary tables belong to a layer');
    const tables = rotaryTables({ headSize: layer.headSize, places: program.model.tokensPerSample, theta: layer.theta, ...(layer.scaling === null ? {} : { scaling: layer.scaling }) });
    floats(memory, cos, tables.cos.length).set(tables.cos);
    floats(memory, sin, tables.sin.length).set(tables.sin);
  }
};
