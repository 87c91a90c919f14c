/**
 * Behavior: what an actor is, apart from where it runs.
 *
 *   props ─behavior(props, env)─▶ Behavior ─(ctx)─▶ { receive(message), close? }
 *
 * A turn is one synchronous `receive`; it may take milliseconds of WebAssembly. Inside a turn `ctx.reply` answers the main side.
 * An actor knows neither its dispatcher nor other actors: the coordinator's streams connect devices.
 * Not here: mailboxes and turns (turns.ts), spawning and telling (system.ts).
 */
import type { FlatMessage } from './protocol-codec.js';

export interface ActorContext<Reply extends FlatMessage> {
  /** The actor's name, as its spec gave it. */
  readonly name: string;
  /**
   * Answers the main side with the correlation of the message being handled: the first reply to an ask settles its promise,
   * every other reply goes to the ref's listeners. Outside a turn it throws EmulatorBug.
   */
  reply(message: Reply): void;
}

export interface ActorTurns<Command extends FlatMessage> {
  /** One turn. What it throws fails the actor. */
  receive(message: Command): void;
  /** The thread is closing in an orderly way; not called when it is killed. */
  close?(): void;
}

export type Behavior<Command extends FlatMessage, Reply extends FlatMessage> = (ctx: ActorContext<Reply>) => ActorTurns<Command>;

/** What a behavior may know of its surroundings; nothing that reaches a bit may depend on it. */
export interface ActorEnv {
  readonly thread: number;
  readonly threads: number;
}
