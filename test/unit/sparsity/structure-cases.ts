/** Drawn weights for tests of structures: sizes, patterns, masks that keep to them, and blocks of both directions. */
import fc from 'fast-check';
import type { MaskPattern } from '../../../src/model/sparsity.js';
import type { BlockRun } from '../../../src/sparsity/structure.js';
import { randomUnit } from '../../../src/util/prng.js';

export interface StructureCase {
  readonly inputs: number;
  readonly outputs: number;
  readonly pattern: MaskPattern;
  readonly mask: Uint8Array;
  readonly forwardBlocks: readonly BlockRun[];
  readonly deltaBlocks: readonly BlockRun[];
}

/** Runs of at most `length` results. */
export const runsOf = (results: number, length: number): BlockRun[] =>
  Array.from({ length: Math.ceil(results / length) }, (_, b) => ({ first: b * length, count: Math.min(length, results - b * length) }));

const aSize = (): fc.Arbitrary<number> => fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 24 }) }, { weight: 1, arbitrary: fc.integer({ min: 250, max: 262 }) });

/** A mask of a drawn density; with blocks, four outputs at a time. */
const maskOf = (size: number, lanes: number, density: number, seed: number): Uint8Array => Uint8Array.from({ length: size }, (_, p) => (randomUnit(seed, 6, Math.floor(p / lanes)) < density ? 1 : 0));

export const aCase = (): fc.Arbitrary<StructureCase> =>
  fc
    .record({
      inputs: aSize(), columns: aSize(), blocks: fc.boolean(), density: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })), seed: fc.nat(),
      forward: fc.integer({ min: 1, max: 30 }), delta: fc.option(fc.integer({ min: 1, max: 30 })),
    })
    .map(({ inputs, columns, blocks, density, seed, forward, delta }) => {
      const lanes = blocks ? 4 : 1, outputs = lanes * (blocks ? Math.ceil(columns / 4) : columns);
      return {
        inputs, outputs, pattern: blocks ? 'blocks' : 'unstructured', mask: maskOf(inputs * outputs, lanes, density, seed),
        forwardBlocks: runsOf(outputs, lanes * forward), deltaBlocks: delta === null ? [] : runsOf(inputs, delta),
      };
    });
