/** What only worker threads can show: full rings, props that cannot be cloned, a devices module that does not load, two revivals at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startThreadSystem } from '../../../src/actor/thread/dispatcher.js';
import type { SystemFailure } from '../../../src/actor/system.js';
import { ActorFailed, EmulatorBug } from '../../../src/util/errors.js';
import { devices, devicesUrl } from '../../support/test-devices.js';

const options = { threads: 1, devices, devicesUrl };

test('a full ring to a worker throws and names the actor; a full ring back parks the worker until the main side has read', async () => {
  await using system = await startThreadSystem({ ...options, ringCapacity: 8 });
  const ref = system.spawn({ name: 'one', kind: 'counter', thread: 0, props: { start: 0 } });
  const heard: number[] = [];
  ref.onReply((reply) => heard.push(reply.type === 'counter.total' ? reply.total : -1));
  for (let i = 0; i < 8; i++) ref.tell({ type: 'counter.twice', value: 2 * i });
  assert.throws(() => ref.tell({ type: 'counter.get' }), (e) => e instanceof EmulatorBug && /'one'/.test(e.message) && e.details.limit === 8);
  while (heard.length < 16) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(heard, Array.from({ length: 16 }, (_, i) => i));
});

test('props that cannot be cloned fail the thread and every ask', async () => {
  await using system = await startThreadSystem(options);
  const failed = new Promise<SystemFailure>((resolve) => system.onFailure(resolve));
  const ref = system.spawn({ name: 'one', kind: 'counter', thread: 0, props: { start: (() => 1) as unknown as number } });
  await assert.rejects(ref.ask({ type: 'counter.get' }), ActorFailed);
  assert.match(String((await failed).error.cause), /could not be cloned/);
});

test('a devices module that does not load, or lacks a kind, is told', async () => {
  await assert.rejects(startThreadSystem({ ...options, devicesUrl: new URL('./nothing.js', devicesUrl).href }), (e) => e instanceof ActorFailed && /did not start/.test(e.message));
  await using system = await startThreadSystem({ threads: 1, devices: { ...devices, other: devices.counter }, devicesUrl });
  const ref = system.spawn({ name: 'one', kind: 'other', thread: 0, props: { start: 0 } });
  await assert.rejects(ref.ask({ type: 'counter.get' }), ActorFailed);
});

test('revivals at the same time are one, and reviving a living thread is no failure', async () => {
  await using system = await startThreadSystem(options);
  const failures: SystemFailure[] = [];
  system.onFailure((failure) => failures.push(failure));
  const ref = system.spawn({ name: 'one', kind: 'counter', thread: 0, props: { start: 3 } });
  await ref.ask({ type: 'counter.add', value: 1 });
  await Promise.all([system.revive(0), system.revive(0)]);
  assert.deepEqual(await ref.ask({ type: 'counter.get' }), { type: 'counter.total', total: 3, turn: 1 });
  assert.deepEqual(failures, []);
});
