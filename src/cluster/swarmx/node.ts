/**
 * A SwarmX node: passes weight blocks on to its children, and sums their gradient nodes on the way up.
 *
 *   child 0 ─┐
 *   child 1 ─┼─ node ─▶ up            order fixed by slab range, never by arrival: same bits on any schedule
 *   child 2 ─┘
 *
 * By reference: inside one shared memory a block is not copied, only counted on every link. Not here: the optimizer (memoryx/).
 */
import type { Behavior } from '../../actor/behavior.js';
import { createKernels } from '../../kernels/load.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { dealBatch, slabsOfSample } from '../deal.js';
import { nodesAbove, nodesOfWafer, shapeInSlot, type Gathered } from '../gradient-nodes.js';
import type { ClusterLayout } from '../layout.js';
import { followMerges } from '../reduce.js';
import type { SwarmXCommand, SwarmXReply } from './protocol.js';
import { planTree, type FanIn } from './tree.js';

export interface SwarmXProps {
  readonly layout: ClusterLayout;
  readonly fanIn: FanIn;
  readonly node: number;
  readonly counter: number;
}

export const swarmXNode = (props: SwarmXProps): Behavior<SwarmXCommand, SwarmXReply> => {
  const { layout } = props;
  const { bands } = layout.arena;
  const tree = planTree(layout.batch.numCsx, props.fanIn);
  const self = tree[props.node];
  assert(self !== undefined, `node ${props.node} is in the tree`);
  const kernels = createKernels(layout.kernels, layout.arenaMemory);
  const countersOf = counters(layout.counts, props.counter);
  const together = slabsOfSample(layout.batch);
  const links = self.tier === 0 ? self.wafers : self.children.length;

  /** What each child sends up in every micro-batch, and what this node makes of it. */
  const plan = dealBatch(layout.batch).map((microBatch) => {
    const at = (id: number): { readonly children: readonly Gathered[]; readonly own: Gathered } => {
      const node = tree[id];
      assert(node !== undefined, `node ${id} is in the tree`);
      const children = node.tier === 0 ? Array.from({ length: node.wafers }, (_, i) => nodesOfWafer(bands, node.firstWafer + i, microBatch, together)) : node.children.map((child) => at(child).own);
      return { children, own: nodesAbove(children.map((child) => child.nodes), together) };
    };
    return at(props.node);
  });

  return (ctx) => ({
    receive(message) {
      const counts = countersOf(message.step);
      switch (message.type) {
        case 'swarmx.broadcast':
          count(counts, 'linkDownBytes', message.bytes * links);
          // The links of tier 0 end at the wafers' edges.
          if (self.tier === 0) count(counts, 'ioInBytes', message.bytes * links);
          break;
        case 'swarmx.reduce': {
          const here = plan[message.microBatch], shape = shapeInSlot(layout, message);
          assert(here !== undefined, 'the micro-batch is in the deal');
          followMerges(kernels, bands, here.own.merges, message.slot, shape);
          const { elements } = shape;
          const senders = here.children.filter((child) => child.nodes.length > 0).length;
          count(counts, 'linkUpBytes', senders * elements * 4);
          count(counts, 'reduceAdds', Math.max(0, senders - 1) * elements);
          break;
        }
        default:
          message satisfies never;
      }
      ctx.reply({ type: 'swarmx.done' });
    },
  });
};
