/**
 * A wafer: the column reduce of its bands' gradient nodes over the rows, and what crosses its edge.
 *
 *   bands ─nodes─▶ wafer ─fewer nodes─▶ swarmx           order fixed by slab, never by arrival
 *
 * Not here: products (tile/), merging over wafers (swarmx/).
 */
import type { Behavior } from '../../actor/behavior.js';
import { createKernels } from '../../kernels/load.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { dealBatch } from '../deal.js';
import { blockShape, nodesOfWafer } from '../gradient-nodes.js';
import type { ClusterLayout } from '../layout.js';
import { followMerges } from '../reduce.js';
import type { WaferCommand, WaferReply } from './protocol.js';

export interface WaferProps {
  readonly layout: ClusterLayout;
  readonly wafer: number;
  readonly counter: number;
}

export const wafer = (props: WaferProps): Behavior<WaferCommand, WaferReply> => {
  const { layout } = props;
  const { bands } = layout.arena;
  const kernels = createKernels(layout.kernels, layout.arenaMemory);
  const countersOf = counters(layout.counts, props.counter);
  const found = dealBatch(layout.batch).map((microBatch) => nodesOfWafer(bands, props.wafer, microBatch));

  return (ctx) => ({
    receive(message) {
      const counts = countersOf(message.step);
      const linear = layout.program.linears[message.linear], here = found[message.microBatch];
      assert(linear !== undefined && here !== undefined, 'the block and the micro-batch are in the program');
      const shape = blockShape(linear, message.block);
      followMerges(kernels, bands, here.merges, message.slot, shape);
      const outputs = linear.forwardBlocks[message.block]?.count ?? 0;
      count(counts, 'ioOutBytes', shape.rows * outputs * 4);
      count(counts, 'contractOverhead', Math.max(0, here.nodes.length - 1) * shape.rows * outputs);
      ctx.reply({ type: 'wafer.done' });
    },
  });
};
