/**
 * Rooms against every choice that there is: with objects of one size no plan loads less; with any sizes nothing overlaps, leaves its pool or is evicted twice. The future against
 * a plain scan.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Future, type Segments } from '../../../src/cluster/coordinator/future.js';
import { Rooms, type Placed, type Placement } from '../../../src/cluster/rooms.js';
import type { Segment, TierEvent } from '../../../src/cluster/wants.js';

const seed = 20260802;

/** When an object is wanted after event `index`, by a plain scan. */
const scan = (events: readonly (readonly number[])[], object: number, index: number): number => {
  const found = events.findIndex((wants, i) => i > index && wants.includes(object));
  return found < 0 ? Infinity : found;
};

/** The fewest loads by which all events are served, over all choices of what leaves; `slots` objects fit. */
const fewestLoads = (events: readonly (readonly number[])[], slots: number): number => {
  const known = new Map<string, number>();
  const from = (at: number, resident: readonly number[]): number => {
    const wants = events[at];
    if (wants === undefined) return 0;
    const key = `${at}:${resident.join()}`, before = known.get(key);
    if (before !== undefined) return before;
    const missing = wants.filter((object) => !resident.includes(object)), others = resident.filter((object) => !wants.includes(object));
    let best = Infinity;
    // Whatever may stay beside the wants, in every combination that fits.
    for (let choice = 0; choice < 2 ** others.length; choice++) {
      const stay = others.filter((_, i) => ((choice >> i) & 1) === 1);
      if (stay.length + wants.length > slots) continue;
      best = Math.min(best, missing.length + from(at + 1, [...wants, ...stay].toSorted((a, b) => a - b)));
    }
    known.set(key, best);
    return best;
  };
  return from(0, []);
};

const someEvents = (objects: number): fc.Arbitrary<number[][]> => fc.array(fc.uniqueArray(fc.nat({ max: objects - 1 }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 14 });

test('objects of one size: no choice of what leaves loads less', () => {
  let evicting = 0;
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 7 }).chain((objects) => fc.tuple(someEvents(objects), fc.integer({ min: 3, max: 5 }), fc.constantFrom(1, 4096, 7))), ([events, slots, bytes]) => {
      // Room for part of another one changes nothing.
      const rooms = new Rooms(slots * bytes + (bytes > 4 ? bytes - 1 : 0));
      let loads = 0, left = 0;
      events.forEach((wants, i) => {
        const placements = rooms.plan(i, wants.map((object) => ({ object, bytes })), (object) => scan(events, object, i));
        loads += placements.length;
        left += placements.reduce((sum, { evicted }) => sum + evicted.length, 0);
      });
      assert.equal(loads, fewestLoads(events, slots));
      if (left > 0) evicting++;
    }),
    { seed, numRuns: 600 },
  );
  assert.ok(evicting > 200, `rooms were taken in ${evicting} cases`);
});

interface World {
  readonly sizes: readonly number[];
  readonly events: readonly (readonly number[])[];
  readonly spare: number;
  /** Events before which planning begins again with what is in the pool. */
  readonly restarts: readonly number[];
}

const aWorld: fc.Arbitrary<World> = fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 60 })), { minLength: 2, maxLength: 12 }).chain((sizes) =>
  fc.record({ sizes: fc.constant(sizes), events: fc.array(fc.uniqueArray(fc.nat({ max: sizes.length - 1 }), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 40 }), spare: fc.nat({ max: 30 }), restarts: fc.array(fc.nat({ max: 40 }), { maxLength: 2 }) }));

/** What lies in a pool, kept by what placements say alone. */
class Ledger {
  readonly here = new Map<number, Placed>();

  apply(placements: readonly Placement[]): void {
    for (const { evicted } of placements) {
      for (const placed of evicted) {
        assert.equal(this.here.get(placed.object), placed, 'who leaves was here, and leaves once');
        this.here.delete(placed.object);
      }
    }
    for (const { placed } of placements) {
      assert.ok(!this.here.has(placed.object), 'who comes was not here');
      this.here.set(placed.object, placed);
    }
  }
}

test('objects of any sizes: all that an event wants is there at once, beside nothing that it covers, and whoever loses a room is told once', () => {
  const seen = { afresh: 0, several: 0, restarts: 0, stayed: 0 };
  fc.assert(
    fc.property(aWorld, ({ sizes, events, spare, restarts }) => {
      const size = (object: number): number => sizes[object] as number, total = (objects: readonly number[]): number => objects.reduce((sum, object) => sum + size(object), 0);
      const pool = Math.max(...events.map(total)) + spare;
      let rooms = new Rooms(pool), ledger = new Ledger(), high = 0;
      events.forEach((wants, i) => {
        if (restarts.includes(i)) {
          const again = new Rooms(pool), kept = new Ledger();
          for (const { object, address, bytes } of rooms.placed) kept.here.set(object, again.restore(object, address, bytes, i));
          assert.deepEqual(again.placed.map(({ object, address }) => [object, address]), rooms.placed.map(({ object, address }) => [object, address]));
          rooms = again;
          ledger = kept;
          seen.restarts++;
        }
        const before = new Map(ledger.here), placements = rooms.plan(i, wants.map((object) => ({ object, bytes: size(object) })), (object) => scan(events, object, i));
        ledger.apply(placements);
        assert.deepEqual(new Set(rooms.placed), new Set(ledger.here.values()));
        let end = 0;
        for (const { object, address, bytes } of rooms.placed) {
          assert.ok(address >= end, 'by address, and none upon another');
          assert.equal(bytes, size(object));
          end = address + bytes;
        }
        assert.ok(end <= pool, 'inside the pool');
        for (const object of wants) {
          const placed = rooms.at(object);
          assert.ok(placed !== undefined && placed.lastEvent === i);
        }
        // Those that the event found there stay where they are, unless the pool is laid out afresh.
        const pinned = wants.filter((object) => before.has(object)), moved = pinned.filter((object) => rooms.at(object) !== before.get(object));
        if (moved.length > 0) {
          seen.afresh++;
          assert.deepEqual(rooms.placed.map(({ object }) => object).toSorted((a, b) => a - b), wants.toSorted((a, b) => a - b), 'afresh: the wants alone are there');
        } else if (pinned.length > 0) seen.stayed++;
        if (placements.some(({ evicted }) => evicted.length > 1)) seen.several++;
        high = Math.max(high, rooms.highWater);
        assert.ok(high <= pool && rooms.highWater >= total([...ledger.here.keys()]));
      });
    }),
    { seed, numRuns: 1500 },
  );
  assert.ok(Object.values(seen).every((count) => count > 40), `the worlds were too much alike: ${JSON.stringify(seen)}`);
});

test('a pool in pieces is laid out afresh, and everybody who was there leaves once', () => {
  const rooms = new Rooms(10), never = (): number => Infinity;
  rooms.plan(0, [{ object: 0, bytes: 3 }, { object: 1, bytes: 2 }, { object: 2, bytes: 5 }], never);
  const middle = rooms.plan(1, [{ object: 3, bytes: 4 }], never);
  assert.equal(middle.length, 1);
  // Whatever stands in the middle is wanted too, so that no 6 bytes are in one piece.
  const [piece] = rooms.placed.filter(({ address }) => address > 0);
  assert.ok(piece !== undefined);
  const before = [...rooms.placed], wants = [{ object: piece.object, bytes: piece.bytes }, { object: 4, bytes: 10 - piece.bytes }];
  const placements = rooms.plan(2, wants, never);
  assert.deepEqual(new Set(placements.flatMap(({ evicted }) => evicted)), new Set(before));
  assert.deepEqual(rooms.placed.map(({ address, bytes }) => [address, bytes]), [[0, piece.bytes], [piece.bytes, 10 - piece.bytes]]);
});

test('wants that exceed the pool are an error of the planner\'s caller', () => {
  assert.throws(() => new Rooms(10).plan(0, [{ object: 0, bytes: 6 }, { object: 1, bytes: 5 }], () => Infinity), /fits the pool/);
});

const event = (key: string, wants: readonly number[]): TierEvent => ({ key, kind: 'read', step: 0, groups: [], wants, fresh: [], isLast: false });

const stepsFrom = (first: number, count: number): Segments => ({ count, at: (i) => ({ kind: 'train', step: first + i, archive: false }) });

test('the future is that of a plain scan, as far as it looks', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.uniqueArray(fc.nat({ max: 5 }), { maxLength: 3 }), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 5 }), fc.nat({ max: 9 }), fc.nat({ max: 4 }),
      (kinds, count, from, first) => {
        // Step by step one kind of segment after the other; those behind the last are looked at too.
        const eventsOf = ({ step }: Segment): TierEvent[] => (kinds[step % kinds.length] ?? []).map((wants, i) => event(`${step}/${i}`, wants));
        const future = new Future(eventsOf, stepsFrom(first, count), from);
        const all: { readonly wants: readonly number[]; readonly segment: number }[] = Array.from({ length: count + 4 }, (_, i) => first + i).flatMap((step) => eventsOf({ kind: 'train', step, archive: false }).map(({ wants }) => ({ wants, segment: step - first })));
        const planned = all.filter(({ segment }) => segment < count).length;
        for (let i = 0; i < planned; i++) {
          const next = future.next(Infinity);
          assert.ok(next !== null);
          assert.deepEqual([next.index, next.event.wants], [from + i, all[i]?.wants]);
          for (let object = 0; object < 6; object++) {
            const wanted = all.findIndex(({ wants }, at) => at > i && wants.includes(object)), found = future.wantAfter(object, from + i);
            // At least the two segments beyond this one are looked at.
            if (wanted >= 0 && (all[wanted]?.segment ?? 0) <= (all[i]?.segment ?? 0) + 2) assert.equal(found, from + wanted);
            else assert.ok(found === Infinity || found === from + wanted);
          }
        }
        assert.equal(future.next(Infinity), null);
        assert.equal(future.index, from + planned);
      },
    ),
    { seed, numRuns: 400 },
  );
});

test('the future gives events up to an index, and knows their numbers by key', () => {
  const future = new Future(({ step }) => [event(`a${step}`, [step]), event(`b${step}`, [9])], stepsFrom(4, 2), 10);
  assert.equal(future.next(9), null);
  assert.equal(future.next(10)?.event.key, 'a4');
  assert.equal(future.indexOf('b5'), 13);
  assert.equal(future.entered, 13);
  assert.equal(future.indexOf('b4'), 11);
  assert.equal(future.entered, 13);
  assert.throws(() => future.indexOf('b5'), /will come/, 'a part comes once');
  assert.throws(() => future.indexOf('a6'), /will come/, 'what is only looked at does not come');
});
