/**
 * A tile host: the actor that works off the bands of its thread, one of each wafer that has tiles there.
 *
 *   coordinator ─block in a slot─▶ host ─▶ each band (sweep.ts or fabric.ts), while the block is in cache ─▶ done
 *
 * Behind the last block of a layer it does the layer's local steps. State: the bands' SRAM in the arena, nothing else, so that a host
 * that died is replaced by a new one over the same memory. Not here: arithmetic, streams.
 */
import type { Behavior } from '../../actor/behavior.js';
import type { BlockPlan, LinearPlan, LocalStep, PassStep } from '../../compiler/program.js';
import { createKernels } from '../../kernels/load.js';
import { nodeAlign, slabTokens } from '../../kernels/types.js';
import { counters } from '../../trace/counts.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { dealBatch } from '../deal.js';
import type { BandPlan, ClusterLayout } from '../layout.js';
import { bufferAt, nodeWidth, panelStride, shareOf, type BandContext, type BandWorker, type Share } from './band.js';
import { countDelta, countForward, countGradient, countLocal } from './count.js';
import { fabricWorker } from './fabric.js';
import type { TileCommand, TileReply } from './protocol.js';
import { sweepWorker } from './sweep.js';

export interface TileHostProps {
  readonly layout: ClusterLayout;
  readonly thread: number;
  /** 'band': one kernel call for all tiles; 'tile': every tile by itself, sums by messages. */
  readonly sweep: 'band' | 'tile';
}

/** One band at work: what it holds in each micro-batch, how it computes, where it counts. */
interface BandAtWork {
  readonly band: BandPlan;
  readonly worker: BandWorker;
  readonly shares: readonly Share[];
  readonly countersOf: (step: number) => Float64Array;
}

export const tileHost = (props: TileHostProps): Behavior<TileCommand, TileReply> => {
  const { layout } = props;
  const { program, arena, batch, arenaMemory: memory } = layout;
  const kernels = createKernels(layout.kernels, memory);
  const microBatches = dealBatch(batch);
  const bands = arena.bands.filter((band) => band.thread === props.thread).map((band): BandAtWork => {
    const context: BandContext = { program, arena, band, kernels, memory };
    return {
      band,
      worker: props.sweep === 'band' ? sweepWorker(context) : fabricWorker(context),
      shares: microBatches.map((microBatch) => shareOf(band, program, microBatch, batch.samples, slabTokens)),
      countersOf: counters(layout.counts, band.id),
    };
  });
  const localsOf = (op: 'forward' | 'delta', linear: number): readonly LocalStep[] =>
    program.passes.find((pass): pass is Extract<PassStep, { op: 'forward' | 'delta' }> => pass.op === op && pass.linear === linear)?.locals ?? [];
  const behindForward = program.linears.map((_, i) => localsOf('forward', i)), behindDelta = program.linears.map((_, i) => localsOf('delta', i));
  const entry = program.passes[0];
  assert(entry?.op === 'input' || entry?.op === 'gather', 'a program begins with its input');
  floats(memory, arena.ones, slabTokens).fill(1);

  const linearOf = (number: number): LinearPlan => {
    const linear = program.linears[number];
    assert(linear !== undefined, `linear ${number} is in the program`);
    return linear;
  };
  const blockOf = (blocks: readonly BlockPlan[], number: number): BlockPlan => {
    const block = blocks[number];
    assert(block !== undefined, `block ${number} exists`);
    return block;
  };

  const work = ({ band, worker }: BandAtWork, share: Share, counts: Float64Array, message: TileCommand): void => {
    const locals = (steps: readonly LocalStep[]): void => {
      for (const step of steps) {
        worker.local(share, step);
        countLocal(counts, program, share, step);
      }
    };
    switch (message.type) {
      case 'tile.enter':
        locals(entry.locals);
        return;
      case 'tile.forward': {
        const linear = linearOf(message.linear), block = blockOf(linear.forwardBlocks, message.block);
        worker.forward(share, linear, block, message.slot);
        countForward(counts, program, share, linear, block);
        if (message.block === linear.forwardBlocks.length - 1) locals(behindForward[message.linear] ?? []);
        return;
      }
      case 'tile.gradient': {
        const linear = linearOf(message.linear), block = blockOf(linear.forwardBlocks, message.block);
        worker.gradient(share, linear, block, message.slot);
        countGradient(counts, program, share, linear, block);
        return;
      }
      case 'tile.delta': {
        const linear = linearOf(message.linear), block = blockOf(linear.deltaBlocks, message.block);
        worker.delta(share, linear, block, message.slot);
        countDelta(counts, program, share, linear, block);
        if (message.block === linear.deltaBlocks.length - 1) locals(behindDelta[message.linear] ?? []);
        return;
      }
      case 'tile.scatter': {
        const features = program.buffers[entry.buffer]?.features ?? 0;
        const bytes = slabTokens * nodeWidth(features, nodeAlign) * 4;
        for (let p = 0; p < share.slabs; p++) kernels.turn(band.scatter + p * bytes, bufferAt(band, entry.buffer) + p * panelStride(program, entry.buffer), features);
        return;
      }
      default:
        message satisfies never;
    }
  };

  return (ctx) => ({
    receive(message) {
      for (const atWork of bands) {
        const share = atWork.shares[message.microBatch];
        assert(share !== undefined, `micro-batch ${message.microBatch} is in the deal`);
        if (share.slabs > 0) work(atWork, share, atWork.countersOf(message.step), message);
      }
      ctx.reply({ type: 'tile.done' });
    },
  });
};
