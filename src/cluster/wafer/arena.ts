/**
 * The arena: bands, their tiles' SRAM and the stream buffers, laid out in one shared memory.
 *
 *   program + wafers + threads ─▶ bands ─▶ addresses
 *
 * Rows are cut into bands where their edge is a slab's edge, so that a band needs nothing of its neighbours inside a pass; every
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

type Rows = Pick<BandPlan, 'wafer' | 'thread' | 'firstRow' | 'rows' | 'firstSlab' | 'slabs'>;

/** Runs of rows that begin and end on slab edges, joined where the same thread has them. */
export const cutBands = (program: Program, numCsx: number, threads: number): Rows[] => {
  const bands: Rows[] = [];
  const { rowEdges, slabs } = program;
  for (let wafer = 0; wafer < numCsx; wafer++) {
    let firstRow = 0, firstToken = 0;
    for (let row = 0; row + 1 < rowEdges.length; row++) {
      const edge = rowEdges[row + 1] as number;
      const end = edge === rowEdges[rowEdges.length - 1];
      if (edge === firstToken || (edge % slabTokens !== 0 && !end)) continue;
      const firstSlab = firstToken / slabTokens, slabsHere = Math.ceil(edge / slabTokens) - firstSlab;
      const thread = Math.floor(((wafer * slabs + firstSlab + slabsHere / 2) / (numCsx * slabs)) * threads);
      const last = bands[bands.length - 1];
      if (last !== undefined && last.wafer === wafer && last.thread === thread) {
        bands[bands.length - 1] = { ...last, rows: row + 1 - last.firstRow, slabs: last.slabs + slabsHere };
      } else bands.push({ wafer, thread, firstRow, rows: row + 1 - firstRow, firstSlab, slabs: slabsHere });
      firstRow = row + 1;
      firstToken = edge;
      if (end) break;
    }
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
  const bands = cutBands(program, batch.numCsx, threads).map((rows, id): BandPlan => {
    const before = plan.bytes;
    const buffers = program.buffers.map((buffer) => plan.reserve(rows.slabs * buffer.features * panelRowBytes));
    activationBytes += plan.bytes - before;
    const partial = { ...rows, id, buffers, labels: 0, factor: 0, softmax: 0, turned: 0, stack: 0, gradients: [], scatter: 0, fabric: 0 };
    const nodes = Math.max(1, ...microBatches.map((microBatch) => nodesOfBand(partial, microBatch).length));
    return {
      ...partial,
      labels: plan.reserve(rows.slabs * panelRowBytes),
      factor: plan.reserve(4),
      softmax: plan.reserve(5 * panelRowBytes),
      turned: plan.reserve(rows.slabs * slabTokens * widthMax * 4),
      stack: plan.reserve(gradientScratchBytes(widthMax, rows.slabs)),
      gradients: times(gradientSlots, nodes * nodeBytesMax),
      scatter: scattered === 0 ? 0 : plan.reserve(rows.slabs * slabTokens * scattered * 4),
      fabric: fabricFloats === 0 ? 0 : plan.reserve(fabricFloats * 4),
    };
  });
  return { bytes: plan.bytes - start, weightSlots: weights, ones, lossLeaves, bands, activationBytes };
};
