/**
 * Desk: the main side of both dispatchers. It keeps the actors' entries, the asks that wait, and who hears of failures.
 *
 *   reply record ─deliver─▶ an ask's promise, or the ref's listeners
 *   failure       ─fail…──▶ asks rejected, entry down, failure listeners told
 *
 * Not here: how a record reaches an actor (`Post`, one for each dispatcher).
 */
import { hostTurnsMax, makeTurnRing, readTurns, type HostTrace, type HostTurn } from '../trace/host-trace.js';
import { sharedNowMs } from '../util/clock.js';
import { ActorFailed, EmulatorBug, InvalidConfig, type WaferstreamError } from '../util/errors.js';
import { FAILED, FAILED_PART, failureFromBytes } from './failure.js';
import { HEADER_WORDS, WORD_ACTOR, WORD_CORRELATION, WORD_TYPE, type FlatMessage } from './protocol-codec.js';
import type { ActorKind, BehaviorModule } from './registry.js';
import { mailboxCapacityDefault, type ActorSpec, type Ref, type SystemFailure } from './system.js';

export interface Entry {
  readonly actor: number;
  readonly spec: ActorSpec<string, unknown>;
  readonly kind: ActorKind<unknown, FlatMessage, FlatMessage>;
  readonly mailboxCapacity: number;
  /** Its number among the actors of its thread. */
  readonly slot: number;
  readonly listeners: Set<(reply: FlatMessage) => void>;
  /** Why it takes no message, if it takes none. */
  down: WaferstreamError | undefined;
}

/** Brings a message to its actor's mailbox, or throws. */
export type Post = (entry: Entry, correlation: number, message: FlatMessage) => void;

interface Ask {
  readonly entry: Entry;
  readonly resolve: (reply: FlatMessage) => void;
  readonly reject: (error: WaferstreamError) => void;
}

export const mailboxFull = (entry: Entry): EmulatorBug =>
  new EmulatorBug({ what: `mailbox of actor '${entry.spec.name}' is full`, limit: entry.mailboxCapacity, hint: 'the credits of the stream above exceed the mailbox' });

export class Desk {
  readonly entries: Entry[] = [];
  /** Where threads note their turns; empty unless a trace of host time is asked for. */
  readonly turnRings: readonly SharedArrayBuffer[];
  readonly #beganMs = sharedNowMs();
  readonly #asks = new Map<number, Ask>();
  readonly #failureListeners = new Set<(failure: SystemFailure) => void>();
  readonly #texts = new Map<number, number[]>();
  readonly #devices: BehaviorModule;
  readonly #perThread: number[];
  #lastCorrelation = 0;
  #closed: WaferstreamError | undefined;

  constructor(devices: BehaviorModule, threads: number, hostTrace: boolean) {
    if (!Number.isInteger(threads) || threads < 1) throw new InvalidConfig({ what: 'threads must be a whole number of at least 1', value: threads });
    this.#devices = devices;
    this.#perThread = Array.from({ length: threads }, () => 0);
    this.turnRings = hostTrace ? Array.from({ length: threads }, () => makeTurnRing()) : [];
  }

  get closed(): WaferstreamError | undefined {
    return this.#closed;
  }

  register(spec: ActorSpec<string, unknown>): Entry {
    if (this.#closed !== undefined) throw this.#closed;
    const kind = this.#devices[spec.kind];
    if (kind === undefined) throw new InvalidConfig({ what: `no kind '${spec.kind}' for actor '${spec.name}'`, limit: Object.keys(this.#devices).join(', ') });
    this.checkThread(spec.thread);
    const mailboxCapacity = spec.mailboxCapacity ?? mailboxCapacityDefault;
    if (!Number.isInteger(mailboxCapacity) || mailboxCapacity < 1) throw new InvalidConfig({ what: `mailboxCapacity of actor '${spec.name}'`, value: mailboxCapacity });
    const slot = this.#perThread[spec.thread] ?? 0;
    this.#perThread[spec.thread] = slot + 1;
    const entry: Entry = { actor: this.entries.length, spec, kind, mailboxCapacity, slot, listeners: new Set(), down: undefined };
    this.entries.push(entry);
    return entry;
  }

  /** The turns that threads noted, with the names of their actors; null where none were to be. */
  hostTrace(dispatcher: HostTrace['dispatcher']): HostTrace | null {
    if (this.turnRings.length === 0) return null;
    const rings = this.turnRings.map(readTurns);
    const named = (thread: number, { actor, type, startMs, endMs }: (typeof rings)[number]['turns'][number]): HostTurn => {
      const entry = this.entries[actor];
      return { thread, actor: entry?.spec.name ?? '', kind: entry?.spec.kind ?? '', message: entry?.kind.command.types[type] ?? '', startMs: startMs - this.#beganMs, endMs: endMs - this.#beganMs };
    };
    return {
      threads: rings.length, dispatcher, turnsMax: hostTurnsMax, ended: rings.map(({ ended }) => ended), dropped: rings.map(({ ended, turns }) => ended - turns.length),
      turns: rings.flatMap(({ turns }, thread) => turns.map((turn) => named(thread, turn))),
    };
  }

  checkThread(thread: number): void {
    if (!Number.isInteger(thread) || thread < 0 || thread >= this.#perThread.length)
      throw new InvalidConfig({ what: 'no such thread', value: thread, limit: this.#perThread.length - 1 });
  }

  refOf(entry: Entry, post: Post): Ref<FlatMessage, FlatMessage> {
    return {
      name: entry.spec.name,
      thread: entry.spec.thread,
      tell: (message) => {
        if (entry.down !== undefined) throw entry.down;
        post(entry, 0, message);
      },
      ask: (message) =>
        new Promise((resolve, reject) => {
          if (entry.down !== undefined) throw entry.down;
          const correlation = this.#nextCorrelation();
          post(entry, correlation, message);
          this.#asks.set(correlation, { entry, resolve, reject });
        }),
      onReply: (listener) => {
        entry.listeners.add(listener);
        return () => entry.listeners.delete(listener);
      },
    };
  }

  onFailure(listener: (failure: SystemFailure) => void): () => void {
    this.#failureListeners.add(listener);
    return () => this.#failureListeners.delete(listener);
  }

  /** Takes one record that came from an actor. */
  deliver(words: Int32Array, at: number): void {
    if (this.#closed !== undefined) return;
    const entry = this.entries[words[at + WORD_ACTOR] ?? -1];
    if (entry === undefined) throw new EmulatorBug({ what: 'reply of an unknown actor', value: words[at + WORD_ACTOR] });
    const type = words[at + WORD_TYPE] ?? 0;
    const correlation = words[at + WORD_CORRELATION] ?? 0;
    if (type < 0) {
      this.#failureRecord(entry, type, correlation, words, at);
      return;
    }
    const reply = entry.kind.reply.decode(words, at);
    const ask = correlation === 0 ? undefined : this.#asks.get(correlation);
    if (ask !== undefined) {
      this.#asks.delete(correlation);
      ask.resolve(reply);
    } else {
      try {
        for (const listener of entry.listeners) listener(reply);
      } catch (cause) {
        const { name, thread } = entry.spec;
        this.escalate({ thread, actor: name, error: new EmulatorBug({ what: `a reply listener of actor '${name}' threw: ${String(cause)}` }, { cause }) });
      }
    }
  }

  /** Every actor of the thread is down and its asks are rejected. Who revives a thread on purpose needs no notice of it. */
  failThread(thread: number, error: WaferstreamError, notice: boolean): void {
    for (const entry of this.entries) if (entry.spec.thread === thread) this.#takeDown(entry, error);
    this.#rejectAsks((entry) => entry.spec.thread === thread, error);
    if (notice) this.escalate({ thread, error });
  }

  /** The thread is there again, with fresh actors. */
  reviveThread(thread: number): Entry[] {
    const revived = this.entries.filter((entry) => entry.spec.thread === thread);
    for (const entry of revived) entry.down = undefined;
    return revived;
  }

  close(error: WaferstreamError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    for (const entry of this.entries) this.#takeDown(entry, error);
    this.#rejectAsks(() => true, error);
  }

  /** Forgets every listener; the last act of disposal. */
  forget(): void {
    this.#failureListeners.clear();
    for (const entry of this.entries) entry.listeners.clear();
  }

  #takeDown(entry: Entry, error: WaferstreamError): void {
    entry.down = error;
    this.#texts.delete(entry.actor);
  }

  #rejectAsks(which: (entry: Entry) => boolean, error: WaferstreamError): void {
    for (const [correlation, ask] of this.#asks) {
      if (!which(ask.entry)) continue;
      this.#asks.delete(correlation);
      ask.reject(error);
    }
  }

  /** Tells the listeners of failures. */
  escalate(failure: SystemFailure): void {
    for (const listener of this.#failureListeners) listener(failure);
  }

  #failureRecord(entry: Entry, type: number, correlation: number, words: Int32Array, at: number): void {
    const text = this.#texts.get(entry.actor) ?? [];
    if (type === FAILED_PART) {
      const bytes = new Uint8Array(words.buffer, words.byteOffset + (at + HEADER_WORDS + 1) * 4, words[at + HEADER_WORDS] ?? 0);
      text.push(...bytes);
      this.#texts.set(entry.actor, text);
      return;
    }
    if (type !== FAILED) throw new EmulatorBug({ what: 'record of an unknown system type', value: type });
    const { name, thread } = entry.spec;
    const error = failureFromBytes(Uint8Array.from(text), name, thread);
    this.#takeDown(entry, new ActorFailed({ what: `actor '${name}' failed: ${error.message}`, where: `thread ${thread}`, hint: 'revive its thread' }, { cause: error }));
    const ask = this.#asks.get(correlation);
    if (ask !== undefined) {
      this.#asks.delete(correlation);
      ask.reject(error);
    }
    if (entry.down !== undefined) this.#rejectAsks((other) => other === entry, entry.down);
    this.escalate({ thread, actor: name, error });
  }

  /** 1 … 2³¹−1, round and round; a number whose ask still waits is passed over. */
  #nextCorrelation(): number {
    do this.#lastCorrelation = this.#lastCorrelation >= 0x7fffffff ? 1 : this.#lastCorrelation + 1;
    while (this.#asks.has(this.#lastCorrelation));
    return this.#lastCorrelation;
  }
}

export const threadDied = (thread: number, cause?: unknown): ActorFailed =>
  new ActorFailed({ what: `thread ${thread} died`, where: `thread ${thread}`, value: thread, hint: 'revive it and redo what was not acknowledged' }, { cause });

export const systemClosed = (cause?: unknown): ActorFailed => new ActorFailed({ what: 'the actor system is closed' }, { cause });

export const closeFailed = (thread: number, cause: unknown): ActorFailed =>
  new ActorFailed({ what: `an actor threw when it closed: ${cause instanceof Error ? cause.message : String(cause)}`, where: `thread ${thread}`, value: thread }, { cause });
