/**
 * The token tree: which inner nodes a range of leaves leaves behind, and how neighbours merge (numerics contract, rule 3).
 *
 *   range ─nodesOfRange─▶ maximal aligned nodes ─mergeNodes─▶ fewer nodes … ─fold─▶ the root
 *
 * Pure arithmetic on (level, index); whoever holds the values follows the merges with additions, left plus right. The leaf of slab k of sample s is
 * s · P + k, P the power of two ≥ slabs of a sample; where P is more, a node without a right sibling stands for their parent.
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

/** Leaves that a sample's slabs take up: the next power of two. */
const leavesPerSample = (slabsPerSample: number): number => 2 ** (32 - Math.clz32(slabsPerSample - 1));

/** Leaf of slab number `slab`, counted over all samples. */
export const leafOf = (slab: number, slabsPerSample: number): number =>
  slabsPerSample === 1 ? slab : Math.floor(slab / slabsPerSample) * leavesPerSample(slabsPerSample) + (slab % slabsPerSample);

/** The node, or the ancestor that it stands for because all that lies to its right in the sample does not exist. */
export const closed = (node: TreeNode, slabsPerSample: number): TreeNode => {
  if (slabsPerSample === 1) return node;
  const leaves = leavesPerSample(slabsPerSample);
  let { level, index } = node;
  while (2 ** level < leaves && index % 2 === 0 && ((index + 1) * 2 ** level) % leaves >= slabsPerSample) {
    level++;
    index /= 2;
  }
  return { level, index, slot: node.slot };
};

/** Whether `left` and `right` have the same parent. */
export const areSiblings = (left: TreeNode, right: TreeNode): boolean => left.level === right.level && left.index % 2 === 0 && left.index + 1 === right.index;

/** The parent of two siblings, in the place of the left one. */
export const parentOf = (left: TreeNode, slabsPerSample: number): TreeNode => closed({ level: left.level + 1, index: left.index / 2, slot: left.slot }, slabsPerSample);

/** The maximal nodes of the leaves of slabs first … first+count−1, ascending; the slots are numbered from `firstSlot`. */
export const nodesOfRange = (first: number, count: number, firstSlot = 0, slabsPerSample = 1): TreeNode[] => {
  if (slabsPerSample > 1) {
    const leaves = Array.from({ length: count }, (_, i) => ({ level: 0, index: leafOf(first + i, slabsPerSample), slot: i }));
    return mergeNodes(leaves, slabsPerSample).nodes.map((node, i) => ({ ...node, slot: firstSlot + i }));
  }
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
export const mergeNodes = (nodes: readonly TreeNode[], slabsPerSample = 1): { readonly merges: readonly Merge[]; readonly nodes: readonly TreeNode[] } => {
  const merges: Merge[] = [];
  const stack: TreeNode[] = [];
  for (const node of nodes) {
    let top = closed(node, slabsPerSample);
    for (;;) {
      const left = stack[stack.length - 1];
      if (left === undefined || !areSiblings(left, top)) break;
      stack.pop();
      merges.push({ into: left.slot, from: top.slot });
      top = parentOf(left, slabsPerSample);
    }
    stack.push(top);
  }
  return { merges, nodes: stack };
};
