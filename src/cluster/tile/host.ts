/**
 * A tile host: the actor that works off one band of tiles on its thread.
 *
 *   coordinator ─block in a slot─▶ host ─▶ its band (sweep.ts or fabric.ts) ─▶ done
 *
 * Behind the last block of a layer it does the layer's local steps. State: the band's SRAM in the arena, nothing else, so that a host
 * that died is replaced by a new one over the same memory. Not here: arithmetic, streams.
 */
import type { Behavior } from '../../actor/behavior.js';
import type { LinearPlan, LocalStep, PassStep } from '../../compiler/program.js';
import { createKernels } from '../../kernels/load.js';
import { nodeAlign, slabTokens } from '../../kernels/types.js';
import { counters } from '../../trace/counts.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { dealBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import { bufferAt, nodeWidth, panelStride, shareOf, type BandContext, type Share } from './band.js';
import { countDelta, countForward, countGradient, countLocal } from './count.js';
import { fabricWorker } from './fabric.js';
import type { TileCommand, TileReply } from './protocol.js';
import { sweepWorker } from './sweep.js';

export interface TileHostProps {
  readonly layout: ClusterLayout;
  readonly band: number;
  /** 'band': one kernel call for all tiles; 'tile': every tile by itself, sums by messages. */
  readonly sweep: 'band' | 'tile';
}

export const tileHost = (props: TileHostProps): Behavior<TileCommand, TileReply> => {
  const { layout } = props;
  const { program, arena, batch, arenaMemory: memory } = layout;
  const band = arena.bands[props.band];
  assert(band !== undefined, `band ${props.band} is planned`);
  const kernels = createKernels(layout.kernels, memory);
  const context: BandContext = { program, arena, band, kernels, memory };
  const worker = props.sweep === 'band' ? sweepWorker(context) : fabricWorker(context);
  const countersOf = counters(layout.counts, props.band);
  const shares: Share[] = dealBatch(batch).map((microBatch) => shareOf(band, program, microBatch, batch.samples, slabTokens));
  const localsOf = (op: 'forward' | 'delta', linear: number): readonly LocalStep[] =>
    program.passes.find((pass): pass is Extract<PassStep, { op: 'forward' | 'delta' }> => pass.op === op && pass.linear === linear)?.locals ?? [];
  const behindForward = program.linears.map((_, i) => localsOf('forward', i)), behindDelta = program.linears.map((_, i) => localsOf('delta', i));
  const entry = program.passes[0];
  assert(entry?.op === 'input' || entry?.op === 'gather', 'a program begins with its input');
  floats(memory, arena.ones, slabTokens).fill(1);

  const locals = (share: Share, steps: readonly LocalStep[], counts: Float64Array): void => {
    for (const step of steps) {
      worker.local(share, step);
      countLocal(counts, program, share, step);
    }
  };
  const linearOf = (number: number): LinearPlan => {
    const linear = program.linears[number];
    assert(linear !== undefined, `linear ${number} is in the program`);
    return linear;
  };

  return (ctx) => ({
    receive(message) {
      const share = shares[message.microBatch];
      assert(share !== undefined && share.slabs > 0, 'a band without samples is told nothing');
      const counts = countersOf(message.step);
      switch (message.type) {
        case 'tile.enter':
          locals(share, entry.locals, counts);
          break;
        case 'tile.forward': {
          const linear = linearOf(message.linear), block = linear.forwardBlocks[message.block];
          assert(block !== undefined, `forward block ${message.block} exists`);
          worker.forward(share, linear, block, message.slot);
          countForward(counts, program, share, linear, block);
          if (message.block === linear.forwardBlocks.length - 1) locals(share, behindForward[message.linear] ?? [], counts);
          break;
        }
        case 'tile.gradient': {
          const linear = linearOf(message.linear), block = linear.forwardBlocks[message.block];
          assert(block !== undefined, `gradient block ${message.block} exists`);
          worker.gradient(share, linear, block, message.slot);
          countGradient(counts, program, share, linear, block);
          break;
        }
        case 'tile.delta': {
          const linear = linearOf(message.linear), block = linear.deltaBlocks[message.block];
          assert(block !== undefined, `delta block ${message.block} exists`);
          worker.delta(share, linear, block, message.slot);
          countDelta(counts, program, share, linear, block);
          if (message.block === linear.deltaBlocks.length - 1) locals(share, behindDelta[message.linear] ?? [], counts);
          break;
        }
        case 'tile.scatter': {
          const features = program.buffers[entry.buffer]?.features ?? 0;
          const bytes = slabTokens * nodeWidth(features, nodeAlign) * 4;
          for (let p = 0; p < share.slabs; p++) kernels.turn(band.scatter + p * bytes, bufferAt(band, entry.buffer) + p * panelStride(program, entry.buffer), features);
          break;
        }
        default:
          message satisfies never;
      }
      ctx.reply({ type: 'tile.done' });
    },
  });
};
