/**
 * Dispatcher suite: what every dispatcher must do, run on each of them by dispatchers.test.ts.
 *
 * A skip gives its reason. Faults are planned (a turn, a place in it), so that the same death happens on one thread and on many.
 * Not here: rings and queues (test/unit/actor/), how fast anything is (benchmarks/).
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { seededPick } from '../../src/actor/local/schedule.js';
import type { ActorSystem, SystemFailure, SystemOptions } from '../../src/actor/system.js';
import { ActorFailed, DoesNotFit, EmulatorBug, InvalidConfig } from '../../src/util/errors.js';
import { devices, devicesUrl, type CounterProps, type CounterReply } from '../support/test-devices.js';

type Devices = typeof devices;
export interface DispatcherUnderTest {
  readonly name: 'local' | 'thread';
  readonly make: (options: SystemOptions<Devices>) => Promise<ActorSystem<Devices>>;
  readonly skip?: readonly { readonly reason: string; readonly tests: readonly string[] }[];
}

const exitScript = fileURLToPath(new URL('../support/actor-exit.js', import.meta.url));
const totalOf = (reply: CounterReply): number => (reply.type === 'counter.total' ? reply.total : Number.NaN);

const counterOn = (system: ActorSystem<Devices>, thread = 0, props: CounterProps = { start: 0 }, mailboxCapacity = 1024) =>
  system.spawn({ name: `counter on ${thread}`, kind: 'counter', thread, props, mailboxCapacity });

export const runDispatcherSuite = ({ name, make, skip = [] }: DispatcherUnderTest): void => {
  const start = (options: Partial<SystemOptions<Devices>> = {}): Promise<ActorSystem<Devices>> => make({ threads: 2, devices, devicesUrl, ...options });
  /** The actors in the order of their turns under a seeded schedule. */
  const orderOf = async (seed: number): Promise<number[]> => {
    const log = new SharedArrayBuffer(4 * 1024);
    await using system = await start({ pick: seededPick(seed) });
    const refs = [0, 1, 2, 3].map((id) => counterOn(system, id % 2, { start: 0, log, id }));
    await Promise.all(Array.from({ length: 80 }, (_, i) => refs[i % 4]?.ask({ type: 'counter.add', value: i })));
    return [...new Int32Array(log)].slice(1, 81);
  };
  const law = (title: string, run: () => Promise<void>): void => {
    const reason = skip.find((s) => s.tests.includes(title))?.reason;
    test(title, reason === undefined ? {} : { skip: reason }, run);
  };

  describe(`dispatcher '${name}'`, () => {
    law('takes the messages of an actor in order and answers each ask with its own reply', async () => {
      await using system = await start();
      const op = fc.record({ actor: fc.nat(3), ask: fc.boolean(), value: fc.integer({ min: -1000, max: 1000 }), pause: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(op, { maxLength: 60 }), async (ops) => {
          const refs = [0, 1, 0, 1].map((thread) => counterOn(system, thread));
          const model = refs.map(() => ({ total: 0, turn: 0 }));
          const told: CounterReply[][] = refs.map(() => []);
          const expectedTold: CounterReply[][] = refs.map(() => []);
          refs.forEach((ref, i) => ref.onReply((reply) => told[i]?.push(reply)));
          const asked: Promise<CounterReply>[] = [];
          const expectedAsked: CounterReply[] = [];
          for (const { actor, ask, value, pause } of ops) {
            const [ref, state] = [refs[actor], model[actor]];
            assert(ref !== undefined && state !== undefined);
            state.total += value;
            state.turn++;
            const expected: CounterReply = { type: 'counter.total', ...state };
            if (ask) {
              asked.push(ref.ask({ type: 'counter.add', value }));
              expectedAsked.push(expected);
            } else {
              ref.tell({ type: 'counter.add', value });
              expectedTold[actor]?.push(expected);
            }
            if (pause) await new Promise((resolve) => setImmediate(resolve));
          }
          assert.deepEqual(await Promise.all(asked), expectedAsked);
          const last = await Promise.all(refs.map((ref) => ref.ask({ type: 'counter.get' })));
          assert.deepEqual(last.map(totalOf), model.map(({ total }) => total));
          assert.deepEqual(told, expectedTold);
        }),
        { seed: 11, numRuns: 25 },
      );
    });

    law('settles an ask with the first reply of its turn and hands the rest to the listeners', async () => {
      await using system = await start();
      const ref = counterOn(system);
      const heard: number[] = [];
      const stop = ref.onReply((reply) => heard.push(totalOf(reply)));
      assert.equal(totalOf(await ref.ask({ type: 'counter.twice', value: 8 })), 8);
      await ref.ask({ type: 'counter.get' });
      stop();
      ref.tell({ type: 'counter.add', value: 1 });
      await ref.ask({ type: 'counter.get' });
      assert.deepEqual(heard, [9]);
    });

    law('carries f64 fields to the bit and refuses an integer field that is none', async () => {
      await using system = await start();
      const ref = counterOn(system);
      for (const value of [0.1, -0, Number.NaN, Infinity, 5e-324, 2 ** 53 + 2]) {
        const reply = await ref.ask({ type: 'counter.precise', value });
        assert(reply.type === 'counter.precise' && Object.is(reply.value, value));
      }
      for (const value of [0.5, 2 ** 31, Number.NaN]) assert.throws(() => ref.tell({ type: 'counter.add', value }), EmulatorBug);
      assert.equal(totalOf(await ref.ask({ type: 'counter.get' })), 0);
    });

    law('holds many actors', async () => {
      await using system = await start();
      const refs = Array.from({ length: 600 }, (_, i) => counterOn(system, i % 2, { start: i }));
      const totals = await Promise.all(refs.map((ref) => ref.ask({ type: 'counter.add', value: 1 })));
      assert.deepEqual(totals.map(totalOf), refs.map((_, i) => i + 1));
    });

    law('passes shared memory in props by reference', async () => {
      await using system = await start();
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
      const log = new SharedArrayBuffer(64);
      const ref = counterOn(system, 1, { start: 40, memory, log, id: 7 });
      await ref.ask({ type: 'counter.add', value: 2 });
      assert.equal(new Int32Array(memory.buffer)[0], 42);
      assert.deepEqual([...new Int32Array(log)].slice(0, 2), [1, 7]);
    });

    law('throws at the brim of a mailbox and takes messages again when there is room', async () => {
      await using system = await start();
      const ref = counterOn(system, 0, { start: 0 }, 4);
      for (let i = 0; i < 4; i++) ref.tell({ type: 'counter.add', value: 1 });
      assert.throws(() => ref.tell({ type: 'counter.add', value: 1 }), (error) => error instanceof EmulatorBug && /counter on 0/.test(error.message) && error.details.limit === 4);
      await assert.rejects(ref.ask({ type: 'counter.get' }), EmulatorBug);
      await new Promise<void>((resolve) => ref.onReply((reply) => totalOf(reply) === 4 && resolve()));
      assert.equal(totalOf(await ref.ask({ type: 'counter.get' })), 4);
    });

    law('keeps 512 of 20,000 messages in flight without losing one', async () => {
      await using system = await start();
      const refs = [0, 1, 0, 1].map((thread) => counterOn(system, thread));
      let sent = 0;
      let got = 0;
      await new Promise<void>((resolve) => {
        const next = (i: number): void => {
          sent++;
          refs[i]?.tell({ type: 'counter.add', value: 1 });
        };
        refs.forEach((ref, i) =>
          ref.onReply(() => {
            got++;
            if (sent < 20_000) next(i);
            if (got === 20_000) resolve();
          }),
        );
        for (let i = 0; i < 512; i++) next(i % 4);
      });
      const totals = await Promise.all(refs.map((ref) => ref.ask({ type: 'counter.get' })));
      assert.equal(totals.map(totalOf).reduce((a, b) => a + b), 20_000);
    });

    law('serves the event loop while actors are busy', async () => {
      await using system = await start();
      const ref = counterOn(system);
      const timer = { fired: false };
      setTimeout(() => (timer.fired = true), 1);
      while (!timer.fired) await ref.ask({ type: 'counter.add', value: 1 });
      assert(totalOf(await ref.ask({ type: 'counter.get' })) > 0);
    });

    law('brings an actor\'s error across as itself, fails that actor alone and escalates', async () => {
      await using system = await start();
      const failures: SystemFailure[] = [];
      system.onFailure((failure) => failures.push(failure));
      const [bad, worse, good] = [counterOn(system), counterOn(system), counterOn(system)];
      const [thrown, behind] = [bad.ask({ type: 'counter.throw', how: 0 }), bad.ask({ type: 'counter.get' })].map((ask) => ask.catch((error: unknown) => error));
      const error = await thrown;
      assert(error instanceof DoesNotFit);
      assert.equal(error.message, new DoesNotFit({ what: 'the test', needBytes: 7, haveBytes: 3, hint: 'nothing' }).message);
      assert.equal(error.needBytes, 7);
      assert((await behind) instanceof ActorFailed);
      await assert.rejects(worse.ask({ type: 'counter.throw', how: 1 }), (e) => e instanceof ActorFailed && e.cause instanceof Error && e.cause.name === 'TypeError' && e.cause.message === 'x'.repeat(300));
      assert.throws(() => bad.tell({ type: 'counter.get' }), ActorFailed);
      await assert.rejects(worse.ask({ type: 'counter.get' }), ActorFailed);
      assert.equal(totalOf(await good.ask({ type: 'counter.add', value: 3 })), 3);
      assert.deepEqual(failures.map((f) => [f.thread, f.actor, f.error.name]), [[0, 'counter on 0', 'DoesNotFit'], [0, 'counter on 0', 'ActorFailed']]);
      await system.revive(0);
      assert.equal(totalOf(await bad.ask({ type: 'counter.add', value: 5 })), 5);
    });

    law('fails an actor that cannot be made, and one that leaves an ask without a reply', async () => {
      await using system = await start();
      const failed = new Promise<SystemFailure>((resolve) => system.onFailure(resolve));
      counterOn(system, 1, { start: 0, failOnStart: true });
      assert((await failed).error instanceof DoesNotFit);
      await assert.rejects(counterOn(system).ask({ type: 'counter.silent' }), EmulatorBug);
    });

    law('refuses a kind and a thread that do not exist', async () => {
      await using system = await start();
      assert.throws(() => counterOn(system, 2), InvalidConfig);
      assert.throws(() => system.spawn({ name: 'x', kind: 'nobody' as 'counter', thread: 0, props: { start: 0 } }), InvalidConfig);
      await assert.rejects(start({ threads: 0 }), InvalidConfig);
    });

    law('rejects what waits on a killed thread, leaves the others alone, and revives with fresh state', async () => {
      await using system = await start();
      const [dies, lives] = [counterOn(system, 0, { start: 100 }), counterOn(system, 1)];
      const failed = new Promise<SystemFailure>((resolve) => system.onFailure(resolve));
      await dies.ask({ type: 'counter.add', value: 1 });
      const waiting = Array.from({ length: 20 }, () => dies.ask({ type: 'counter.work', rounds: 3_000_000 }));
      const settled = Promise.allSettled(waiting);
      await system.kill(0);
      const last = (await settled).at(-1);
      assert(last?.status === 'rejected' && last.reason instanceof ActorFailed && last.reason.details.value === 0);
      assert.equal((await failed).thread, 0);
      assert.throws(() => dies.tell({ type: 'counter.get' }), ActorFailed);
      await assert.rejects(dies.ask({ type: 'counter.get' }), ActorFailed);
      assert.equal(totalOf(await lives.ask({ type: 'counter.add', value: 2 })), 2);
      const late = counterOn(system, 0, { start: 7 });
      await system.revive(0);
      assert.deepEqual(await dies.ask({ type: 'counter.add', value: 1 }), { type: 'counter.total', total: 101, turn: 1 });
      assert.equal(totalOf(await late.ask({ type: 'counter.get' })), 7);
      assert.equal(totalOf(await lives.ask({ type: 'counter.get' })), 2);
    });

    law('dies where the fault plan says: what was acknowledged stays, the rest is rejected and can be redone', async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.constantFrom('start' as const, 'reply' as const, 'end' as const), fc.integer({ min: 1, max: 12 }), async (turn, at, secondTurn) => {
          const faults = [{ thread: 1, turn, at }, { thread: 1, turn: secondTurn, at, generation: 1 }];
          await using system = await start({ faults });
          let revivals = 0;
          const revived: Promise<void>[] = [];
          system.onFailure(({ thread }) => {
            revivals++;
            revived.push(system.revive(thread));
          });
          const ref = counterOn(system, 1, { start: 0 });
          const acknowledged: number[] = [];
          for (let i = 0; i < 12; ) {
            const batch = await Promise.allSettled(Array.from({ length: 12 - i }, (_, k) => ref.ask({ type: 'counter.twice', value: i + k })));
            for (const ask of batch) {
              if (ask.status === 'fulfilled') acknowledged.push(totalOf(ask.value));
              else assert(ask.reason instanceof ActorFailed);
            }
            i = acknowledged.length;
            await Promise.all(revived);
          }
          assert.deepEqual(acknowledged, Array.from({ length: 12 }, (_, i) => i));
          const firstLife = turn - 1;
          assert.equal(revivals, secondTurn <= 12 - firstLife ? 2 : 1);
        }),
        { seed: 5, numRuns: 8 },
      );
    });

    law('closes its actors, rejects what waits and takes nothing more', async () => {
      const log = new SharedArrayBuffer(64);
      const system = await start();
      const ref = counterOn(system, 0, { start: 0, log, id: 3 });
      await ref.ask({ type: 'counter.get' });
      const waiting = assert.rejects(ref.ask({ type: 'counter.work', rounds: 1000 }), ActorFailed);
      await system[Symbol.asyncDispose]();
      await waiting;
      const entries = new Int32Array(log);
      assert.equal(entries[entries[0] ?? 0], -1);
      assert.throws(() => ref.tell({ type: 'counter.get' }), ActorFailed);
      assert.throws(() => counterOn(system), ActorFailed);
      await assert.rejects(system.revive(0), ActorFailed);
      await system[Symbol.asyncDispose]();
    });

    law('tells of an actor that throws when it closes, and stops all the same', async () => {
      const log = new SharedArrayBuffer(64);
      const system = await start();
      for (const props of [{ start: 0, failOnClose: true }, { start: 0, log }]) await counterOn(system, 0, props).ask({ type: 'counter.get' });
      await assert.rejects(system[Symbol.asyncDispose](), /close of counter on 0/);
      const entries = new Int32Array(log);
      assert.equal(entries[entries[0] ?? 0], -1);
    });

    law('stops on its AbortSignal', async () => {
      const abort = new AbortController();
      await using system = await start({ signal: abort.signal });
      const waiting = assert.rejects(counterOn(system).ask({ type: 'counter.work', rounds: 50_000_000 }), ActorFailed);
      abort.abort();
      await waiting;
      await assert.rejects(start({ signal: abort.signal }), { name: 'AbortError' });
    });

    for (const way of ['dispose', 'kill', 'abort'])
      law(`leaves nothing that keeps a process alive (${way})`, async () => {
        const { stdout } = await promisify(execFile)(process.execPath, [exitScript, name, way], { timeout: 60_000 });
        assert.equal(stdout.trim(), 'rejected rejected');
      });

    law('replays a schedule', async () => {
      const first = await orderOf(1);
      assert.deepEqual(await orderOf(1), first);
      assert.notDeepEqual(await orderOf(2), first);
      for (let id = 0; id < 4; id++) assert.equal(first.filter((entry) => entry === id).length, 20);
    });
  });
};
