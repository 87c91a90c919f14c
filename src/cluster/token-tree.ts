/**
 * The token tree: which inner nodes a range of leaves leaves behind, and how neighbours merge (numerics contract, rule 3).
 *
 *   range ─nodesOfRange─▶ maximal aligned nodes ─mergeNodes─▶ fewer nodes … ─fold─▶ the root
 *
 * Pure arithmetic on (level, index); whoever holds the values follows the merges with additions, left plus right.
 * Not here: the additions (wafer/, swarmx/, memoryx/).
 */

/** A node covers leaves index·2^level … (index+1)·2^level − 1; `slot` says which buffer holds its value. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
  readonly slot: number;
}

/** buffer[into] = buffer[into] + buffer[from]; `into` holds the lower leaves. */
export interface Merge {
  readonly into: number;
  readonly from: number;
}

/** The maximal aligned nodes of leaves first … first+count−1, ascending; the slots are numbered from `firstSlot`. */
export const nodesOfRange = (first: number, count: number, firstSlot = 0): TreeNode[] => {
  const nodes: TreeNode[] = [];
  let leaf = first;
  const end = first + count;
  while (leaf < end) {
    let level = 0;
    while (leaf % 2 ** (level + 1) === 0 && leaf + 2 ** (level + 1) <= end) level++;
    nodes.push({ level, index: leaf / 2 ** level, slot: firstSlot + nodes.length });
    leaf += 2 ** level;
  }
  return nodes;
};

/** Merges siblings among ascending nodes like a binary counter. */
export const mergeNodes = (nodes: readonly TreeNode[]): { readonly merges: readonly Merge[]; readonly nodes: readonly TreeNode[] } => {
  const merges: Merge[] = [];
  const stack: TreeNode[] = [];
  for (const node of nodes) {
    let top = node;
    for (;;) {
      const left = stack[stack.length - 1];
      if (left === undefined || left.level !== top.level || left.index % 2 !== 0 || left.index + 1 !== top.index) break;
      stack.pop();
      merges.push({ into: left.slot, from: top.slot });
      top = { level: left.level + 1, index: left.index / 2, slot: left.slot };
    }
    stack.push(top);
  }
  return { merges, nodes: stack };
};
