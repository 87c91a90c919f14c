/**
 * Actor system: what the main side sees, whichever dispatcher runs the actors.
 *
 *        tell / ask                    record
 *   main ──────────▶ ref ─▶ mailbox ──────────▶ turn of the actor         a star: actors answer the main side,
 *        ◀────────── desk ◀─ replies ◀──────────                          never each other
 *
 * Guarantees on both dispatchers: messages to one actor are taken first in, first out; its replies arrive in the order in which
 * it gave them; every ask settles (reply, the actor's own error, or ActorFailed when its thread dies or the system closes).
 * Capacities: a mailbox holds `mailboxCapacity` messages that the actor has not begun. A tell above it throws EmulatorBug that names
 * actor and capacity: the credits of the streams above must make that impossible, so it is a bug and never back pressure.
 * Not here: how records travel (local/, thread/), what devices say (their protocol.ts).
 */
import type { HostTrace } from '../trace/host-trace.js';
import type { WaferstreamError } from '../util/errors.js';
import type { BehaviorModule, CommandOf, PropsOf, ReplyOf } from './registry.js';
import type { FlatMessage } from './protocol-codec.js';
import type { ThreadFault } from './turns.js';

export const mailboxCapacityDefault = 1024;

export interface ActorSpec<Kind extends string, Props> {
  readonly name: string;
  readonly kind: Kind;
  /** Which thread it lives on, from 0; on the local dispatcher the group that dies together. */
  readonly thread: number;
  /** Plain data that survives a structured clone; shared memory, WebAssembly.Memory and WebAssembly.Module pass by reference. */
  readonly props: Props;
  readonly mailboxCapacity?: number;
}

/** A handle of an actor; it outlives the death and revival of the actor's thread. */
export interface Ref<Command extends FlatMessage, Reply extends FlatMessage> {
  readonly name: string;
  readonly thread: number;
  /** Puts the message into the mailbox. Throws ActorFailed if the actor is down, EmulatorBug if the mailbox is full. */
  tell(message: Command): void;
  /** The first reply of the turn that takes the message. Rejects as `tell` throws, and with the actor's own error. */
  ask(message: Command): Promise<Reply>;
  /** Replies that answer no ask: those to a tell, and every reply of a turn after the first. Returns the way to stop. */
  onReply(listener: (reply: Reply) => void): () => void;
}

/** A notice of supervision: an actor threw (its name is given), or a thread died with all its actors. */
export interface SystemFailure {
  readonly thread: number;
  readonly actor?: string;
  readonly error: WaferstreamError;
}

export interface ActorSystem<Devices extends BehaviorModule> extends AsyncDisposable {
  readonly threads: number;
  /** Makes an actor. The ref works at once: what is told waits for the actor. */
  spawn<K extends keyof Devices & string>(spec: ActorSpec<K, PropsOf<Devices[K]>>): Ref<CommandOf<Devices[K]>, ReplyOf<Devices[K]>>;
  /** Every failure escalates to these listeners; asks that wait are rejected whether anybody listens or not. */
  onFailure(listener: (failure: SystemFailure) => void): () => void;
  /** Ends a thread abruptly, in the middle of a turn if need be; settles when it is gone and its asks are rejected. */
  kill(thread: number): Promise<void>;
  /** A fresh thread in place of a dead one (or of one whose actor failed), its actors made anew from their specs. Refs stay valid. */
  revive(thread: number): Promise<void>;
  /** Turns in host time, by thread; null unless asked for. Complete when the system is disposed of. */
  hostTrace(): HostTrace | null;
  /** Stops everything; asks that wait are rejected with ActorFailed. Nothing is left: no thread, timer, listener or port. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SystemOptions<Devices extends BehaviorModule> {
  readonly threads: number;
  readonly devices: Devices;
  /** The URL of the module that exports the same `devices`, for the worker threads. */
  readonly devicesUrl: string;
  /** Records a thread's ring holds in each direction, a power of two (thread dispatcher only). */
  readonly ringCapacity?: number;
  /** Stops everything at once, like disposal without the courtesy of `close()`. */
  readonly signal?: AbortSignal;
  /** Which of `readyCount` non-empty mailboxes is served next (local dispatcher only); by default round robin. */
  readonly pick?: (readyCount: number) => number;
  /** Keeps a trace of turns in host time. */
  readonly hostTrace?: boolean;
  /** Planned deaths: test only. */
  readonly faults?: readonly ThreadFault[];
}
