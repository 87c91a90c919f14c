/**
 * Where MemoryX keeps a sparse weight: values, moments and gradients of the stored positions alone, and the structure of its streams, once for each mask.
 *
 * Not here: dense parameters (places.ts), what is written there (mask-store.ts).
 */
import type { Program } from '../../compiler/program.js';
import type { SparseParameter } from '../../model/sparsity.js';
import { structureSizes } from '../../sparsity/structure.js';
import type { MemoryPlan } from '../../tensor/shared-memory.js';
import { roundUp } from '../../util/units.js';
import type { FormPlace, MaskPlace, SparsePlace } from '../layout.js';
import { layerOf } from '../masks.js';

export interface SparseNeed {
  readonly program: Program;
  readonly plan: SparseParameter;
  /** Its place in the table of masks. */
  readonly number: number;
  readonly moments: number;
  /** Gradients that wait at once. */
  readonly depth: number;
  /** Whether something sums over the parameter, by dense index. */
  readonly sums: boolean;
  readonly plainForms: boolean;
}

/** Values are read four at a time, also behind the last. */
const paddedBytes = (values: number): number => roundUp(values, 16) * 4;

/** `collected`: the memory of its gradients, where that is another one. */
export const planSparse = ({ program, plan, number, moments, depth, sums, plainForms }: SparseNeed, memory: MemoryPlan, collected: MemoryPlan = memory): { readonly gradients: readonly number[]; readonly sparse: SparsePlace; readonly bytes: number } => {
  const before = memory.bytes;
  const { inputs, outputs, storedMax } = plan, layer = layerOf(program, plan.parameter);
  const fourRow = plan.pattern === 'blocks' && !plainForms;
  const sizes = structureSizes(inputs, outputs, fourRow ? 'blocks' : 'unstructured', layer.forwardBlocks, layer.deltaBlocks, storedMax);
  const values = (count: number, to = memory): number[] => Array.from({ length: count }, () => to.reserve(paddedBytes(storedMax)));
  const form = (indices: number, starts: number, blocks: number): FormPlace => ({
    indices: memory.reserve(indices * 2), starts: memory.reserve(starts * 4), firstOf: memory.reserve((blocks + 1) * 4), startsOf: memory.reserve((blocks + 1) * 4),
  });
  const mask = (): MaskPlace => ({
    weights: values(2) as [number, number],
    moments: values(moments),
    positions: memory.reserve(sizes.positions * 4),
    forward: form(sizes.forwardIndices, sizes.forwardStarts, layer.forwardBlocks.length),
    delta: { ...form(sizes.deltaIndices, sizes.deltaStarts, layer.deltaBlocks.length), order: memory.reserve(sizes.deltaOrder * 4) },
    byIndex: sums ? memory.reserve(storedMax * 4) : 0,
  });
  const masks = plan.updates.length === 0 ? [mask()] : [mask(), mask()];
  const gradients = values(depth, collected);
  const dense = plan.algorithm === 'rigl' && plan.updates.length > 0 ? Array.from({ length: depth }, () => collected.reserve(paddedBytes(inputs * outputs))) : [];
  return { gradients, sparse: { plan, number, fourRow, masks, dense }, bytes: memory.bytes - before };
};
