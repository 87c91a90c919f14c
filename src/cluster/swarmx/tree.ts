/**
 * The SwarmX tree: broadcast-reduce nodes between MemoryX (the root's side) and the wafers (the leaves).
 *
 * A node has one up-port and up to four down-ports (as two of two it is one more level of the same kind). Children are consecutive, so
 * every node covers a contiguous range of wafers. Not here: what the nodes do (node.ts).
 */
import { ceilDiv } from '../../util/units.js';

export const fanIns = [2, 4] as const;
export type FanIn = (typeof fanIns)[number];

export interface TreeNodePlan {
  readonly id: number;
  /** Tier 0 is nearest to the wafers. */
  readonly tier: number;
  /** Wafers below: firstWafer … firstWafer+wafers−1. */
  readonly firstWafer: number;
  readonly wafers: number;
  /** Child nodes by id; empty on tier 0, whose children are its wafers. */
  readonly children: readonly number[];
}

/** All nodes, tier by tier, the root last. One wafer still has one node: the machine's fabric is never bypassed. */
export const planTree = (numCsx: number, fanIn: FanIn): TreeNodePlan[] => {
  const nodes: TreeNodePlan[] = [];
  let below: TreeNodePlan[] = [];
  for (let first = 0; first < numCsx; first += fanIn) {
    const node = { id: nodes.length, tier: 0, firstWafer: first, wafers: Math.min(fanIn, numCsx - first), children: [] };
    nodes.push(node);
    below.push(node);
  }
  for (let tier = 1; below.length > 1; tier++) {
    const level: TreeNodePlan[] = [];
    for (let i = 0; i < ceilDiv(below.length, fanIn); i++) {
      const children = below.slice(i * fanIn, (i + 1) * fanIn);
      const node = {
        id: nodes.length, tier, firstWafer: (children[0] as TreeNodePlan).firstWafer,
        wafers: children.reduce((sum, child) => sum + child.wafers, 0), children: children.map((child) => child.id),
      };
      nodes.push(node);
      level.push(node);
    }
    below = level;
  }
  return nodes;
};
