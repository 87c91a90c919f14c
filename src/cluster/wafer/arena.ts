/**
 * The arena: bands, their tiles' SRAM and the stream buffers, laid out in one shared memory.
 *
 *   program + wafers + threads ─▶ bands ─▶ addresses
 *
 * A slab needs nothing of another inside a pass, so bands are cut between slabs, whatever rows they lie in (docs/decisions/0003); every
 * thread gets an equal run of all wafers' slabs. Neither bands nor threads show in a bit. Not here: MemoryX's memories.
 */
import type { Program } from '../../compiler/program.js';
import { gradientScratchBytes, nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import type { MemoryPlan } from '../../tensor/shared-memory.js';
import { roundUp } from '../../util/units.js';
import { dealBatch, type BatchShape } from '../deal.js';
import { blockShape, nodesOfBand } from '../gradient-nodes.js';
import type { ArenaPlan, BandPlan } from '../layout.js';

/** Weight blocks and gradient blocks in flight: the credits of the two streams. */
export const weightSlots = 4;
export const gradientSlots = 3;

type Slabs = Pick<BandPlan, 'wafer' | 'thread' | 'firstSlab' | 'slabs'>;

/** Every thread's equal run of all wafers' slabs, cut where a wafer ends. */
export const cutBands = (slabsPerWafer: number, numCsx: number, threads: number): Slabs[] => {
  const bands: Slabs[] = [];
  const all = numCsx * slabsPerWafer;
  for (let slab = 0; slab < all; slab++) {
    const wafer = Math.floor(slab / slabsPerWafer), thread = Math.floor(((slab + 0.5) / all) * threads);
    const last = bands[bands.length - 1];
    if (last !== undefined && last.wafer === wafer && last.thread === thread) bands[bands.length - 1] = { ...last, slabs: last.slabs + 1 };
    else bands.push({ wafer, thread, firstSlab: slab - wafer * slabsPerWafer, slabs: 1 });
  }
  return bands;
};

/** Lays the arena out; `plan` then makes the memory. @throws DoesNotFit beyond 4 GiB */
export const planArena = (program: Program, batch: BatchShape, threads: number, fabricFloats: number, plan: MemoryPlan): ArenaPlan => {
  const start = plan.bytes;
  const times = (n: number, bytes: number): number[] => Array.from({ length: n }, () => plan.reserve(bytes));
  const weights = times(program.linears.length === 0 ? 0 : weightSlots, program.blockFloatsMax * 4);
  const ones = plan.reserve(panelRowBytes);
  const lossLeaves = plan.reserve(Math.ceil(batch.samples / slabTokens) * 4);
  const shapes = program.linears.flatMap((linear) => linear.forwardBlocks.map((_, b) => blockShape(linear, b)));
  const widthMax = Math.max(nodeAlign, ...shapes.map((shape) => shape.width)), nodeBytesMax = Math.max(0, ...shapes.map((shape) => shape.nodeBytes));
  const entry = program.passes[0];
  const scattered = program.passes.some((pass) => pass.op === 'scatter') && entry !== undefined && 'buffer' in entry ? roundUp(program.buffers[entry.buffer]?.features ?? 0, nodeAlign) : 0;
  const microBatches = dealBatch(batch);

  let activationBytes = 0;
  const bands = cutBands(program.slabs, batch.numCsx, threads).map((run, id): BandPlan => {
    const before = plan.bytes;
    const buffers = program.buffers.map((buffer) => plan.reserve(run.slabs * buffer.features * panelRowBytes));
    activationBytes += plan.bytes - before;
    const partial = { ...run, id, buffers, labels: 0, factor: 0, softmax: 0, turned: 0, stack: 0, gradients: [], scatter: 0, fabric: 0 };
    const nodes = Math.max(1, ...microBatches.map((microBatch) => nodesOfBand(partial, microBatch).length));
    return {
      ...partial,
      labels: plan.reserve(run.slabs * panelRowBytes),
      factor: plan.reserve(4),
      softmax: plan.reserve(5 * panelRowBytes),
      turned: plan.reserve(run.slabs * slabTokens * widthMax * 4),
      stack: plan.reserve(gradientScratchBytes(widthMax, run.slabs)),
      gradients: times(gradientSlots, nodes * nodeBytesMax),
      scatter: scattered === 0 ? 0 : plan.reserve(run.slabs * slabTokens * scattered * 4),
      fabric: fabricFloats === 0 ? 0 : plan.reserve(fabricFloats * 4),
    };
  });
  return { bytes: plan.bytes - start, weightSlots: weights, ones, lossLeaves, bands, activationBytes };
};
