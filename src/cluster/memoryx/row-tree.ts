/**
 * The token trees of all rows of a table at once: gradients of the rows that occur, merged slab by slab, and in the end the dense gradient.
 *
 * Rows of a node lie anywhere in a pool; merging two nodes adds the rows that both have and adopts the others. Not here: the leaves (embedding.ts).
 */
import type { Kernels } from '../../kernels/types.js';
import { assert } from '../../util/errors.js';
import type { EmbeddingPlace } from '../layout.js';
import { areSiblings, closed, parentOf, type TreeNode } from '../token-tree.js';

/** An inner node of all rows' trees over the same leaves: pool rows by table row. */
export interface RowNode {
  readonly level: number;
  readonly index: number;
  readonly rows: Map<number, number>;
}

/** `rootNow`: address of the dense gradient. */
export const rowTree = (place: EmbeddingPlace, rootNow: () => number, slabsPerSample: number, kernels: Kernels) => {
  const { dim, vocabulary } = place;
  const rowBytes = dim * 4;
  const at = (row: number): number => place.rows + row * rowBytes;
  const stack: { readonly node: TreeNode; readonly rows: Map<number, number> }[] = [];
  let free: number[] = [];
  let used = 0;
  const take = (): number => {
    const row = free.pop() ?? used++;
    assert(row < place.rowsMax, 'the pool of gradient rows is as large as the tree can need');
    return row;
  };
  const mergeTop = (): void => {
    const right = stack.pop(), left = stack.pop();
    if (right === undefined || left === undefined) return;
    for (const [id, row] of right.rows) {
      const mine = left.rows.get(id);
      if (mine === undefined) left.rows.set(id, row);
      else {
        kernels.add(at(mine), at(mine), at(row), dim);
        free.push(row);
      }
    }
    stack.push({ node: parentOf(left.node, slabsPerSample), rows: left.rows });
  };
  const clear = (): void => {
    stack.length = 0;
    free = [];
    used = 0;
  };

  return {
    /** A cleared pool row for every distinct id; slots[i] is the one of ids[i]. */
    leaf(ids: Int32Array, slots: Int32Array): Map<number, number> {
      const rows = new Map<number, number>();
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i] as number;
        let row = rows.get(id);
        if (row === undefined) {
          row = take();
          kernels.clear(at(row), rowBytes);
          rows.set(id, row);
        }
        slots[i] = row;
      }
      return rows;
    },
    push({ level, index, rows }: RowNode): void {
      stack.push({ node: closed({ level, index, slot: 0 }, slabsPerSample), rows });
      for (;;) {
        const right = stack[stack.length - 1], left = stack[stack.length - 2];
        if (right === undefined || left === undefined || !areSiblings(left.node, right.node)) return;
        mergeTop();
      }
    },
    /** The batch is complete: the root becomes the table's dense gradient. */
    finish(): void {
      while (stack.length > 1) mergeTop();
      const root = rootNow();
      kernels.clear(root, vocabulary * rowBytes);
      for (const [id, row] of stack[0]?.rows ?? []) kernels.copy(root + id * rowBytes, at(row), rowBytes);
      clear();
    },
    clear,
  };
};
