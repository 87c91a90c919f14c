/**
 * The structure of a stream: where the stored positions of a weight lie in the order in which they are kept and travel.
 *
 *   mask ─▶ positions: block ▸ chunk of 256 inputs ▸ output ▸ input (forward order; values, moments and gradients lie so)
 *        ─▶ forward:   offsets of inputs, starts of (chunk, output)          for the product
 *        ─▶ delta:     a gather from forward order, and offsets of outputs, starts of (chunk, input)
 *
 * Pattern 'blocks' (four outputs share their inputs): forward is block ▸ chunk ▸ group of four outputs ▸ input ▸ the four; an index and the starts then count groups of
 * four values. Not here: values, memory, which positions are stored (algorithms.ts).
 */
import { chunkFeatures, panelRowBytes } from '../kernels/types.js';
import type { MaskPattern } from '../model/sparsity.js';
import { assert } from '../util/errors.js';
import { ceilDiv } from '../util/units.js';

/** A run of outputs (forward) or inputs (delta) that travel together; blocks follow each other without a gap. */
export interface BlockRun {
  readonly first: number;
  readonly count: number;
}

/** Stored form of all blocks of one direction, one behind the other. */
export interface StoredForm {
  /** Byte offset of a feature inside its chunk of a panel, for each entry (pattern 'blocks', forward: for each group of four values). */
  readonly indices: Uint16Array;
  /** For each block, counted from its own first entry: the first entry of (chunk, result), and the number of entries; chunks · results + 1 words a block. */
  readonly starts: Uint32Array;
  /** blocks + 1: the first stored place of each block, in values whatever the pattern. */
  readonly firstOf: Uint32Array;
  /** blocks + 1: where the starts of each block begin. */
  readonly startsOf: Uint32Array;
}

export interface StreamStructure {
  readonly stored: number;
  /** Dense index by place in forward order. */
  readonly positions: Uint32Array;
  readonly forward: StoredForm;
  /** `order`: place in forward order of each entry in delta order. All empty for a layer without a delta pass. */
  readonly delta: StoredForm & { readonly order: Uint32Array };
}

/** Most elements of each array of a structure. */
export interface StructureSizes {
  readonly positions: number;
  readonly forwardIndices: number;
  readonly forwardStarts: number;
  readonly deltaOrder: number;
  readonly deltaIndices: number;
  readonly deltaStarts: number;
}

const last = (array: Uint32Array): number => array[array.length - 1] as number;
/** Values that share an index. */
const lanesOf = (pattern: MaskPattern): number => (pattern === 'blocks' ? 4 : 1);
/** Where each block's starts begin, and their number. */
const startsOfBlocks = (chunks: number, blocks: readonly BlockRun[], lanes: number): Uint32Array => {
  const startsOf = new Uint32Array(blocks.length + 1);
  for (const [b, { count }] of blocks.entries()) startsOf[b + 1] = (startsOf[b] as number) + chunks * (count / lanes) + 1;
  return startsOf;
};
const checkBlocks = (blocks: readonly BlockRun[], results: number, lanes: number): void => {
  let next = 0;
  for (const { first, count } of blocks) {
    assert(first === next && count > 0 && count % lanes === 0, `a block of ${count} results from ${first} follows the one before it`);
    next += count;
  }
  assert(next === results, `blocks cover all ${results} results`);
};

/** How long the arrays of a structure may become while no more than `storedMax` positions are stored. */
export const structureSizes = (inputs: number, outputs: number, pattern: MaskPattern, forwardBlocks: readonly BlockRun[], deltaBlocks: readonly BlockRun[], storedMax: number): StructureSizes => {
  const lanes = lanesOf(pattern), delta = deltaBlocks.length === 0 ? 0 : storedMax;
  return {
    positions: storedMax,
    forwardIndices: ceilDiv(storedMax, lanes),
    forwardStarts: last(startsOfBlocks(ceilDiv(inputs, chunkFeatures), forwardBlocks, lanes)),
    deltaOrder: delta,
    deltaIndices: delta,
    deltaStarts: last(startsOfBlocks(ceilDiv(outputs, chunkFeatures), deltaBlocks, 1)),
  };
};

/** Adds the entries that each (chunk, result) of a forward block has. `mask` is dense, so that its rows are inputs. */
const countForward = (mask: Uint8Array, inputs: number, outputs: number, { first, count }: BlockRun, lanes: number, counts: Uint32Array): void => {
  const results = count / lanes;
  for (let i = 0; i < inputs; i++) {
    const row = i * outputs + first, base = Math.floor(i / chunkFeatures) * results;
    for (let r = 0; r < results; r++) counts[base + r] = (counts[base + r] as number) + (mask[row + r * lanes] as number);
  }
};

/** Turns counts into first places; the last word becomes the number of entries. */
const startsFrom = (counts: Uint32Array): number => {
  let place = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] as number;
    counts[i] = place;
    place += count;
  }
  return place;
};

/**
 * Puts the positions of one forward block, and the offsets of their inputs, at their places. No branch depends on the mask, whose bits no processor foresees: what is absent
 * goes to the place behind all.
 */
const placeForward = (mask: Uint8Array, inputs: number, outputs: number, { first, count }: BlockRun, lanes: number, starts: Uint32Array, origin: number, positions: Uint32Array, indices: Uint16Array): void => {
  const results = count / lanes, next = new Int32Array(results), behind = indices.length - 1;
  for (let i = 0; i < inputs; i++) {
    if (i % chunkFeatures === 0) for (let r = 0; r < results; r++) next[r] = origin + (starts[(i / chunkFeatures) * results + r] as number);
    const row = i * outputs + first, offset = (i % chunkFeatures) * panelRowBytes;
    for (let r = 0; r < results; r++) {
      const stored = mask[row + r * lanes] as number, place = next[r] as number, entry = (behind + Math.imul(place - behind, stored)) | 0;
      next[r] = place + stored;
      indices[entry] = offset;
      if (lanes === 1) positions[entry] = row + r;
      else for (let lane = 0; lane < lanes; lane++) positions[entry * lanes + lane] = row + r * lanes + lane;
    }
  }
};

/** Sets `next` of all outputs to their first places in a chunk of inputs. */
const firstPlaces = (blocks: readonly BlockRun[], { starts, startsOf, firstOf }: StoredForm, lanes: number, chunk: number, low: number, high: number, next: Int32Array): void => {
  for (const [b, { first, count }] of blocks.entries()) {
    for (let o = Math.max(low, first); o < Math.min(high, first + count); o++) {
      const lane = (o - first) % lanes, result = (o - first - lane) / lanes;
      next[o] = (firstOf[b] as number) + (starts[(startsOf[b] as number) + chunk * (count / lanes) + result] as number) * lanes + lane;
    }
  }
};

/** The delta form. In delta order an output's inputs ascend as they do in forward order, so that a counter for each output finds the places. */
const deltaOf = (mask: Uint8Array, outputs: number, lanes: number, forwardBlocks: readonly BlockRun[], forward: StoredForm, deltaBlocks: readonly BlockRun[], stored: number): StreamStructure['delta'] => {
  const chunks = ceilDiv(outputs, chunkFeatures), entries = deltaBlocks.length === 0 ? 0 : stored;
  const startsOf = startsOfBlocks(chunks, deltaBlocks, 1), starts = new Uint32Array(last(startsOf)), firstOf = new Uint32Array(deltaBlocks.length + 1);
  // One more: an absent position writes where the next stored one will.
  const order = new Uint32Array(entries + 1), indices = new Uint16Array(entries + 1), next = new Int32Array(outputs);
  let entry = 0;
  for (const [b, { first, count }] of deltaBlocks.entries()) {
    const origin = entry;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const low = chunk * chunkFeatures, high = Math.min(outputs, low + chunkFeatures);
      for (let i = first; i < first + count; i++) {
        if (i % chunkFeatures === 0) firstPlaces(forwardBlocks, forward, lanes, i / chunkFeatures, low, high, next);
        starts[(startsOf[b] as number) + chunk * count + i - first] = entry - origin;
        const row = i * outputs;
        for (let o = low; o < high; o++) {
          const place = next[o] as number, one = mask[row + o] as number;
          order[entry] = place;
          indices[entry] = (o - low) * panelRowBytes;
          next[o] = place + Math.imul(one, lanes);
          entry += one;
        }
      }
    }
    starts[(startsOf[b + 1] as number) - 1] = entry - origin;
    firstOf[b + 1] = entry;
  }
  return { order: order.subarray(0, entries), indices: indices.subarray(0, entries), starts, firstOf, startsOf };
};

/**
 * The structure of a mask.
 *
 * @param mask 1 or 0 for every position, by dense index input · outputs + output; with pattern 'blocks' the same for all four outputs of a group
 * @param deltaBlocks none for a layer without a delta pass
 */
export const structureOf = (mask: Uint8Array, inputs: number, outputs: number, pattern: MaskPattern, forwardBlocks: readonly BlockRun[], deltaBlocks: readonly BlockRun[]): StreamStructure => {
  const lanes = lanesOf(pattern);
  assert(mask.length === inputs * outputs, 'a mask has one byte for each position');
  checkBlocks(forwardBlocks, outputs, lanes);
  if (deltaBlocks.length > 0) checkBlocks(deltaBlocks, inputs, 1);
  const startsOf = startsOfBlocks(ceilDiv(inputs, chunkFeatures), forwardBlocks, lanes), starts = new Uint32Array(last(startsOf)), firstOf = new Uint32Array(forwardBlocks.length + 1);
  const startsIn = (b: number): Uint32Array => starts.subarray(startsOf[b], startsOf[b + 1]);
  for (const [b, block] of forwardBlocks.entries()) {
    countForward(mask, inputs, outputs, block, lanes, startsIn(b));
    firstOf[b + 1] = (firstOf[b] as number) + startsFrom(startsIn(b)) * lanes;
  }
  const stored = last(firstOf), entries = stored / lanes;
  const positions = new Uint32Array(stored + lanes), indices = new Uint16Array(entries + 1);
  for (const [b, block] of forwardBlocks.entries()) placeForward(mask, inputs, outputs, block, lanes, startsIn(b), (firstOf[b] as number) / lanes, positions, indices);
  const forward = { indices: indices.subarray(0, entries), starts, firstOf, startsOf };
  return { stored, positions: positions.subarray(0, stored), forward, delta: deltaOf(mask, outputs, lanes, forwardBlocks, forward, deltaBlocks, stored) };
};
