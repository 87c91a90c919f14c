/** The full binary tree over leaves (docs/numerics.md §1). Not here: the leaves. */

/** The sum of `values`; an absent subtree hands its sibling through. Works in place. */
export const treeSum = (values: Float32Array): number => {
  for (let count = values.length; count > 1; count = Math.ceil(count / 2)) {
    for (let i = 0; i < count >> 1; i++) values[i] = (values[2 * i] as number) + (values[2 * i + 1] as number);
    if (count % 2 === 1) values[count >> 1] = values[count - 1] as number;
  }
  return values[0] ?? 0;
};

/** The same of each column of `leaves` rows of `width` values; the sums are left in the first row. */
export const treeSumRows = (values: Float32Array, width: number): void => {
  for (let count = values.length / width; count > 1; count = Math.ceil(count / 2)) {
    for (let i = 0; i < count >> 1; i++) {
      for (let c = 0; c < width; c++) values[i * width + c] = (values[2 * i * width + c] as number) + (values[(2 * i + 1) * width + c] as number);
    }
    if (count % 2 === 1) values.copyWithin((count >> 1) * width, (count - 1) * width, count * width);
  }
};
