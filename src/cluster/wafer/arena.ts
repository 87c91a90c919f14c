/**
 * The arena: bands, their tiles' SRAM and the stream buffers, laid out in one shared memory.
 *
 *   program + wafers + threads ─▶ bands ─▶ addresses
 *
 * A slab needs nothing of another inside a pass, so bands are cut between slabs, whatever rows they lie in (docs/decisions/0003); every
 * thread gets an equal run of all wafers' slabs. Neither bands nor threads show in a bit. Not here: MemoryX's memories.
 */
import type { Program } from '../../compiler/program.js';
import type { LayerOf } from '../../model/graph.js';
import { gradientScratchBytes, liveListBytes, nodeAlign, nodesMax, panelRowBytes, slabTokens } from '../../kernels/types.js';
import type { MemoryPlan } from '../../tensor/shared-memory.js';
import { roundUp } from '../../util/units.js';
import { dealBatch, slabsOfSample, type BatchShape } from '../deal.js';
import { blockShape, nodesOfBand, slabGroup, waitingNodes, widestBlock } from '../gradient-nodes.js';
import { sparseBlockAt } from '../sparse-block.js';
import type { ArenaPlan, BandPlan, MemoryXPlan, QuadPlan } from '../layout.js';

/** Weight blocks and gradient blocks in flight: the credits of the two streams. */
export const weightSlots = 4;
export const gradientSlots = 3;

type Slabs = Pick<BandPlan, 'wafer' | 'thread' | 'firstSlab' | 'slabs'>;

/** Whole samples a thread are worth a load that is uneven by this share. */
const unevenMax = 1 / 16;

/**
 * Every thread's equal run of all wafers' slabs, cut where a wafer ends; between samples rather than inside one where that leaves threads
 * evenly loaded, since a sample's attention then needs nobody else.
 */
export const cutBands = (slabsPerWafer: number, numCsx: number, threads: number, slabsOfSample = 1): Slabs[] => {
  const bands: Slabs[] = [];
  const all = numCsx * slabsPerWafer, samples = all / slabsOfSample;
  const whole = Math.ceil(samples / threads) * threads <= samples * (1 + unevenMax);
  const together = whole ? slabsOfSample : 1;
  for (let slab = 0; slab < all; slab++) {
    const unit = Math.floor(slab / together) * together + together / 2;
    const wafer = Math.floor(slab / slabsPerWafer), thread = Math.floor((unit / all) * threads);
    const last = bands[bands.length - 1];
    if (last !== undefined && last.wafer === wafer && last.thread === thread) bands[bands.length - 1] = { ...last, slabs: last.slabs + 1 };
    else bands.push({ wafer, thread, firstSlab: slab - wafer * slabsPerWafer, slabs: 1 });
  }
  return bands;
};

/** Rows of travelling sums that a band needs at once. */
const rowsOfBand = 10;

/** Layers whose tables of angles are the same share them. */
const sameRotary = (a: LayerOf<'rotary'>, b: LayerOf<'rotary'>): boolean => a.headSize === b.headSize && a.theta === b.theta && JSON.stringify(a.scaling) === JSON.stringify(b.scaling);

/** One head at a time: exponentials, their deltas and both turned [places][32], dK and dV of a key–value head, one panel and three rows. */
const attentionScratchBytes = (program: Program, slabs: number): number => {
  const headSize = Math.max(...program.attentions.map((attention) => attention.headSize));
  return (4 * slabs * slabTokens + 2 * slabs * headSize + headSize + 3) * panelRowBytes;
};

/** Layers whose weights are stored under masks. */
const sparseLayers = (program: Program, parameters: MemoryXPlan['parameters']): Program['streamed'] => program.streamed.filter((streamed) => (parameters[streamed.weight]?.sparse ?? null) !== null);

/** Bytes of the largest block of sparse layers, should all its positions be stored. */
const sparseSlotBytes = (layers: Program['streamed']): number => {
  const bytes = (n: number, m: number, bias: boolean): number => sparseBlockAt(0, { n, m, stored: n * m, lanes: 1, values: true, bias, dense: true }).end;
  return Math.max(0, ...layers.flatMap(({ inputs, outputs, bias, forwardBlocks, deltaBlocks }) => [...forwardBlocks.map(({ count }) => bytes(inputs, count, bias !== null)), ...deltaBlocks.map(({ count }) => bytes(outputs, count, false))]));
};

/** Bytes that nodes of stored positions may be longer than dense ones: the padding of the whole in the place of that of a row. */
const storedPadding = 64;

/** Room for sparse gradients, in one thread. */
const planQuads = (plan: MemoryPlan, layers: Program['streamed'], program: Program): QuadPlan => {
  const results = widestBlock(program), inputs = Math.max(...layers.map((layer) => layer.inputs));
  const dense = Math.max(...layers.flatMap((layer) => layer.forwardBlocks.map((_, b) => {
    const { width, nodeBytes } = blockShape(layer, b);
    return nodesMax(slabGroup(width)) * nodeBytes;
  })));
  return { x: plan.reserve(4 * inputs * panelRowBytes), dy: plan.reserve(4 * results * panelRowBytes), ones: plan.reserve(4 * panelRowBytes), noIndices: plan.reserve(results * 2), everyStart: plan.reserve((results + 1) * 4), dense: plan.reserve(dense) };
};

/** Lays the arena out; `plan` then makes the memory. @throws DoesNotFit beyond 4 GiB */
export const planArena = (program: Program, batch: BatchShape, threads: number, fabricFloats: number, plan: MemoryPlan, parameters: MemoryXPlan['parameters'], isInspected = false): ArenaPlan => {
  const start = plan.bytes;
  const times = (n: number, bytes: number): number[] => Array.from({ length: n }, () => plan.reserve(bytes));
  const sparse = sparseLayers(program, parameters), padding = sparse.length === 0 ? 0 : storedPadding;
  const weights = times(program.streamed.length === 0 ? 0 : weightSlots, Math.max(program.blockFloatsMax * 4, sparseSlotBytes(sparse)));
  const ones = plan.reserve(panelRowBytes), zeros = plan.reserve(panelRowBytes);
  const together = slabsOfSample(batch);
  const microBatches = dealBatch(batch);
  const lossLeaves = plan.reserve(microBatches.reduce((sum, microBatch) => sum + microBatch.count, 0) * 4);
  const places = together * slabTokens;
  const rotary = program.model.layers.flatMap((layer) => (layer.kind === 'rotary' ? [layer] : [])).map((layer, _, all) => ({ layer, first: all.find((other) => sameRotary(layer, other)) ?? layer }));
  const tables = new Map(rotary.filter(({ layer, first }) => layer === first).map(({ layer }) => [layer.id, { cos: plan.reserve(places * layer.headSize * 2), sin: plan.reserve(places * layer.headSize * 2) }]));
  const attention = program.attentions.length === 0 ? [] : times(threads, attentionScratchBytes(program, together));
  const shapes = program.streamed.flatMap((streamed) => streamed.forwardBlocks.map((_, b) => blockShape(streamed, b)));
  const widthMax = Math.max(nodeAlign, ...shapes.map((shape) => shape.width)), nodeBytesMax = Math.max(0, ...shapes.map((shape) => shape.nodeBytes + padding));
  const entry = program.passes[0];
  const scattered = program.passes.some((pass) => pass.op === 'scatter') && entry !== undefined && 'buffer' in entry ? roundUp(program.buffers[entry.buffer]?.features ?? 0, nodeAlign) : 0;

  const headInputs = Math.max(0, ...program.streamed.map((streamed) => (streamed.kind === 'head' ? streamed.inputs : 0)));
  const cut = cutBands(program.slabs, batch.numCsx, threads, together);
  // A share that is no longer than a group of leaves needs no room apart.
  const groupMin = Math.min(Infinity, ...shapes.map((shape) => slabGroup(shape.width)));
  const longest = Math.max(0, ...cut.map((run) => run.slabs));
  // Leaves of a quad are formed apart before they meet.
  const nodes = times(threads, sparse.length > 0 ? (waitingNodes(longest) + 4) * nodeBytesMax : longest <= groupMin ? 0 : waitingNodes(longest) * nodeBytesMax);
  const quads = sparse.length === 0 ? [] : Array.from({ length: threads }, () => planQuads(plan, sparse, program));
  const zeroWidth = Math.max(0, ...program.streamed.map((streamed) => (streamed.kind !== 'linear' ? 0 : Math.max(streamed.zeroInputs ? streamed.inputs : 0, streamed.zeroDeltas ? streamed.outputs : 0))));
  const gradientHeads = plan.reserve(gradientSlots * 4);

  let activationBytes = 0;
  const bands = cut.map((run, id): BandPlan => {
    const before = plan.bytes;
    const buffers = program.buffers.map((buffer) => plan.reserve(run.slabs * buffer.features * panelRowBytes));
    activationBytes += plan.bytes - before;
    const partial = { ...run, id, buffers, labels: 0, factor: 0, rows: 0, turned: 0, stack: 0, partial: 0, gradients: [], scatter: 0, live: 0, captured: [], fabric: 0 };
    const nodes = Math.max(1, ...microBatches.map((microBatch) => nodesOfBand(partial, microBatch, together).length));
    return {
      ...partial,
      labels: plan.reserve(run.slabs * panelRowBytes),
      factor: plan.reserve(4),
      rows: plan.reserve(rowsOfBand * panelRowBytes),
      turned: plan.reserve(run.slabs * slabTokens * widthMax * 4),
      stack: plan.reserve(gradientScratchBytes(widthMax, run.slabs)),
      partial: headInputs === 0 ? 0 : plan.reserve(headInputs * panelRowBytes),
      gradients: times(gradientSlots, nodes * nodeBytesMax),
      scatter: scattered === 0 ? 0 : plan.reserve(run.slabs * slabTokens * scattered * 4),
      live: zeroWidth === 0 ? 0 : plan.reserve(run.slabs * roundUp(liveListBytes(zeroWidth), 16)),
      captured: isInspected ? program.model.layers.map((layer) => ({ activation: plan.reserve(run.slabs * layer.features * panelRowBytes), delta: plan.reserve(run.slabs * layer.features * panelRowBytes) })) : [],
      fabric: fabricFloats === 0 ? 0 : plan.reserve(fabricFloats * 4),
    };
  });
  return {
    bytes: plan.bytes - start, weightSlots: weights, ones, zeros, lossLeaves, bands, activationBytes, attention, nodes, quads, gradientHeads,
    rotary: rotary.map(({ layer, first }) => ({ layer: layer.id, cos: tables.get(first.id)?.cos ?? 0, sin: tables.get(first.id)?.sin ?? 0 })),
  };
};
