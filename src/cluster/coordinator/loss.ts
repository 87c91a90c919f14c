/** The loss of a step: the token tree over its slabs' leaves, times the factor; each addition rounded to f32. Not here: the leaves (tile/). */

const f32 = Math.fround;

/** An absent subtree hands its sibling through unchanged. */
const root = (leaves: Float32Array, first: number, span: number): number => {
  if (span === 1) return leaves[first] as number;
  const half = span / 2;
  const left = root(leaves, first, half);
  return first + half >= leaves.length ? left : f32(left + root(leaves, first + half, half));
};

export const lossOf = (leaves: Float32Array, factor: number): number => {
  let span = 1;
  while (span < leaves.length) span *= 2;
  return leaves.length === 0 ? 0 : f32(root(leaves, 0, span) * factor);
};
