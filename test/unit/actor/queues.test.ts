/** Rings, record queues and schedules against plain arrays, over random commands. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecordQueue } from '../../../src/actor/local/record-queue.js';
import { Ready, seededPick } from '../../../src/actor/local/schedule.js';
import { RECORD_WORDS } from '../../../src/actor/protocol-codec.js';
import { RingReader, RingWriter, makeRing, ringBell } from '../../../src/actor/thread/ring.js';
import { EmulatorBug, InvalidConfig } from '../../../src/util/errors.js';

const write = (words: Int32Array, at: number, value: number): void => void words.fill(value, at, at + RECORD_WORDS);
const read = (words: Int32Array, at: number): number => {
  const record = words.subarray(at, at + RECORD_WORDS);
  assert(record.every((word) => word === record[0]));
  return record[0] ?? -1;
};

test('a ring keeps order and capacity, and shows only what is published', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('write', 'publish', 'read', 'release'), { maxLength: 300 }), fc.constantFrom(2, 4, 8), (commands, capacity) => {
      const buffer = makeRing(capacity);
      const [writer, reader] = [new RingWriter(buffer), new RingReader(buffer)];
      let [written, published, taken, released] = [0, 0, 0, 0];
      for (const command of commands) {
        if (command === 'write') {
          const at = writer.reserve();
          assert.equal(at < 0, written - released === capacity);
          if (at < 0) continue;
          write(writer.words, at, written++);
          writer.commit();
        } else if (command === 'publish') {
          writer.publish();
          published = written;
        } else if (command === 'release') {
          reader.release();
          released = taken;
        } else if (reader.available() > 0) {
          assert(taken < published);
          assert.equal(read(reader.words, reader.at()), taken++);
          reader.advance();
        } else assert.equal(taken, published);
        assert.equal(writer.staged, written - published);
      }
    }),
    { seed: 21, numRuns: 200 },
  );
});

test('a sleeper wakes by a publish and by the bell, and does not sleep beside an unread record', async () => {
  const buffer = makeRing(4);
  const [writer, reader] = [new RingWriter(buffer), new RingReader(buffer)];
  const byBell = reader.sleepAsync();
  assert(byBell !== undefined);
  ringBell(writer.words);
  await byBell;
  const byPublish = reader.sleepAsync();
  assert(byPublish !== undefined);
  write(writer.words, writer.reserve(), 5);
  writer.commit();
  writer.publish();
  await byPublish;
  assert.equal(reader.sleepAsync(), undefined);
  assert.equal(reader.available(), 1);
  for (const capacity of [0, 1, 3, 2.5]) assert.throws(() => makeRing(capacity), InvalidConfig);
});

test('a record queue is a first-in first-out queue up to its capacity', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('push', 'push', 'pop', 'clear'), { maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (commands, capacity) => {
      const queue = new RecordQueue(capacity);
      let model: number[] = [];
      let next = 0;
      for (const command of commands) {
        if (command === 'clear' && next % 7 === 0) {
          queue.clear();
          model = [];
        } else if (command === 'push') {
          const at = queue.reserve();
          assert.equal(at < 0, model.length === capacity);
          if (at < 0) continue;
          write(queue.words, at, next);
          queue.commit();
          model.push(next++);
        } else if (command === 'pop' && model.length > 0) {
          assert.equal(read(queue.words, queue.peek()), model.shift());
          queue.drop();
        }
        assert.equal(queue.size, model.length);
      }
    }),
    { seed: 22, numRuns: 300 },
  );
});

test('a schedule serves every ready actor once, whatever is picked', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer(), fc.boolean(), (count, seed, seeded) => {
      const ready = new Ready(seeded ? seededPick(Math.abs(seed)) : undefined);
      for (let i = 0; i < count; i++) ready.add(i);
      ready.remove((actor) => actor % 3 === 1);
      const taken: number[] = [];
      while (ready.size > 0) taken.push(ready.take());
      const expected = Array.from({ length: count }, (_, i) => i).filter((i) => i % 3 !== 1);
      if (!seeded) assert.deepEqual(taken, expected);
      assert.deepEqual(taken.toSorted((a, b) => a - b), expected);
    }),
    { seed: 23, numRuns: 50 },
  );
  const ready = new Ready(() => 4);
  ready.add(0);
  assert.throws(() => ready.take(), EmulatorBug);
});
