/** Laws of in-order, broadcast and gather: the order of arrival never shows, and no buffer outgrows its capacity. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Subject, firstValueFrom, from, toArray } from 'rxjs';
import { broadcastTo } from '../../../src/stream/broadcast.js';
import { inOrder } from '../../../src/stream/in-order.js';
import { gatherByKey } from '../../../src/stream/reduce.js';
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

describe('broadcastTo', () => {
  test('gives a credit back exactly when the last consumer has acknowledged, on any interleaving', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.nat(8), fc.scheduler(), async (n, max, length, s) => {
        const credits = new Credits('blocks', max);
        const acknowledged = new Map<number, number>();
        const open = (): number => [...acknowledged.values()].filter((count) => count < n).length;
        const items = Array.from({ length }, (_, i) => i * 10);
        const project = broadcastTo<number, string>(n, async (item, consumer, index) => {
          if (consumer === 0) acknowledged.set(index, 0);
          assert.ok(open() <= max);
          await s.schedule(Promise.resolve(), `item ${index} to ${consumer}`);
          assert.ok(credits.inFlight >= open());
          acknowledged.set(index, (acknowledged.get(index) ?? 0) + 1);
          return `${item} by ${consumer}`;
        });
        const result = firstValueFrom(fromPull(items, credits, project).pipe(toArray()));
        await s.waitFor(result);
        const wanted = items.map((item) => Array.from({ length: n }, (_, consumer) => `${item} by ${consumer}`));
        assert.deepEqual((await result).toSorted((a, b) => Number.parseInt(a[0] ?? '', 10) - Number.parseInt(b[0] ?? '', 10)), wanted);
        assert.equal(credits.inFlight, 0);
      }),
      { seed: 5, numRuns: 100 },
    ));

  test('a failed consumer fails the item, but only when all others are done with it', async () => {
    const slow = new Subject<string>();
    let settled = false;
    const work = broadcastTo<number, string>(3, (_, consumer) => {
      if (consumer === 0) return firstValueFrom(slow);
      throw new Error(`consumer ${consumer}`);
    })(7, 0);
    work.catch(() => (settled = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(settled, false);
    slow.next('done');
    await assert.rejects(work, /consumer 1/);
  });

  test('refuses no consumers', () => {
    for (const n of [0, -1, 1.5]) assert.throws(() => broadcastTo(n, async () => {}), InvalidConfig);
  });
});

interface Part {
  readonly key: number;
  readonly source: number;
}
const gather = (sources: number, pendingMax: number) => gatherByKey<Part, number>({ keyOf: (p) => p.key, sourceOf: (p) => p.source, sources, pendingMax });

describe('gatherByKey', () => {
  test('contributions come in the order of the sources whatever the order of arrival; pendingMax is exact', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }).chain((sources) => fc.nat(5).chain((keys) => fc.tuple(fc.constant(sources), fc.constant(keys), shuffled(sources * keys)))),
        async ([sources, keys, order]) => {
          const parts = order.map((i): Part => ({ key: Math.floor(i / sources), source: i % sources }));
          const waiting = new Map<number, number>();
          const whole: number[] = [];
          let need = 1;
          for (const { key } of parts) {
            const count = (waiting.get(key) ?? 0) + 1;
            waiting.set(key, count);
            need = Math.max(need, waiting.size);
            if (count === sources) {
              waiting.delete(key);
              whole.push(key);
            }
          }
          const got = await collect(from(parts).pipe(gather(sources, need)));
          assert.deepEqual(got, whole.map((key) => ({ key, contributions: Array.from({ length: sources }, (_, source) => ({ key, source })) })));
          assert.equal(got.length, keys);
          if (need > 1) await assert.rejects(collect(from(parts).pipe(gather(sources, need - 1))), EmulatorBug);
        },
      ),
      { seed: 6, numRuns: 200 },
    ));

  test('a source twice, an unknown source and an unfinished key are errors', async () => {
    const bad: [string, Part[]][] = [
      ['twice', [{ key: 1, source: 0 }, { key: 1, source: 0 }]],
      ['unknown', [{ key: 1, source: 2 }]],
      ['unknown', [{ key: 1, source: -1 }]],
      ['waits', [{ key: 1, source: 0 }, { key: 2, source: 0 }, { key: 2, source: 1 }]],
    ];
    for (const [word, parts] of bad) {
      await assert.rejects(collect(from(parts).pipe(gather(2, 2))), (error: Error) => error instanceof EmulatorBug && error.message.includes(word));
    }
    for (const n of [0, 1.5, -1]) {
      assert.throws(() => gather(n, 1), InvalidConfig);
      assert.throws(() => gather(1, n), InvalidConfig);
    }
  });

  test('passes errors on and lets go of its source', () => {
    const subject = new Subject<Part>();
    subject.pipe(gather(2, 1)).subscribe().unsubscribe();
    assert.equal(subject.observed, false);
    let told = '';
    subject.pipe(gather(2, 1)).subscribe({ error: (e: Error) => (told = e.message) });
    subject.error(new Error('below'));
    assert.equal(told, 'below');
  });
});
