/** The loss of a step: the token tree over its slabs' leaves, times the factor; each addition rounded to f32. Not here: the leaves (tile/). */
import { leafOf, mergeNodes } from '../token-tree.js';

const f32 = Math.fround;

export const lossOf = (leaves: Float32Array, factor: number, slabsPerSample = 1): number => {
  const values = leaves.slice();
  const { merges, nodes } = mergeNodes(Array.from(values, (_, slab) => ({ level: 0, index: leafOf(slab, slabsPerSample), slot: slab })), slabsPerSample);
  for (const { into, from } of merges) values[into] = f32((values[into] as number) + (values[from] as number));
  // An absent subtree hands its sibling through unchanged: what is left adds up from the right.
  let root: number | null = null;
  for (const { slot } of nodes.toReversed()) root = root === null ? (values[slot] as number) : f32((values[slot] as number) + root);
  return root === null ? 0 : f32(root * factor);
};
