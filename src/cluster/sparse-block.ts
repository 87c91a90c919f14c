/**
 * A sparse weight block as it lies in a weight slot: what MemoryX writes and tiles read.
 *
 *   head | values f32 | bias f32 | indices u16 | starts u32 | dense f32        each from a cache line on; docs: kernels/types.ts has the forms
 *
 * Dense: the same block once more, packed for the dense kernel with +0 where nothing is stored, where that kernel is faster; the stored form then serves panels that
 * are not finite. A block for a gradient has no values and no bias: its tiles only need to know the positions. Not here: which kernel is run (tile/sweep-sparse.ts).
 */
import type { KernelPlan } from '../kernels/load.js';
import { chunkFeatures } from '../kernels/types.js';
import { words } from '../tensor/shared-memory.js';
import { ceilDiv, roundUp } from '../util/units.js';

/** What is sent: a product's block with its values, or the positions for a gradient. */
export interface SparseBlockShape {
  /** Contracted features and results of the block. */
  readonly n: number;
  readonly m: number;
  readonly stored: number;
  /** Values that share an index: 4 or 1. */
  readonly lanes: number;
  readonly values: boolean;
  readonly bias: boolean;
  /** Also as a dense block; for a gradient: to be formed at every position. */
  readonly dense: boolean;
}

/** Addresses of a block's parts, and where it ends. */
export interface SparseBlock extends SparseBlockShape {
  readonly valuesAt: number;
  readonly biasAt: number;
  readonly indicesAt: number;
  readonly startsAt: number;
  readonly denseAt: number;
  readonly end: number;
}

/** Words of the head: stored positions, lanes, whether a dense block follows. */
const headBytes = 64;

export const startsOfBlock = ({ n, m, lanes }: Pick<SparseBlockShape, 'n' | 'm' | 'lanes'>): number => ceilDiv(n, chunkFeatures) * (m / lanes) + 1;

export const sparseBlockAt = (slot: number, shape: SparseBlockShape): SparseBlock => {
  let end = slot + headBytes;
  const take = (bytes: number): number => {
    const at = end;
    end = roundUp(end + bytes, 64);
    return at;
  };
  const valuesAt = take(shape.values ? shape.stored * 4 : 0), biasAt = take(shape.bias ? shape.m * 4 : 0);
  const indicesAt = take((shape.stored / shape.lanes) * 2), startsAt = take(startsOfBlock(shape) * 4);
  const denseAt = take(shape.dense && shape.values ? shape.n * shape.m * 4 : 0);
  return { ...shape, valuesAt, biasAt, indicesAt, startsAt, denseAt, end };
};

export const writeHead = (memory: WebAssembly.Memory, slot: number, { stored, lanes, dense }: SparseBlockShape): void => words(memory, slot, 3).set([stored, lanes, dense ? 1 : 0]);

/** Stored positions of the block in a slot. */
export const storedInSlot = (memory: WebAssembly.Memory, slot: number): number => words(memory, slot, 1)[0] as number;

/** The block in a slot. */
export const readSparseBlock = (memory: WebAssembly.Memory, slot: number, known: Pick<SparseBlockShape, 'n' | 'm' | 'values' | 'bias'>): SparseBlock => {
  const [stored = 0, lanes = 1, dense = 0] = words(memory, slot, 3);
  return sparseBlockAt(slot, { ...known, stored, lanes, dense: dense === 1 });
};

/** Which of two forms of a product is faster, by the share of positions that are stored; the choice never shows in a bit. */
export interface DenseAbove {
  readonly forward: number;
  readonly fourRow: number;
  readonly delta: number;
  /** With all four slabs of a quad there; with fewer it pays in proportion. */
  readonly gradient: number;
  readonly gradientFourRow: number;
}

/** Densities above which the dense kernel is faster than the one over stored positions, measured for each build (768 → 3072, 1024 tokens). */
const denseAboveOf: Readonly<Record<KernelPlan['name'], DenseAbove>> = {
  simd128: { forward: 0.85, fourRow: 1, delta: 0.85, gradient: 0.65, gradientFourRow: 0.8 },
  simd256: { forward: 0.8, fourRow: 1, delta: 0.75, gradient: 0.42, gradientFourRow: 0.5 },
  twin: { forward: 0.5, fourRow: 0.5, delta: 0.5, gradient: 0.5, gradientFourRow: 0.5 },
};
export const denseAbove = ({ name }: KernelPlan): DenseAbove => denseAboveOf[name];

/** Bytes that a block's stored weights take on a link: value and 16-bit index each, or the values alone where every position is stored. */
export const weightBytes = (stored: number, all: number, indexBytes: number, valueBytes = 4): number => (stored === all ? all * valueBytes : stored * (valueBytes + indexBytes));
