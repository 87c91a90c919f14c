/** The global norm of a step's gradient and the factor that clips it (docs/numerics.md §6). Not here: the leaves (memoryx/). */
import { squareLeafFloats } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import type { ClusterLayout } from '../layout.js';
import { treeSum } from '../tree-sum.js';

const f32 = Math.fround;

/** √ of the sum over all parameters' leaves, and min(1, maxNorm / (norm + 1e-6)). */
export const clipOf = (layout: ClusterLayout, maxNorm: number): { readonly norm: number; readonly clip: number } => {
  let total = 0;
  for (const { index, size } of layout.program.model.parameters) {
    const place = layout.memoryX.parameters[index];
    const memory = place && layout.memoryXMemories[place.memory];
    if (place !== undefined && memory !== undefined) total = f32(total + treeSum(floats(memory, place.squares, Math.ceil(size / squareLeafFloats)).slice()));
  }
  const norm = f32(Math.sqrt(total));
  const clip = f32(f32(maxNorm) / f32(norm + f32(1e-6)));
  return { norm, clip: clip < 1 ? clip : 1 };
};
