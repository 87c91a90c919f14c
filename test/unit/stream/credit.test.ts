/** Laws of credits and pulls: what goes out comes back, never more than max in flight, never a pull ahead of a credit. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { NEVER, Observable, Subject, concat, firstValueFrom, of, take, throwError, toArray } from 'rxjs';
import { Credits, fromPull, withCredit } from '../../../src/stream/credit.js';
import { EmulatorBug, InvalidConfig } from '../../../src/util/errors.js';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Counts pulls and whether it was closed; gives 0 … length−1. */
const countedSource = (length: number, ask?: (i: number) => Promise<void>) => {
  const state = { pulls: 0, closed: 0 };
  const next = (): IteratorResult<number> => (state.pulls < length ? { done: false, value: state.pulls++ } : { done: true, value: undefined });
  const close = (): IteratorResult<number> => {
    state.closed++;
    return { done: true, value: undefined };
  };
  const sync: Iterable<number> = { [Symbol.iterator]: () => ({ next, return: close }) };
  const async: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        await ask?.(state.pulls);
        return next();
      },
      return: async () => close(),
    }),
  };
  return { state, source: ask === undefined ? sync : async };
};

describe('Credits', () => {
  test('follow the model of a counter with a queue, first come, first served', () => {
    const op = fc.constantFrom('acquire', 'try', 'release', 'abort' as const);
    return fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(op, { maxLength: 60 }), async (max, ops) => {
        const credits = new Credits('test', max);
        const granted: number[] = [], expected: number[] = [], refused: number[] = [], expectedRefused: number[] = [];
        const queue: { id: number; controller: AbortController }[] = [];
        let inFlight = 0;
        for (const [id, action] of ops.entries()) {
          if (action === 'acquire') {
            const controller = new AbortController();
            credits.acquire(controller.signal).then(() => granted.push(id), () => refused.push(id));
            if (inFlight < max) {
              inFlight++;
              expected.push(id);
            } else queue.push({ id, controller });
          } else if (action === 'try') {
            assert.equal(credits.tryAcquire(), inFlight < max);
            if (inFlight < max) inFlight++;
          } else if (action === 'abort') {
            const leaver = queue.pop();
            leaver?.controller.abort();
            if (leaver !== undefined) expectedRefused.push(leaver.id);
          } else if (inFlight > 0) {
            credits.release();
            const waiter = queue.shift();
            if (waiter === undefined) inFlight--;
            else expected.push(waiter.id);
          } else assert.throws(() => credits.release(), EmulatorBug);
          await settle();
          assert.equal(credits.inFlight, inFlight);
          assert.equal(credits.waiting, queue.length);
          assert.equal(credits.out - credits.returned, inFlight);
          assert.ok(credits.highWater <= max);
        }
        assert.deepEqual(granted, expected);
        assert.deepEqual(refused, expectedRefused);
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test('close rejects who waits and who comes later; what is out can still come back', async () => {
    const credits = new Credits('test', 1);
    await credits.acquire();
    const waiting = credits.acquire();
    const end = new EmulatorBug({ what: 'the end' });
    credits.close(end);
    await assert.rejects(waiting, end);
    await assert.rejects(credits.acquire(), end);
    assert.throws(() => credits.tryAcquire(), end);
    credits.release();
    assert.equal(credits.inFlight, 0);
    assert.throws(() => credits.release(), EmulatorBug);
  });

  test('refuse a maximum that is no whole number from 1', () => {
    for (const max of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => new Credits('test', max), InvalidConfig);
  });
});

type Ending = 'completes' | 'project throws' | 'work fails' | 'source fails' | 'unsubscribed';
type Work = 'promise' | 'observable';

describe('fromPull', () => {
  test('on every interleaving and ending: credits out = credits back, at most max in flight, no pull ahead of a credit', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          max: fc.integer({ min: 1, max: 4 }),
          length: fc.integer({ min: 0, max: 12 }),
          ending: fc.constantFrom<Ending>('completes', 'project throws', 'work fails', 'source fails', 'unsubscribed'),
          at: fc.nat(11),
          work: fc.constantFrom<Work>('promise', 'observable'),
          asyncSource: fc.boolean(),
          reachMax: fc.constantFrom(1, 2, 5, Number.POSITIVE_INFINITY),
        }),
        fc.scheduler(),
        async ({ max, length, ending, at, work, asyncSource, reachMax }, s) => {
          const credits = new Credits('blocks', max);
          let running = 0, runningMax = 0;
          const unfinished = new Set<number>();
          const { state, source } = countedSource(length, !asyncSource && ending !== 'source fails' ? undefined : async (i) => {
            await s.schedule(Promise.resolve(), `pull ${i}`);
            assert.ok(ending === 'unsubscribed' || credits.inFlight >= 1, 'a pull holds a credit');
            if (ending === 'source fails' && i === Math.min(at, length)) throw new Error('source');
          });
          const got: number[] = [];
          const check = (): void => {
            assert.ok(credits.inFlight <= max);
            assert.ok(state.pulls <= credits.out, `${state.pulls} pulls on ${credits.out} credits`);
          };
          const project = (item: number, index: number): Promise<number> | Observable<number> => {
            assert.equal(item, index);
            check();
            for (const open of unfinished) assert.ok(index - open < reachMax);
            if (ending === 'project throws' && index === at) throw new Error('project');
            unfinished.add(index);
            runningMax = Math.max(runningMax, ++running);
            const end = (): void => {
              running--;
              unfinished.delete(index);
            };
            const run = async (): Promise<number> => {
              await s.schedule(Promise.resolve(), `work ${index}`);
              if (ending === 'work fails' && index === at) throw new Error('work');
              return item;
            };
            if (work === 'promise') return run().finally(end);
            return new Observable((subscriber) => {
              run().then((value) => {
                subscriber.next(value);
                subscriber.complete();
              }, (error: unknown) => subscriber.error(error));
              return end;
            });
          };
          const outcome = { completed: false, error: '' };
          const subscription = fromPull(source, credits, project, { reachMax }).subscribe({
            next: (value) => {
              check();
              got.push(value);
              if (ending === 'unsubscribed' && got.length > at) subscription.unsubscribe();
            },
            error: (error: Error) => {
              outcome.error = error.message;
            },
            complete: () => {
              assert.equal(credits.inFlight, 0, 'all credits are back when the end is told');
              outcome.completed = true;
            },
          });
          for (let round = 0; round < 4; round++) {
            await s.waitIdle();
            await settle();
          }
          assert.equal(credits.inFlight, 0);
          assert.equal(credits.out, credits.returned);
          assert.equal(credits.waiting, 0);
          assert.ok(runningMax <= max && credits.highWater <= max);
          const reached = at < length;
          const failsHere = { 'completes': '', 'unsubscribed': '', 'project throws': reached ? 'project' : '', 'work fails': reached ? 'work' : '', 'source fails': 'source' }[ending];
          assert.equal(outcome.error, failsHere);
          assert.equal(outcome.completed, failsHere === '' && !(ending === 'unsubscribed' && reached));
          if (outcome.completed) {
            assert.deepEqual([...got].toSorted((a, b) => a - b), Array.from({ length }, (_, i) => i));
            assert.equal(credits.out, length + 1, 'one credit an item, one to learn of the end');
          }
          assert.equal(state.closed <= 1, true);
        },
      ),
      { seed: 2, numRuns: 300 },
    ));

  test('pulls no item while no credit is free, and closes the source when nobody listens any more', async () => {
    const credits = new Credits('blocks', 3);
    const { state, source } = countedSource(10_000);
    const subscription = fromPull(source, credits, () => NEVER).subscribe();
    await settle();
    assert.equal(state.pulls, 3);
    assert.equal(credits.waiting, 1);
    subscription.unsubscribe();
    await settle();
    assert.deepEqual({ ...state, inFlight: credits.inFlight, waiting: credits.waiting }, { pulls: 3, closed: 1, inFlight: 0, waiting: 0 });
  });

  test('a promise keeps its credit until it settles, for its work cannot be stopped', async () => {
    const credits = new Credits('blocks', 1);
    const work = new Subject<number>();
    const subscription = fromPull([1], credits, () => firstValueFrom(work)).subscribe();
    await settle();
    subscription.unsubscribe();
    assert.equal(credits.inFlight, 1);
    work.next(1);
    await settle();
    assert.equal(credits.inFlight, 0);
  });

  test('a failure is told although the source never answers', async () => {
    const credits = new Credits('blocks', 2);
    const silent: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => {
        let first = true;
        return {
          next: () => {
            const answer = first ? Promise.resolve({ done: false as const, value: 0 }) : new Promise<never>(() => {});
            first = false;
            return answer;
          },
        };
      },
    };
    const failing = fromPull(silent, credits, async () => {
      await settle();
      throw new Error('work');
    });
    await assert.rejects(firstValueFrom(failing), /work/);
    assert.equal(credits.inFlight, 0);
  });

  test('closed credits end the stream with their error', async () => {
    const credits = new Credits('blocks', 1);
    const result = firstValueFrom(fromPull([1, 2], credits, () => NEVER));
    await settle();
    credits.close(new EmulatorBug({ what: 'the pool is gone' }));
    await assert.rejects(result, /the pool is gone/);
    assert.equal(credits.inFlight, 0);
  });

  test('two pulls share one pool: each ends, and together they never hold more than it has', async () => {
    const credits = new Credits('blocks', 2);
    let running = 0;
    const project = async (item: number): Promise<number> => {
      assert.ok(++running <= 2);
      await settle();
      running--;
      return item;
    };
    const items = Array.from({ length: 20 }, (_, i) => i);
    const both = await Promise.all([items, items].map((source) => firstValueFrom(withCredit(credits, project)(source).pipe(toArray()))));
    assert.deepEqual(both.map((list) => list.length), [20, 20]);
    assert.equal(credits.inFlight, 0);
    assert.ok(credits.highWater === 2);
  });

  test('an inner observable may give many results; taking a few of them ends everything', async () => {
    const credits = new Credits('blocks', 2);
    const { state, source } = countedSource(100);
    const some = await firstValueFrom(fromPull(source, credits, (i) => of(i, i + 0.5)).pipe(take(5), toArray()));
    assert.deepEqual(some, [0, 0.5, 1, 1.5, 2]);
    assert.deepEqual({ closed: state.closed, inFlight: credits.inFlight }, { closed: 1, inFlight: 0 });
    await assert.rejects(firstValueFrom(fromPull([1], credits, () => concat(of(1), throwError(() => new Error('late')))).pipe(toArray())), /late/);
    assert.equal(credits.inFlight, 0);
  });

  test('refuses a reach below 1', () => {
    for (const reachMax of [0, -1, Number.NaN]) assert.throws(() => fromPull([1], new Credits('x', 1), () => NEVER, { reachMax }), InvalidConfig);
  });
});
