/** Laws of in-order, broadcast and gather: the order of arrival never shows, and no buffer outgrows its capacity. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Subject, firstValueFrom, from, toArray } from 'rxjs';
import { inOrder } from '../../../src/stream/in-order.js';
import { Credits, fromPull } from '../../../src/stream/credit.js';
import { EmulatorBug, InvalidConfig } from '../../../src/util/errors.js';

const collect = <T>(source: ReturnType<typeof from<T[]>>): Promise<T[]> => firstValueFrom(source.pipe(toArray()));
const shuffled = (length: number) => fc.shuffledSubarray(Array.from({ length }, (_, i) => i), { minLength: length, maxLength: length });
/** Most items that are early at once in an order of arrival. */
const earlyMax = (order: readonly number[]): number => {
  const early = new Set<number>();
  let next = 0, most = 0;
  for (const index of order) {
    // The item that is next passes through; it takes no room.
    if (index !== next) most = Math.max(most, early.add(index).size);
    else for (next++; early.delete(next); next++);
  }
  return most;
};

describe('inOrder', () => {
  test('any order of arrival leaves in order with exactly the capacity it needs, and is refused with one less', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(12).chain(shuffled), async (order) => {
        const need = earlyMax(order);
        const sorted = order.toSorted((a, b) => a - b);
        assert.deepEqual(await collect(from(order).pipe(inOrder({ indexOf: (i) => i, capacity: need }))), sorted);
        if (need > 0) await assert.rejects(collect(from(order).pipe(inOrder({ indexOf: (i) => i, capacity: need - 1 }))), EmulatorBug);
      }),
      { seed: 3, numRuns: 200 },
    ));

  test('a pull that reaches no further than the capacity is re-ordered on any interleaving', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.nat(15), fc.scheduler(), async (max, reachMax, length, s) => {
        const credits = new Credits('blocks', max);
        const items = Array.from({ length }, (_, i) => i);
        const pulled = fromPull(items, credits, async (item) => {
          await s.schedule(Promise.resolve());
          return item;
        }, { reachMax });
        const ordered = firstValueFrom(pulled.pipe(inOrder({ indexOf: (i) => i, capacity: reachMax - 1 }), toArray()));
        await s.waitFor(ordered);
        assert.deepEqual(await ordered, items);
        assert.equal(credits.inFlight, 0);
      }),
      { seed: 4, numRuns: 150 },
    ));

  test('an index twice, an index below the first and a hole at the end are errors', async () => {
    const ordered = inOrder<number>({ indexOf: (i) => i, capacity: 4, first: 1 });
    for (const bad of [[1, 1], [2, 2, 1], [0], [2], [1, 3], [1.5]]) await assert.rejects(collect(from(bad).pipe(ordered)), EmulatorBug, `${bad}`);
    assert.deepEqual(await collect(from([2, 1]).pipe(ordered)), [1, 2]);
    for (const capacity of [-1, 0.5, Number.NaN]) assert.throws(() => inOrder({ indexOf: Number, capacity }), InvalidConfig);
  });

  test('keeps the order when a consumer feeds the stream while it gets an item', () => {
    const subject = new Subject<number>();
    const got: number[] = [];
    subject.pipe(inOrder({ indexOf: (i) => i, capacity: 4 })).subscribe((i) => {
      if (i === 0) subject.next(2);
      got.push(i);
    });
    for (const i of [1, 0]) subject.next(i);
    assert.deepEqual(got, [0, 1, 2]);
  });

  test('passes errors on and lets go of its source', () => {
    const subject = new Subject<number>();
    subject.pipe(inOrder({ indexOf: (i) => i, capacity: 1 })).subscribe().unsubscribe();
    assert.equal(subject.observed, false);
    let told = '';
    subject.pipe(inOrder({ indexOf: (i) => i, capacity: 1 })).subscribe({ error: (e: Error) => (told = e.message) });
    subject.error(new Error('below'));
    assert.equal(told, 'below');
  });
});

