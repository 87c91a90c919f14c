/**
 * A tile host: the actor that works off the bands of its thread, one of each wafer that has tiles there.
 *
 *   coordinator ─block in a slot─▶ host ─▶ each band (sweep.ts or fabric.ts), while the block is in cache ─▶ done
 *
 * Behind the last block of a layer it does the layer's local steps. State: the bands' SRAM in the arena, nothing else, so that a host
 * that died is replaced by a new one over the same memory. Not here: arithmetic, streams.
 */
import type { Behavior } from '../../actor/behavior.js';
import type { BlockPlan, HeadPlan, LinearPlan, NormPlan, PassStep, StreamedPlan } from '../../compiler/program.js';
import { createKernels } from '../../kernels/load.js';
import { nodeAlign, panelRowBytes, slabTokens } from '../../kernels/types.js';
import { counters } from '../../trace/counts.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { dealBatch } from '../deal.js';
import type { BandPlan, ClusterLayout } from '../layout.js';
import { sparseOf } from '../masks.js';
import { storedInSlot } from '../sparse-block.js';
import { attentionWorker } from './attention.js';
import { bufferAt, nodeWidth, shareOf, type BandContext, type BandWorker, type Share } from './band.js';
import { capture } from './capture.js';
import { countAttention, countAttentionDelta } from './count-attention.js';
import { countDelta, countForward, countGradient, countHead, countLocal, countNorm, countNormDelta, countNormGradient, countOffload, gradientRun, headRun, linearRun } from './count.js';
import { fabricAttention } from './fabric-attention.js';
import { fabricWorker } from './fabric.js';
import { prepareQuads } from './gradient-sparse.js';
import type { TileCommand, TileReply } from './protocol.js';
import { sweepHead, type HeadWorker } from './sweep-head.js';
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
  readonly head: HeadWorker;
  readonly shares: readonly Omit<Share, 'step' | 'evaluate'>[];
  readonly countersOf: (step: number) => Float64Array;
}

type Streaming = Extract<PassStep, { streamed: number }>;
type Op = 'forward' | 'gradient' | 'delta';

export const tileHost = (props: TileHostProps): Behavior<TileCommand, TileReply> => {
  const { layout } = props;
  const { program, arena, batch, seed, arenaMemory: memory } = layout;
  const kernels = createKernels(layout.kernels, memory);
  const microBatches = dealBatch(batch);
  const isSparse = (linear: LinearPlan): boolean => sparseOf(layout, linear) !== null;
  const bands = arena.bands.filter((band) => band.thread === props.thread).map((band): BandAtWork => {
    const context: BandContext = { program, arena, band, batch, seed, kernels, memory, isSparse };
    return {
      band,
      worker: props.sweep === 'band' ? sweepWorker(context) : fabricWorker(context),
      head: sweepHead(context),
      shares: microBatches.map((microBatch) => shareOf(band, program, microBatch, batch)),
      countersOf: counters(layout.counts, band.id),
    };
  });
  const attention = program.attentions.length === 0 ? null : (props.sweep === 'band' ? attentionWorker : fabricAttention)({ program, arena, batch, microBatches, thread: props.thread, kernels, memory });
  floats(memory, arena.ones, slabTokens).fill(1);
  const room = arena.quads[props.thread];
  if (room !== undefined) prepareQuads(memory, room, program);

  const streamedOf = (pass: Streaming): StreamedPlan => {
    const plan = program.streamed[pass.streamed];
    assert(plan !== undefined, `streamed layer ${pass.streamed} is in the program`);
    return plan;
  };
  const blocksOf = (pass: Streaming): readonly BlockPlan[] => (pass.op === 'delta' ? streamedOf(pass).deltaBlocks : streamedOf(pass).forwardBlocks);

  const linear = (worker: BandWorker, share: Share, counts: Float64Array, op: Op, plan: LinearPlan, block: BlockPlan, message: TileCommand): void => {
    if (op === 'gradient') worker.gradient(share, plan, block, message.gradientSlot, message.slot);
    else worker[op](share, plan, block, message.slot);
    const isStored = isSparse(plan) && message.slot >= 0, slot = arena.weightSlots[message.slot] ?? 0;
    const stored = isStored ? storedInSlot(memory, slot) : (op === 'delta' ? plan.outputs : plan.inputs) * block.count;
    const all = (op === 'delta' ? plan.outputs : plan.inputs) * block.count, run = op === 'gradient' ? gradientRun(block.count, stored, all) : linearRun(program, plan, block.count, stored, all);
    (op === 'forward' ? countForward : op === 'delta' ? countDelta : countGradient)(counts, program, share, plan, run);
  };
  const norm = (worker: BandWorker, share: Share, counts: Float64Array, op: Op, plan: NormPlan, slot: number): void => {
    if (op === 'forward') {
      worker.norm(share, plan, slot);
      countNorm(counts, program, share, plan);
    } else if (op === 'delta') {
      worker.normDelta(share, plan, slot);
      countNormDelta(counts, program, share, plan);
    } else {
      worker.normGradient(share, plan, slot);
      countNormGradient(counts, program, share, plan);
    }
  };
  const headBlock = (worker: HeadWorker, share: Share, counts: Float64Array, op: PassStep['op'], plan: HeadPlan, block: BlockPlan, message: TileCommand): void => {
    if (op === 'headMax') worker.headMax(share, plan, block, message.slot);
    else if (op === 'headSum') worker.headSum(share, plan, block, message.slot);
    else worker.headDelta(share, plan, block, message.slot, message.gradientSlot);
    countHead(counts, program, share, plan, headRun(program, plan, block.count, op === 'headDelta'), 1, op === 'headDelta');
  };
  const scatter = (band: BandPlan, share: Share, pass: Extract<PassStep, { op: 'scatter' }>): void => {
    const features = program.model.layers[pass.layer]?.features ?? 0;
    const bytes = slabTokens * nodeWidth(features, nodeAlign) * 4;
    for (let p = 0; p < share.slabs; p++) kernels.turn(band.scatter + p * bytes, bufferAt(band, pass.buffer) + p * features * panelRowBytes, features);
  };

  const work = ({ band, worker, head }: BandAtWork, share: Share, counts: Float64Array, pass: PassStep, message: TileCommand): void => {
    if (pass.returns !== undefined && message.block === 0) countOffload(counts, program, share, pass.returns, 'ioInBytes');
    switch (pass.op) {
      case 'forward':
      case 'gradient':
      case 'delta': {
        const plan = streamedOf(pass), blocks = blocksOf(pass), block = blocks[message.block];
        assert(block !== undefined, `block ${message.block} exists`);
        const slot = pass.op === 'gradient' ? message.gradientSlot : message.slot;
        if (plan.kind === 'linear') linear(worker, share, counts, pass.op, plan, block, message);
        else if (plan.kind === 'norm') norm(worker, share, counts, pass.op, plan, slot);
        if (message.block < blocks.length - 1) return;
        break;
      }
      case 'headMax':
      case 'headSum':
      case 'headDelta': {
        const plan = streamedOf(pass), block = plan.forwardBlocks[message.block];
        assert(plan.kind === 'head' && block !== undefined, 'the pass is a head\'s');
        headBlock(head, share, counts, pass.op, plan, block, message);
        if (message.block < plan.forwardBlocks.length - 1) return;
        break;
      }
      case 'attention':
      case 'attentionDelta': {
        const plan = program.attentions[pass.attention];
        assert(plan !== undefined, `attention ${pass.attention} is in the program`);
        (pass.op === 'attention' ? countAttention : countAttentionDelta)(counts, program, batch, share, plan);
        break;
      }
      case 'scatter':
        scatter(band, share, pass);
        break;
      case 'input':
      case 'gather':
      case 'locals':
        break;
      default:
        pass satisfies never;
    }
    if (!share.evaluate && !isShared(pass)) capture(program, kernels, band, share.slabs, { pass });
    for (const step of pass.locals) {
      worker.local(share, step);
      countLocal(counts, program, share, step);
      if (!share.evaluate) capture(program, kernels, band, share.slabs, { step });
    }
    if (pass.leaves !== undefined && !share.evaluate) countOffload(counts, program, share, pass.leaves, 'ioOutBytes');
  };

  /** Hosts may share an attention: what it made is whole when the next command comes. */
  const isShared = (pass: PassStep): boolean => pass.op === 'attention' || pass.op === 'attentionDelta';
  let attended: PassStep | null = null;

  return (ctx) => ({
    receive(message) {
      const pass = program.passes[message.pass];
      assert(pass !== undefined, `pass ${message.pass} is in the program`);
      if (pass.op === 'attention' || pass.op === 'attentionDelta') {
        const plan = program.attentions[pass.attention];
        assert(attention !== null && plan !== undefined, `attention ${pass.attention} is in the program`);
        attention[pass.op === 'attention' ? 'forward' : 'delta'](message.microBatch, plan);
      }
      for (const atWork of bands) {
        const share = atWork.shares[message.microBatch];
        assert(share !== undefined, `micro-batch ${message.microBatch} is in the deal`);
        if (attended !== null && message.evaluate === 0) capture(program, kernels, atWork.band, share.slabs, { pass: attended });
        if (share.slabs > 0) work(atWork, { ...share, step: message.step, evaluate: message.evaluate === 1 }, atWork.countersOf(message.step), pass, message);
      }
      attended = isShared(pass) ? pass : null;
      ctx.reply({ type: 'tile.done' });
    },
  });
};
