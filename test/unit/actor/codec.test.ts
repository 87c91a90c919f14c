/** Protocol codec and failures as data: what goes in comes out, and what cannot travel is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { failureFromBytes, failureToBytes } from '../../../src/actor/failure.js';
import { FIELD_WORDS, HEADER_WORDS, RECORD_WORDS, WORD_ACTOR, WORD_CORRELATION, defineProtocol } from '../../../src/actor/protocol-codec.js';
import * as errors from '../../../src/util/errors.js';

type Message =
  | { readonly type: 'a.none' }
  | { readonly type: 'a.ints'; readonly x: number; readonly y: number; readonly z: number }
  | { readonly type: 'a.mixed'; readonly layer: number; readonly loss: number; readonly slot: number };

const codec = defineProtocol<Message>()({ 'a.none': [], 'a.ints': ['x', 'y', 'z'], 'a.mixed': ['layer', 'loss:f64', 'slot'] });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const aMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('a.none' as const) }),
  fc.record({ type: fc.constant('a.ints' as const), x: int32, y: int32, z: int32 }),
  fc.record({ type: fc.constant('a.mixed' as const), layer: int32, loss: fc.double(), slot: int32 }),
);

test('decode undoes encode for every message, and touches nothing but its record', () => {
  fc.assert(
    fc.property(fc.array(aMessage, { minLength: 1, maxLength: 8 }), (messages) => {
      const words = new Int32Array((messages.length + 2) * RECORD_WORDS).fill(77);
      messages.forEach((message, i) => codec.encode(message, words, (i + 1) * RECORD_WORDS));
      messages.forEach((message, i) => assert.deepEqual(codec.decode(words, (i + 1) * RECORD_WORDS), { ...message }));
      assert(words.subarray(0, RECORD_WORDS).every((word) => word === 77) && words.subarray(-RECORD_WORDS).every((word) => word === 77));
      messages.forEach((_, i) => assert(words[(i + 1) * RECORD_WORDS + WORD_ACTOR] === 77 && words[(i + 1) * RECORD_WORDS + WORD_CORRELATION] === 77));
    }),
    { seed: 3, numRuns: 200 },
  );
});

test('refuses what is no int32, a missing field and an unknown type, by name', () => {
  const words = new Int32Array(RECORD_WORDS);
  for (const bad of [2 ** 31, -(2 ** 31) - 1, 0.5, Number.NaN, undefined, '1'])
    assert.throws(() => codec.encode({ type: 'a.ints', x: 1, y: bad as number, z: 2 }, words, 0), (e) => e instanceof errors.EmulatorBug && /'y'.*'a\.ints'/.test(e.message));
  assert.throws(() => codec.encode({ type: 'a.mixed', layer: 1, loss: undefined as unknown as number, slot: 0 }, words, 0), /'loss'/);
  assert.throws(() => codec.encode({ type: 'b' } as unknown as Message, words, 0), /unknown type 'b'/);
  assert.throws(() => codec.decode(words.fill(9), 0), errors.EmulatorBug);
});

test('refuses a layout that does not fit its record, and at compile time one that forgets a field', () => {
  type Wide = { readonly type: 'w' } & { readonly [K in `f${number}`]: number };
  const names = Array.from({ length: FIELD_WORDS + 1 }, (_, i) => `f${i}` as const);
  assert.equal(HEADER_WORDS + FIELD_WORDS, RECORD_WORDS);
  const define = defineProtocol<Wide>() as (layout: Record<'w', readonly string[]>) => unknown;
  define({ w: names.slice(1) });
  assert.throws(() => define({ w: names }), errors.EmulatorBug);
  assert.throws(() => define({ w: [...names.slice(2), 'g:f64'] }), errors.EmulatorBug);
  // @ts-expect-error the field z is forgotten
  defineProtocol<Message>()({ 'a.none': [], 'a.ints': ['x', 'y'], 'a.mixed': ['layer', 'loss:f64', 'slot'] });
  // @ts-expect-error a field that is no number cannot travel
  defineProtocol<{ readonly type: 's'; readonly text: string }>()({ s: ['text'] });
});

test('an error of the project crosses as itself, any other as ActorFailed with its cause', () => {
  const thrown = [
    new errors.EmulatorBug({ what: 'w', where: 'here', value: { deep: [1] }, limit: 3, hint: 'h' }),
    new errors.InvalidConfig({ what: 'ü'.repeat(500) }),
    new errors.NonFiniteLoss({ what: 'loss', value: Number.NaN }),
    new errors.DoesNotFit({ what: 'w', where: 'here', needBytes: 5, haveBytes: 4, hint: 'h' }),
  ];
  for (const error of thrown) {
    const back = failureFromBytes(failureToBytes(error), 'name', 1);
    assert.equal(back.constructor, error.constructor);
    if (!(error instanceof errors.NonFiniteLoss)) assert.equal(back.message, error.message);
  }
  for (const error of [new RangeError('r'), 'a string', undefined, new Error('y'.repeat(100_000))]) {
    const back = failureFromBytes(failureToBytes(error), 'name', 1);
    assert(back instanceof errors.ActorFailed && /'name'/.test(back.message) && back.cause instanceof Error);
  }
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const bug = new errors.EmulatorBug({ what: 'w', value: 1n });
  assert(failureFromBytes(failureToBytes(bug), 'name', 1) instanceof errors.EmulatorBug);
  assert(failureFromBytes(failureToBytes(Object.assign(bug, { details: { what: 'w', value: circular } })), 'name', 1) instanceof errors.EmulatorBug);
});
