/** Reads gradients and deltas out of the machine after a run, for whoever checks them. Not here: weights (cluster/store.ts), counts (cluster/wiring.ts). */
import { dealBatch, tokensIn, tokensInSlab } from '../cluster/deal.js';
import type { ClusterLayout } from '../cluster/layout.js';
import { slabTokens } from '../kernels/types.js';
import type { PassStep, Program } from '../compiler/program.js';
import type { NamedTensor } from '../tensor/named.js';
import { floats } from '../tensor/shared-memory.js';
import type { Inspection } from './run.js';

export const inspect = (layout: ClusterLayout): Inspection => {
  const { program, memoryX } = layout;
  const gradients = program.model.parameters.map((spec): NamedTensor => {
    const place = memoryX.parameters[spec.index];
    const memory = layout.memoryXMemories[place?.memory ?? 0] as WebAssembly.Memory;
    const data = new Float32Array(floats(memory, place?.gradients[0] ?? 0, spec.size));
    const table = place?.tableRoot ?? null;
    // A tied table has two roots; their sum is what the optimizer sees.
    if (table !== null) floats(memory, table, spec.size).forEach((value, i) => (data[i] = (data[i] as number) + value));
    return { name: spec.name, shape: spec.shape, data };
  });
  // Where blocks share their inner buffers, or a delta passes through the scratch buffer, it is gone by now.
  const deltas = program.streamed.flatMap((plan, number) => {
    const behind = program.passes.slice(program.passes.findIndex((pass) => pass.op === 'gradient' && pass.streamed === number) + 1);
    const isThere = plan.kind === 'linear' && program.buffers[plan.dy]?.scratch === false && !behind.some((pass) => writes(program, pass).includes(plan.dy));
    return isThere ? [deltaOf(layout, plan.dy, program.model.layers[plan.layer]?.name ?? '')] : [];
  });
  return { gradients, deltas };
};

/** Buffers that a pass and the steps behind it write. */
const writes = (program: Program, pass: PassStep): readonly (number | null | undefined)[] => {
  const locals = pass.locals.map((step) => ('dst' in step ? step.dst : 'y' in step ? step.y : step.x));
  switch (pass.op) {
    case 'input':
    case 'gather':
      return [pass.buffer, ...locals];
    case 'forward': {
      const plan = program.streamed[pass.streamed];
      return [plan?.y, ...(plan?.kind === 'norm' ? [plan.stats] : []), ...locals];
    }
    case 'delta':
      return [program.streamed[pass.streamed]?.dx, ...locals];
    case 'attention': {
      const plan = program.attentions[pass.attention];
      return [plan?.o, plan?.stats, plan?.scores, ...locals];
    }
    case 'attentionDelta':
      return [program.attentions[pass.attention]?.qkv, ...locals];
    default:
      return locals;
  }
};

const deltaOf = (layout: ClusterLayout, buffer: number, name: string): NamedTensor => {
  const { batch, arena } = layout;
  const features = layout.program.buffers[buffer]?.features ?? 0;
  const last = dealBatch(batch).at(-1) ?? { first: 0, count: 0, wafers: [] };
  const tokens = tokensIn(last, batch);
  const data = new Float32Array(tokens * features);
  /** Place of each slab's first token among those of the micro-batch. */
  const before = Array.from({ length: last.count }, (_, i) => tokensIn({ first: last.first, count: i }, batch));
  for (const band of arena.bands) {
    const wafer = last.wafers[band.wafer];
    const slabs = Math.min(band.slabs, (wafer?.count ?? 0) - band.firstSlab);
    for (let p = 0; p < slabs; p++) {
      const panel = floats(layout.arenaMemory, (band.buffers[buffer] as number) + p * features * slabTokens * 4, features * slabTokens);
      const slab = (wafer?.first ?? 0) + band.firstSlab + p, first = before[slab - last.first] ?? 0, here = tokensInSlab(slab, batch);
      for (let t = 0; t < here; t++) for (let f = 0; f < features; f++) data[(first + t) * features + f] = panel[f * slabTokens + t] as number;
    }
  }
  return { name, shape: [tokens, features], data };
};
