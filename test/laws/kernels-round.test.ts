/**
 * Law (a) for rounding to narrow types: the kernels equal their scalar twins to the bit, for both builds, in any rows, among special values.
 *
 * After each call the kernel's whole memory is compared with the twin's, so stray writes fail too. Not here: what a rounded number is (test/unit/kernels/round.test.ts).
 */
import fc from 'fast-check';
import { roundKinds } from '../../src/kernels/types.js';
import { builds, lawOf } from '../support/kernel-law.js';
import { Arena } from '../unit/kernels/arena.js';

const aWord = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const aKind = fc.constantFrom(...Object.values(roundKinds));
/** From the subnormal range of every type to beyond its largest number. */
const aScale = fc.integer({ min: -45, max: 40 }).map((exponent) => 2 ** exponent);

for (const build of builds) {
  const arena = new Arena(build.plan), law = lawOf(build.name, arena, { seed: 20_261_126, aSpice: fc.constantFrom(0, 7, 40) });

  law<{ kind: number; scale: number; count: number }>('rounding to nearest', 150, { kind: aKind, scale: aScale, count: fc.nat(90) }, ({ kind, scale, count }) => {
    const x = arena.floats(count + 4, scale);
    arena.both((k) => k.roundTo(x, count, kind), `${count} values of kind ${kind}`);
  });

  law<{ kind: number; scale: number; rows: number; cols: number; gap: number; first: number; draw: number; key0: number; key1: number }>('rounding by chance', 150,
    { kind: aKind, scale: aScale, rows: fc.nat(5), cols: fc.nat(23), gap: fc.nat(9), first: aWord, draw: aWord, key0: aWord, key1: aWord }, ({ kind, scale, rows, cols, gap, first, draw, key0, key1 }) => {
      const src = arena.floats(rows * (cols + gap) + 4, scale), dst = arena.floats(rows * cols + 4);
      arena.both((k) => k.roundByChance(dst, cols * 4, src, (cols + gap) * 4, rows, cols, first, draw, key0, key1, kind), `${rows} × ${cols} values of kind ${kind}`);
    });

  law<{ kind: number; scale: number; count: number; draw: number; key0: number; key1: number }>('rounding by chance and list', 100,
    { kind: aKind, scale: aScale, count: fc.nat(60), draw: aWord, key0: aWord, key1: aWord }, ({ kind, scale, count, draw, key0, key1 }) => {
      const x = arena.floats(count + 4, scale), listed = arena.integers(count + 4, 0, 2 ** 31 - 1);
      arena.both((k) => k.roundListed(x, listed, count, draw, key0, key1, kind), `${count} values of kind ${kind}`);
    });
}
