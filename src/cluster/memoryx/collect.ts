/**
 * Collecting a gradient: nodes that SwarmX could not merge wait here for their siblings, until the root stands in gradients[0].
 *
 *   arena ─node─▶ staging ─┬─ sibling on top of the stack: added to it, and on down the stack
 *                          └─ else: waits in the next gradient buffer
 *
 * The stack's positions are the parameter's gradient buffers. Not here: merging over wafers (swarmx/), the update (update.ts).
 */
import { dealBatch, slabsOfSample, type BatchShape } from '../deal.js';
import { nodesAbove, nodesOfWafer } from '../gradient-nodes.js';
import type { BandPlan } from '../layout.js';
import { areSiblings, closed, mergeNodes, nodesOfRange, parentOf, type TreeNode } from '../token-tree.js';

/** What a stack does with values: `take` brings the incoming node to a position, `fold` adds position+1 into position. */
export interface StackValues {
  /** position ← incoming */
  take(position: number): void;
  /** position ← position + incoming */
  add(position: number): void;
  /** position ← position + (position+1) */
  fold(position: number): void;
}

/** A binary counter over nodes that arrive ascending. */
export class NodeStack {
  readonly #stack: TreeNode[] = [];
  readonly #slabsPerSample: number;

  constructor(slabsPerSample: number) {
    this.#slabsPerSample = slabsPerSample;
  }

  get depth(): number {
    return this.#stack.length;
  }

  push(arriving: TreeNode, values: StackValues): void {
    const stack = this.#stack;
    const node = closed(arriving, this.#slabsPerSample);
    const top = stack[stack.length - 1];
    if (top === undefined || !areSiblings(top, node)) {
      values.take(stack.length);
      stack.push(node);
      return;
    }
    values.add(stack.length - 1);
    stack[stack.length - 1] = parentOf(top, this.#slabsPerSample);
    for (;;) {
      const right = stack[stack.length - 1] as TreeNode, left = stack[stack.length - 2];
      if (left === undefined || !areSiblings(left, right)) return;
      values.fold(stack.length - 2);
      stack.pop();
      stack[stack.length - 1] = parentOf(left, this.#slabsPerSample);
    }
  }

  /** The batch is complete: an absent subtree hands its sibling through, so what is left adds up from the right. */
  finish(values: StackValues): void {
    while (this.#stack.length > 1) {
      values.fold(this.#stack.length - 2);
      this.#stack.pop();
    }
    this.#stack.length = 0;
  }

  clear(): void {
    this.#stack.length = 0;
  }
}

/** Nodes that reach MemoryX in each micro-batch. */
export const arrivals = (batch: BatchShape, bands: readonly BandPlan[]): (readonly TreeNode[])[] => {
  const together = slabsOfSample(batch);
  return dealBatch(batch).map((microBatch) => nodesAbove(microBatch.wafers.map((_, w) => nodesOfWafer(bands, w, microBatch, together).nodes), together).nodes);
};

/** Gradient buffers that a batch needs at once. */
export const stackDepth = (batch: BatchShape): number => {
  const together = slabsOfSample(batch);
  const stack = new NodeStack(together);
  let depth = 1;
  const note = { take: (position: number) => void (depth = Math.max(depth, position + 1)), add: () => {}, fold: () => {} };
  for (const microBatch of dealBatch(batch)) for (const node of mergeNodes(nodesOfRange(microBatch.first, microBatch.count, 0, together), together).nodes) stack.push(node, note);
  return depth;
};
