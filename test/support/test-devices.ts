/**
 * Test devices: a devices module whose actors do next to nothing, so that the dispatchers can be judged by them.
 * Not here: any device of the machine.
 */
import { actorKind } from '../../src/actor/registry.js';
import { defineProtocol } from '../../src/actor/protocol-codec.js';
import type { Behavior } from '../../src/actor/behavior.js';
import { DoesNotFit } from '../../src/util/errors.js';

export type CounterCommand =
  | { readonly type: 'counter.add'; readonly value: number }
  | { readonly type: 'counter.get' }
  | { readonly type: 'counter.twice'; readonly value: number }
  | { readonly type: 'counter.silent' }
  | { readonly type: 'counter.precise'; readonly value: number }
  | { readonly type: 'counter.throw'; readonly how: number }
  | { readonly type: 'counter.work'; readonly rounds: number };
export type CounterReply =
  | { readonly type: 'counter.total'; readonly total: number; readonly turn: number }
  | { readonly type: 'counter.precise'; readonly value: number };

export interface CounterProps {
  readonly start: number;
  /** If given, turns are logged there: word 0 counts, then one word an entry. */
  readonly log?: SharedArrayBuffer;
  readonly id?: number;
  readonly memory?: WebAssembly.Memory;
  readonly failOnStart?: boolean;
  readonly failOnClose?: boolean;
}

const counter = (props: CounterProps): Behavior<CounterCommand, CounterReply> => (ctx) => {
  if (props.failOnStart === true) throw new DoesNotFit({ what: `props of ${ctx.name}`, needBytes: 2, haveBytes: 1 });
  const log = props.log === undefined ? undefined : new Int32Array(props.log);
  const shared = props.memory === undefined ? undefined : new Int32Array(props.memory.buffer);
  let total = props.start;
  let turn = 0;
  const note = (word: number): void => {
    if (log !== undefined) log[1 + Atomics.add(log, 0, 1)] = word;
  };
  return {
    receive(message) {
      turn++;
      note(props.id ?? 0);
      switch (message.type) {
        case 'counter.add':
          total += message.value;
          if (shared !== undefined) shared[0] = total;
          return ctx.reply({ type: 'counter.total', total, turn });
        case 'counter.get':
          return ctx.reply({ type: 'counter.total', total, turn });
        case 'counter.twice':
          ctx.reply({ type: 'counter.total', total: message.value, turn });
          return ctx.reply({ type: 'counter.total', total: message.value + 1, turn });
        case 'counter.silent':
          return;
        case 'counter.precise':
          return ctx.reply({ type: 'counter.precise', value: message.value });
        case 'counter.throw':
          if (message.how === 0) throw new DoesNotFit({ what: 'the test', needBytes: 7, haveBytes: 3, hint: 'nothing' });
          throw new TypeError('x'.repeat(300));
        case 'counter.work': {
          for (let i = 0; i < message.rounds; i++) total = Math.imul(total, 5) + i;
          return ctx.reply({ type: 'counter.total', total, turn });
        }
        default:
          return message satisfies never;
      }
    },
    close() {
      note(-1);
      if (props.failOnClose === true) throw new RangeError(`close of ${ctx.name}`);
    },
  };
};

export const devices = {
  counter: actorKind({
    behavior: counter,
    command: defineProtocol<CounterCommand>()({
      'counter.add': ['value'],
      'counter.get': [],
      'counter.twice': ['value'],
      'counter.silent': [],
      'counter.precise': ['value:f64'],
      'counter.throw': ['how'],
      'counter.work': ['rounds'],
    }),
    reply: defineProtocol<CounterReply>()({ 'counter.total': ['total', 'turn'], 'counter.precise': ['value:f64'] }),
  }),
};

export const devicesUrl = import.meta.url;
