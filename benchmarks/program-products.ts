/**
 * The matrix products of a training step as bare kernel calls: a compiled program's own shapes, blocks and counts, in its own memory.
 *
 *   layout ─▶ the tile host's workers over kernels of which all but the products do nothing ─▶ one pass after the other
 *
 * Products are forward, delta and gradient of linear layers, and the scores and weighted sums of attention. Memory is filled with numbers that stay small through a
 * chain of products, and filled again before every time: norms do not run, so numbers would drift. Not here: a network of plain layers (plain-products.ts).
 */
import { attentionWorker, type AttentionWorker } from '../src/cluster/tile/attention.js';
import { shareOf, type BandContext } from '../src/cluster/tile/band.js';
import { sweepHead } from '../src/cluster/tile/sweep-head.js';
import { sweepWorker } from '../src/cluster/tile/sweep.js';
import { dealBatch } from '../src/cluster/deal.js';
import type { ClusterLayout } from '../src/cluster/layout.js';
import { createKernels } from '../src/kernels/load.js';
import type { Kernels } from '../src/kernels/types.js';
import { floats } from '../src/tensor/shared-memory.js';
import { mixed } from './harness/data.js';
import { timeOf } from './harness/rounds.js';

/** Small enough that softmax's place, left out, makes nothing grow; large enough that nothing falls below the normal numbers. */
const filling = 0.2;

/** Fills the arena with numbers, by copies of a run of them. */
export const fillArena = ({ arena, arenaMemory: memory }: ClusterLayout): void => {
  const run = mixed(1 << 20, 7, filling), all = floats(memory, 0, memory.buffer.byteLength / 4);
  for (let at = 0; at < all.length; at += run.length) all.set(run.subarray(0, Math.min(run.length, all.length - at)), at);
  for (const { slabs, labels } of arena.bands) new Int32Array(memory.buffer, labels, slabs * 32).fill(0);
};

/** The kernels with only products left. A gradient of one input is a bias's sum. */
const onlyProducts = (k: Kernels): Kernels => {
  const idle = Object.fromEntries(Object.entries(k).map(([name, value]) => [name, typeof value === 'function' ? () => 0 : value])) as unknown as Kernels;
  const { linear, gradient, panelDot, slabProduct } = k;
  return {
    ...idle, linear, panelDot, slabProduct,
    gradient: (dst, nodeStride, scratch, inp, inpStride, turned, inputs, width, panels, firstLeaf, slabsPerSample, lastTokens) =>
      inputs === 1 ? 0 : gradient(dst, nodeStride, scratch, inp, inpStride, turned, inputs, width, panels, firstLeaf, slabsPerSample, lastTokens),
  };
};

export interface ProgramProducts {
  /** Seconds of all products of one step that fall to this thread. */
  measure(): number;
}

export const programProducts = (layout: ClusterLayout, thread: number): ProgramProducts => {
  const { program, arena, batch, seed, arenaMemory: memory } = layout;
  const kernels = onlyProducts(createKernels(layout.kernels, memory));
  const microBatches = dealBatch(batch);
  const bands = arena.bands.filter((band) => band.thread === thread).map((band) => {
    const context: BandContext = { program, arena, band, batch, seed, kernels, memory, isSparse: () => false };
    return { worker: sweepWorker(context), head: sweepHead(context), shares: microBatches.map((microBatch) => ({ ...shareOf(band, program, microBatch, batch), step: 0, evaluate: false })) };
  });
  const attention: AttentionWorker = attentionWorker({ program, arena, batch, microBatches, thread, kernels, memory });

  const streamed = (op: 'forward' | 'delta' | 'gradient' | 'headMax' | 'headSum' | 'headDelta', number: number, microBatch: number): void => {
    const plan = program.streamed[number];
    if (plan === undefined || plan.kind === 'norm') return;
    (op === 'delta' ? plan.deltaBlocks : plan.forwardBlocks).forEach((block, b) => {
      for (const { worker, head, shares } of bands) {
        const share = shares[microBatch], slot = b % arena.weightSlots.length, gradientSlot = b % (arena.bands[0]?.gradients.length ?? 1);
        if (share === undefined || share.slabs === 0) continue;
        if (plan.kind === 'head') {
          if (op === 'headDelta') head.headDelta(share, plan, block, slot, gradientSlot);
          else if (op === 'headMax' || op === 'headSum') head[op](share, plan, block, slot);
        } else if (op === 'forward' || op === 'delta' || op === 'gradient') {
          if (op === 'gradient') worker.gradient(share, plan, block, gradientSlot, -1);
          else worker[op](share, plan, block, slot);
        }
      }
    });
  };
  const step = (): void => {
    microBatches.forEach((_, microBatch) => {
      for (const pass of program.passes) {
        if (pass.op === 'attention' || pass.op === 'attentionDelta') {
          const plan = program.attentions[pass.attention];
          if (plan !== undefined) attention[pass.op === 'attention' ? 'forward' : 'delta'](microBatch, plan);
        } else if ('streamed' in pass) streamed(pass.op, pass.streamed, microBatch);
      }
    });
  };
  return { measure: () => timeOf(step, 1) };
};
