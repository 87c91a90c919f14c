/**
 * A pile of gradient nodes while a band forms them: a binary counter whose values lie one behind the other in memory.
 *
 *   new nodes are formed at `top` ─push─▶ merged with the sibling below as the token tree wants ─▶ what is left, ascending, is what the band sends
 *
 * Not here: how a node is formed (gradient.ts, sweep-norm.ts), nodes that wait in MemoryX (memoryx/collect.ts).
 */
import type { Kernels } from '../../kernels/types.js';
import { areSiblings, closed, parentOf, type TreeNode } from '../token-tree.js';

export class NodePile {
  readonly #kernels: Kernels;
  readonly #base: number;
  readonly #nodeBytes: number;
  readonly #slabsPerSample: number;
  readonly #nodes: TreeNode[] = [];

  /** Values lie from `base` on, `nodeBytes` each. */
  constructor(kernels: Kernels, base: number, nodeBytes: number, slabsPerSample: number) {
    this.#kernels = kernels;
    this.#base = base;
    this.#nodeBytes = nodeBytes;
    this.#slabsPerSample = slabsPerSample;
  }

  #at(place: number): number {
    return this.#base + place * this.#nodeBytes;
  }

  /** Where the next nodes are to be formed, ascending. */
  get top(): number {
    return this.#at(this.#nodes.length);
  }

  /** Bytes from the base on that hold nodes. */
  get bytes(): number {
    return this.#nodes.length * this.#nodeBytes;
  }

  /** Takes nodes that were formed at `top`; each moves down as those before it merge. */
  push(formed: readonly TreeNode[]): void {
    const from = this.#nodes.length, nodes = this.#nodes;
    formed.forEach((node, i) => {
      if (nodes.length !== from + i) this.#kernels.copy(this.top, this.#at(from + i), this.#nodeBytes);
      nodes.push(closed(node, this.#slabsPerSample));
      for (;;) {
        const right = nodes[nodes.length - 1], left = nodes[nodes.length - 2];
        if (right === undefined || left === undefined || !areSiblings(left, right)) return;
        const into = this.#at(nodes.length - 2);
        this.#kernels.add(into, into, into + this.#nodeBytes, this.#nodeBytes / 4);
        nodes.splice(-2, 2, parentOf(left, this.#slabsPerSample));
      }
    });
  }
}
