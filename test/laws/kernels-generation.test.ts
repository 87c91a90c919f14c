/**
 * Law (a) for generation: the kernels for a few lanes and for one lane over stored keys and values equal their scalar twins to the bit, and what whole panels give.
 *
 * Not here: the other kernels (kernels.test.ts, kernels-attention.test.ts), tokens (generation.test.ts).
 */
import { test } from 'node:test';
import fc from 'fast-check';
import { attendScratchBytes, panelRowBytes, slabTokens, valueFloats } from '../../src/kernels/types.js';
import { builds } from '../support/kernel-law.js';
import { Arena } from '../unit/kernels/arena.js';

const seed = 20_261_125;
const aSpice = fc.constantFrom(0, 200, 20);
const aHead = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 80 }) }, { weight: 1, arbitrary: fc.constantFrom(128, 255, 256, 257, 300) });

for (const build of builds) {
  const arena = new Arena(build.plan);

  test(`${build.name}: linearLanes gives what linear gives, and leaves the lanes behind alone`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 23 }), fc.integer({ min: 1, max: slabTokens }), fc.integer(), aSpice, (n, m, lanes, dataSeed, spice) => {
        arena.reset(dataSeed, spice);
        const weight = arena.floats(n * m), inp = arena.floats(n * slabTokens), packed = arena.floats(n * m), whole = arena.floats(m * slabTokens), some = arena.floats(m * slabTokens + 32);
        arena.both((k) => {
          k.packForward(packed, weight, n, m, 0, m);
          k.linear(whole, 0, inp, 0, packed, n, m, 1);
        }, 'linear');
        const before = arena.read(some, m * slabTokens);
        arena.kernels.linearLanes(some, inp, packed, n, m, lanes);
        arena.twin.linearLanes(some, inp, packed, n, m, lanes);
        const expected = arena.read(whole, m * slabTokens), found = arena.read(some, m * slabTokens);
        /** A build may do a whole register block: 16 lanes at most. */
        const touched = Math.ceil(lanes / 16) * 16;
        for (let i = 0; i < m * slabTokens; i++) {
          const lane = i % slabTokens;
          if (lane < lanes && !Object.is(found[i], expected[i])) throw new Error(`lane ${lane}: ${found[i]} and ${expected[i]}`);
          if (lane >= touched && !Object.is(found[i], before[i])) throw new Error(`lane ${lane} behind the ${lanes} was written`);
        }
        const twin = arena.readTwin(some, m * slabTokens);
        for (let i = 0; i < m * slabTokens; i++) if (i % slabTokens < lanes && !Object.is(twin[i], expected[i])) throw new Error(`the twin's lane ${i % slabTokens}`);
      }),
      { seed, numRuns: 60 },
    );
  });

  test(`${build.name}: attendCached equals its twin`, () => {
    fc.assert(
      fc.property(aHead, fc.integer({ min: 1, max: 140 }), fc.constantFrom(1, 0.125, -0.5, 30, 0), fc.integer(), aSpice, (headSize, places, scale, dataSeed, spice) => {
        arena.reset(dataSeed, spice);
        const slabs = Math.ceil(places / slabTokens), bytes = attendScratchBytes(headSize, places);
        const q = arena.floats(headSize * slabTokens), keys = arena.floats(slabs * headSize * slabTokens), values = arena.floats(places * valueFloats(headSize));
        const scratch = arena.floats(bytes / 4), out = arena.floats(headSize * slabTokens + 32);
        const lane = (dataSeed >>> 3) % slabTokens;
        arena.both((k) => k.attendCached(out + lane * 4, q + lane * 4, keys, values, scratch, headSize, places, scale), 'attendCached', [scratch, bytes / 4]);
      }),
      { seed, numRuns: 120 },
    );
  });

  test(`${build.name}: attendCached gives what attention by slabs gives`, () => {
    fc.assert(
      fc.property(aHead, fc.integer({ min: 1, max: 100 }), fc.integer(), (headSize, places, dataSeed) => {
        arena.reset(dataSeed, 0);
        const scale = Math.fround(1 / Math.sqrt(headSize)), slabs = Math.ceil(places / slabTokens), head = headSize * slabTokens, lane = (places - 1) % slabTokens;
        const keys = arena.floats(slabs * head), values = arena.floats(slabs * head), q = arena.floats(head);
        const s = arena.floats(slabs * slabTokens * slabTokens), m = arena.floats(slabTokens), r = arena.floats(slabTokens), whole = arena.floats(head);
        const stored = arena.given(new Float32Array(slabs * slabTokens * valueFloats(headSize))), scratch = arena.floats(attendScratchBytes(headSize, places) / 4), out = arena.floats(head);
        const k = arena.kernels;
        k.panelDot(s, keys, headSize * panelRowBytes, q, headSize, slabs);
        k.attentionSoftmax(s, m, r, slabs, scale);
        k.slabProduct(whole, values, headSize * panelRowBytes, s, headSize, slabs, 0);
        k.scaleColumns(whole, r, headSize);
        const panels = arena.read(values, slabs * head);
        for (let place = 0; place < slabs * slabTokens; place++) {
          for (let i = 0; i < headSize; i++) arena.write(stored + (place * valueFloats(headSize) + i) * 4, panels[(Math.floor(place / slabTokens) * headSize + i) * slabTokens + (place % slabTokens)] as number);
        }
        k.attendCached(out + lane * 4, q + lane * 4, keys, stored, scratch, headSize, places, scale);
        const a = arena.read(whole, head), b = arena.read(out, head);
        for (let i = 0; i < headSize; i++) {
          const [x, y] = [a[i * slabTokens + lane], b[i * slabTokens + lane]];
          if (!Object.is(x, y)) throw new Error(`feature ${i}: ${x} and ${y}`);
        }
      }),
      { seed, numRuns: 60 },
    );
  });
}
