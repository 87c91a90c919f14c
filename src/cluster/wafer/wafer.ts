/**
 * The wafers of a thread: the column reduce of each one's gradient nodes over its rows, and what crosses its edge.
 *
 *   bands ─nodes─▶ wafer ─fewer nodes─▶ swarmx           order fixed by slab, never by arrival
 *
 * Not here: products (tile/), merging over wafers (swarmx/).
 */
import type { Behavior } from '../../actor/behavior.js';
import { createKernels } from '../../kernels/load.js';
import { count, counters } from '../../trace/counts.js';
import { dealBatch, slabsOfSample } from '../deal.js';
import { nodesOfWafer, shapeInSlot } from '../gradient-nodes.js';
import type { ClusterLayout } from '../layout.js';
import { followMerges } from '../reduce.js';
import type { WaferCommand, WaferReply } from './protocol.js';

export interface WaferProps {
  readonly layout: ClusterLayout;
  /** Each with its counter array. */
  readonly wafers: readonly { readonly wafer: number; readonly counter: number }[];
}

export const wafers = (props: WaferProps): Behavior<WaferCommand, WaferReply> => {
  const { layout } = props;
  const { bands } = layout.arena;
  const kernels = createKernels(layout.kernels, layout.arenaMemory);
  const microBatches = dealBatch(layout.batch);
  const atWork = props.wafers.map(({ wafer, counter }) => ({ countersOf: counters(layout.counts, counter), found: microBatches.map((microBatch) => nodesOfWafer(bands, wafer, microBatch, slabsOfSample(layout.batch))) }));

  return (ctx) => ({
    receive(message) {
      const shape = shapeInSlot(layout, message);
      const { elements } = shape;
      for (const { countersOf, found } of atWork) {
        const here = found[message.microBatch], counts = countersOf(message.step);
        if (here === undefined || here.nodes.length === 0) continue;
        followMerges(kernels, bands, here.merges, message.slot, shape);
        count(counts, 'ioOutBytes', elements * 4);
        count(counts, 'contractOverhead', (here.nodes.length - 1) * elements);
      }
      ctx.reply({ type: 'wafer.done' });
    },
  });
};
