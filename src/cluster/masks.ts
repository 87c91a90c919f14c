/**
 * Masks in time: which mask goes with which version of a sparse weight, and at which steps it changes.
 *
 *   step s reads version s; an update behind step s makes the mask of version s + 1
 *
 * The table lies in shared memory: four words a sparse parameter, the mask of even and of odd versions, and the stored positions of either mask; and what either makes of the streams. A step that is
 * redone finds the old mask as it was. Not here: masks themselves (sparsity/), where they lie (layout.ts), who updates them (memoryx/).
 */
import type { LinearPlan, Program, StreamedPlan } from '../compiler/program.js';
import type { MaskUpdate, SparseParameter } from '../model/sparsity.js';
import { assert } from '../util/errors.js';
import { maskStreamNames, type MaskStreams } from './mask-streams.js';
import type { ClusterLayout, MaskPlace, SparsePlace } from './layout.js';

const wordsEach = 4, streamsEach = 2 * maskStreamNames.length, bytesEach = wordsEach * 4 + streamsEach * 8;

/** The table for so many sparse parameters. */
export const makeMaskTable = (parameters: number): SharedArrayBuffer => new SharedArrayBuffer(Math.max(1, parameters) * bytesEach);

/** The mask that a version reads. */
export interface MaskInUse {
  readonly place: MaskPlace;
  /** Which of the parameter's masks it is. */
  readonly buffer: number;
  readonly stored: number;
}

export class MaskTable {
  readonly #words: Int32Array;
  readonly #streams: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    const parameters = buffer.byteLength / bytesEach;
    this.#words = new Int32Array(buffer, 0, parameters * wordsEach);
    this.#streams = new Float64Array(buffer, parameters * wordsEach * 4, parameters * streamsEach);
  }

  /** The mask of version `version`. */
  at(sparse: SparsePlace, version: number): MaskInUse {
    const row = sparse.number * wordsEach;
    const buffer = Atomics.load(this.#words, row + (version % 2)), place = sparse.masks[buffer];
    assert(place !== undefined, `mask ${buffer} exists`);
    return { place, buffer, stored: Atomics.load(this.#words, row + 2 + buffer) };
  }

  /** Version `version` reads that mask. */
  use(sparse: SparsePlace, version: number, buffer: number): void {
    Atomics.store(this.#words, sparse.number * wordsEach + (version % 2), buffer);
  }

  /** What a mask stores and what it makes of the streams; before a version uses it. */
  setStored(sparse: SparsePlace, buffer: number, stored: number, streams: MaskStreams): void {
    this.#streams.set(maskStreamNames.map((name) => streams[name]), sparse.number * streamsEach + buffer * maskStreamNames.length);
    Atomics.store(this.#words, sparse.number * wordsEach + 2 + buffer, stored);
  }

  /** What the mask of version `version` makes of the streams. */
  streams(sparse: SparsePlace, version: number): MaskStreams {
    const from = sparse.number * streamsEach + this.at(sparse, version).buffer * maskStreamNames.length;
    return Object.fromEntries(maskStreamNames.map((name, i) => [name, this.#streams[from + i] ?? 0])) as unknown as MaskStreams;
  }
}

/** The update that makes version `version`, or null. */
export const updateAt = ({ updates }: SparseParameter, version: number): MaskUpdate | null => {
  let low = 0, high = updates.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((updates[middle] as MaskUpdate).version < version) low = middle + 1;
    else high = middle;
  }
  const found = updates[low];
  return found?.version === version ? found : null;
};

/** Whether the gradient of a step is formed at every position: its update wants to see where to grow. */
export const wantsDenseGradient = (plan: SparseParameter, step: number): boolean => plan.algorithm === 'rigl' && updateAt(plan, step + 1) !== null;

/** The streamed layer whose weight a sparse parameter is. */
export const layerOf = (program: Program, parameter: number): LinearPlan => {
  const found = program.streamed.find((streamed) => streamed.weight === parameter);
  assert(found?.kind === 'linear' && !found.tied, 'a sparse weight belongs to a linear layer');
  return found;
};

/** The sparse weight of a streamed layer, or null. */
export const sparseOf = (layout: Pick<ClusterLayout, 'memoryX'>, plan: StreamedPlan): SparsePlace | null => layout.memoryX.parameters[plan.weight]?.sparse ?? null;

/** The sparse weight of a layer whose gradient is formed at the stored positions alone in a step, or null. */
export const sparseGradientOf = (layout: Pick<ClusterLayout, 'memoryX'>, plan: StreamedPlan, step: number): SparsePlace | null => {
  const sparse = sparseOf(layout, plan);
  return sparse === null || wantsDenseGradient(sparse.plan, step) ? null : sparse;
};

/** The share of positions of all sparse weights that a version does not store; null where nothing is sparse. */
export const sparsityOf = (layout: Pick<ClusterLayout, 'memoryX' | 'masks'>): ((version: number) => number | null) => {
  const table = new MaskTable(layout.masks), all = layout.memoryX.parameters.flatMap(({ sparse }) => (sparse === null ? [] : [sparse]));
  const size = all.reduce((sum, { plan }) => sum + plan.inputs * plan.outputs, 0);
  return (version) => (all.length === 0 ? null : 1 - all.reduce((sum, sparse) => sum + table.at(sparse, version).stored, 0) / size);
};
