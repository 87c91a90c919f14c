/** Host trace suite: turns in host time, on every dispatcher. Not here: rings of turns, and runs with a trace (test/unit/trace/host-trace.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActorSystem, SystemOptions } from '../../src/actor/system.js';
import { sharedNowMs } from '../../src/util/clock.js';
import { devices, devicesUrl } from '../support/test-devices.js';
import type { DispatcherUnderTest } from './dispatcher-suite.js';

type Devices = typeof devices;
const counterOn = (system: ActorSystem<Devices>, thread: number) => system.spawn({ name: `counter on ${thread}`, kind: 'counter', thread, props: { start: 0 } });

export const runHostTraceSuite = ({ name, make }: Omit<DispatcherUnderTest, 'skip'>): void => {
  const start = (options: Partial<SystemOptions<Devices>> = {}): Promise<ActorSystem<Devices>> => make({ threads: 2, devices, devicesUrl, ...options });
  test(`dispatcher '${name}' tells the turns of every thread in host time, where it is asked to`, async () => {
    const beganMs = sharedNowMs();
    const system = await start({ hostTrace: true });
    const refs = [counterOn(system, 0), counterOn(system, 1)];
    for (let i = 0; i < 5; i++) for (const ref of refs) await ref.ask({ type: 'counter.add', value: i });
    await refs[1]?.ask({ type: 'counter.get' });
    const askedMs = sharedNowMs();
    await system[Symbol.asyncDispose]();
    const trace = system.hostTrace();
    assert.ok(trace !== null);
    assert.deepEqual([trace.dispatcher, trace.threads, trace.ended, trace.dropped], [name, 2, [5, 6], [0, 0]]);
    const add = (thread: number) => ({ thread, actor: `counter on ${thread}`, kind: 'counter', message: 'counter.add' });
    assert.deepEqual(trace.turns.map(({ thread, actor, kind, message }) => ({ thread, actor, kind, message })), [...Array.from({ length: 5 }, () => add(0)), ...Array.from({ length: 5 }, () => add(1)), { ...add(1), message: 'counter.get' }]);
    // Asked one after the other: the turns of two threads take turns, on one clock.
    const inTurn = trace.turns.slice(0, 5).flatMap((one, i) => [one, trace.turns[5 + i] ?? one]);
    inTurn.reduce((before, { startMs, endMs }) => (assert.ok(before <= startMs && startMs <= endMs, `${before} ${startMs} ${endMs}`), startMs), 0);
    assert.ok(trace.turns.every(({ startMs }) => startMs <= askedMs - beganMs));
    await using other = await start();
    assert.equal(other.hostTrace(), null);
  });
};
