/**
 * Registry: kinds of actors by name, the one thing that a worker thread imports to know its devices.
 *
 *   devices module ─┬─ main side: codecs          export const devices = { tileHost: { behavior, command, reply } }
 *                   └─ worker threads: behaviors  (each thread imports the same module by its URL)
 *
 * Not here: any device (cluster/), the spawning of actors (system.ts).
 */
import type { ActorEnv, Behavior } from './behavior.js';
import type { Codec, FlatMessage } from './protocol-codec.js';

/** One kind of actor. Methods, not function properties: a map of kinds has to hold kinds of different messages. */
export interface ActorKind<Props, Command extends FlatMessage, Reply extends FlatMessage> {
  behavior(props: Props, env: ActorEnv): Behavior<Command, Reply>;
  readonly command: Codec<Command>;
  readonly reply: Codec<Reply>;
}

export type BehaviorModule = Readonly<Record<string, ActorKind<unknown, FlatMessage, FlatMessage>>>;

/** What a devices module exports. */
export interface DevicesModule {
  readonly devices: BehaviorModule;
}

export type PropsOf<K> = K extends ActorKind<infer P, infer _C, infer _R> ? P : never;
export type CommandOf<K> = K extends ActorKind<infer _P, infer C, infer _R> ? C : never;
export type ReplyOf<K> = K extends ActorKind<infer _P, infer _C, infer R> ? R : never;

/** Keeps the precise types of one kind: `tileHost: actorKind({ behavior, command, reply })`. */
export const actorKind = <Props, Command extends FlatMessage, Reply extends FlatMessage>(
  kind: ActorKind<Props, Command, Reply>,
): ActorKind<Props, Command, Reply> => kind;
