/**
 * Protocol codec: turns a closed union of flat messages into fixed records of 32-bit words and back.
 *
 *   { type, layer, block, … } ─encode─▶ [actor, type, correlation, field 0 … field 12] ─decode─▶ the same message
 *
 * A protocol names its fields once, in order; the compiler refuses a forgotten field. Fields are 32-bit integers, or
 * f64 (two words) where the layout says `'name:f64'`. Both dispatchers pass every message through here, so that an actor
 * sees the same data on one thread and on many.
 * Not here: tensors (they travel as handles of shared memory), rings (thread/ring.ts), who may say what (a device's protocol.ts).
 */
import { EmulatorBug, assert } from '../util/errors.js';

/** Words of one record: 64 bytes, one cache line. */
export const RECORD_WORDS = 16;
/** Words before the first field: actor, type, correlation. */
export const HEADER_WORDS = 3;
export const FIELD_WORDS = RECORD_WORDS - HEADER_WORDS;
/** Offsets inside a record. */
export const WORD_ACTOR = 0;
export const WORD_TYPE = 1;
export const WORD_CORRELATION = 2;
/** Types below zero belong to the runtime (failure.ts), never to a protocol. */

/** A message: a type and numbers. */
export interface FlatMessage {
  readonly type: string;
}

type Of<M extends FlatMessage, T extends M['type']> = Extract<M, { readonly type: T }>;
type FieldOf<X> = { [K in keyof X & string]: K extends 'type' ? never : X[K] extends number ? K : never }[keyof X & string];
type NameOf<S> = S extends `${infer N}:f64` ? N : S;

/** For each message type its fields, in the order in which they lie in a record. */
export type Layout<M extends FlatMessage> = {
  readonly [T in M['type']]: readonly (FieldOf<Of<M, T>> | `${FieldOf<Of<M, T>>}:f64`)[];
};
type Complete<M extends FlatMessage, L extends Layout<M>> = {
  readonly [T in M['type']]: [Exclude<keyof Of<M, T>, 'type' | NameOf<L[T][number]>>] extends [never]
    ? unknown
    : { readonly forgottenOrNotNumeric: Exclude<keyof Of<M, T>, 'type' | NameOf<L[T][number]>> };
};

export interface Codec<M extends FlatMessage> {
  readonly types: readonly string[];
  /** Writes type and fields at `at`; the caller writes actor and correlation. Throws EmulatorBug for an unknown type or a field that is no int32. */
  encode(message: M, words: Int32Array, at: number): void;
  /** Reads the message of the record at `at`. */
  decode(words: Int32Array, at: number): M;
}

interface TypeLayout {
  readonly type: string;
  readonly index: number;
  readonly names: readonly string[];
  readonly wide: readonly boolean[];
}
type Fields = Record<string, number | string | undefined>;

const f64Bits = new Float64Array(1);
const f64Words = new Int32Array(f64Bits.buffer);

const planOf = (type: string, index: number, fields: readonly string[]): TypeLayout => {
  const wide = fields.map((field) => field.endsWith(':f64'));
  const wordsNeeded = fields.length + wide.filter(Boolean).length;
  assert(wordsNeeded <= FIELD_WORDS, `message '${type}' needs ${wordsNeeded} words of fields and a record has ${FIELD_WORDS}`);
  return { type, index, names: fields.map((field) => field.replace(/:f64$/, '')), wide };
};

const notInt32 = (type: string, name: string, value: unknown): EmulatorBug =>
  new EmulatorBug({ what: `field '${name}' of message '${type}' is no 32-bit integer`, value, hint: 'declare it as f64 or send a handle' });

const codecOf = <M extends FlatMessage>(layout: Record<string, readonly string[]>): Codec<M> => {
  const plans = Object.keys(layout).map((type, index) => planOf(type, index, layout[type] ?? []));
  const byType = new Map(plans.map((plan) => [plan.type, plan]));
  return {
    types: plans.map((plan) => plan.type),
    encode(message, words, at) {
      const plan = byType.get(message.type);
      if (plan === undefined) throw new EmulatorBug({ what: `message of unknown type '${message.type}'`, hint: `the protocol knows ${[...byType.keys()].join(', ')}` });
      const fields = message as unknown as Fields;
      const { names, wide } = plan;
      words[at + WORD_TYPE] = plan.index;
      let to = at + HEADER_WORDS;
      for (let i = 0; i < names.length; i++) {
        const name = names[i] as string;
        const value = fields[name];
        if (wide[i] === true) {
          if (typeof value !== 'number') throw notInt32(plan.type, name, value);
          f64Bits[0] = value;
          words[to++] = f64Words[0] as number;
          words[to++] = f64Words[1] as number;
        } else {
          if (((value as number) | 0) !== value) throw notInt32(plan.type, name, value);
          words[to++] = value;
        }
      }
    },
    decode(words, at) {
      const plan = plans[words[at + WORD_TYPE] ?? -1];
      if (plan === undefined) throw new EmulatorBug({ what: 'record with an unknown message type', value: words[at + WORD_TYPE] });
      const { names, wide } = plan;
      const message: Fields = { type: plan.type };
      let from = at + HEADER_WORDS;
      for (let i = 0; i < names.length; i++) {
        if (wide[i] === true) {
          f64Words[0] = words[from++] as number;
          f64Words[1] = words[from++] as number;
          message[names[i] as string] = f64Bits[0] as number;
        } else message[names[i] as string] = words[from++] as number;
      }
      return message as unknown as M;
    },
  };
};

/**
 * Declares the codec of a message union: `defineProtocol<TileCommand>()({ 'tile.forward': ['layer', 'block', 'slot'] })`.
 * The order of types and fields is the wire format of one process; it is never stored.
 */
export const defineProtocol =
  <M extends FlatMessage>() =>
  <const L extends Layout<M>>(layout: L & Complete<M, L>): Codec<M> =>
    codecOf<M>(layout as unknown as Record<string, readonly string[]>);
