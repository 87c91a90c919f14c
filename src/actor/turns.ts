/**
 * Turns: the actors of one thread and the taking of one turn. Both dispatchers run this code.
 *
 *   record ─turn()─▶ decode ─▶ receive(message) ─ctx.reply─▶ outbox
 *                                  └─ throws ─▶ failure records, and the actor takes no further turn
 *
 * A turn that answers an ask must reply; one that does not is an EmulatorBug of its actor, so that no ask can hang.
 * Where a trace of host time is asked for, each turn is noted in its thread's log (trace/host-trace.ts). A fault plan ends the thread at a chosen place of a chosen turn: tests of supervision need deaths that can be repeated.
 * Not here: which record comes next (local/dispatcher.ts, thread/host.ts), the main side (desk.ts).
 */
import type { TurnLog } from '../trace/host-trace.js';
import { sharedNowMs } from '../util/clock.js';
import { EmulatorBug } from '../util/errors.js';
import type { ActorContext, ActorEnv, ActorTurns } from './behavior.js';
import { FAILED, FAILED_PART, PART_BYTES, failureToBytes } from './failure.js';
import { HEADER_WORDS, WORD_ACTOR, WORD_CORRELATION, WORD_TYPE, type FlatMessage } from './protocol-codec.js';
import type { ActorKind, BehaviorModule } from './registry.js';

/** Where replies are written: reserve a record, fill it, commit it. */
export interface Outbox {
  readonly words: Int32Array;
  /** Word offset of a free record. May wait until there is one. */
  reserve(): number;
  commit(): void;
}

/** A planned death of a thread: test only. */
export interface ThreadFault {
  readonly thread: number;
  /** The turn of that thread in which it dies, counted from 1. */
  readonly turn: number;
  /** Before the message is received; at the turn's first reply; or when all is done but no reply is published. */
  readonly at: 'start' | 'reply' | 'end';
  /** Which incarnation of the thread dies: 0 (default) the first, 1 the one after one revival, … */
  readonly generation?: number;
}

interface Cell {
  readonly kind: ActorKind<unknown, FlatMessage, FlatMessage>;
  readonly turns: ActorTurns<FlatMessage> | undefined;
  failed: boolean;
}

export interface SpawnData {
  readonly actor: number;
  readonly name: string;
  readonly kind: string;
  readonly props: unknown;
}

/** Thrown through a behavior by a fault on the local dispatcher; on a worker thread the thread is gone before. */
export const DEATH = Symbol('planned death of a thread');

export class TurnTable {
  readonly #cells: (Cell | undefined)[] = [];
  readonly #devices: BehaviorModule;
  readonly #env: ActorEnv;
  readonly #outbox: Outbox;
  readonly #fault: ThreadFault | undefined;
  readonly #die: () => never;
  readonly #log: TurnLog | undefined;
  #turnsTaken = 0;
  /** The actor whose turn it is, or −1 between turns. */
  #current = -1;
  #correlation = 0;
  #replied = false;

  constructor(devices: BehaviorModule, env: ActorEnv, outbox: Outbox, fault: ThreadFault | undefined, die: () => never, log: TurnLog | undefined) {
    this.#devices = devices;
    this.#env = env;
    this.#outbox = outbox;
    this.#fault = fault;
    this.#die = die;
    this.#log = log;
  }

  knows(actor: number): boolean {
    return this.#cells[actor] !== undefined;
  }

  /** Makes the actor; a behavior that throws here leaves a failed actor and its failure in the outbox. */
  spawn(data: SpawnData): void {
    const kind = this.#devices[data.kind];
    if (kind === undefined) throw new EmulatorBug({ what: `kind '${data.kind}' of actor '${data.name}' is not in the devices module of its thread` });
    let turns: ActorTurns<FlatMessage> | undefined;
    try {
      turns = kind.behavior(data.props, this.#env)(this.#contextOf(data.actor, data.name, kind));
    } catch (error) {
      this.#postFailure(data.actor, 0, error);
    }
    this.#cells[data.actor] = { kind, turns, failed: turns === undefined };
  }

  /** One turn: the record at `at` of `words`. */
  turn(words: Int32Array, at: number): void {
    const actor = words[at + WORD_ACTOR] ?? -1;
    const cell = this.#cells[actor];
    if (cell === undefined) throw new EmulatorBug({ what: 'record for an actor that its thread does not know', value: actor });
    if (cell.failed) return;
    const correlation = words[at + WORD_CORRELATION] ?? 0;
    const startMs = this.#log === undefined ? 0 : sharedNowMs();
    this.#turnsTaken++;
    const fault = this.#fault?.turn === this.#turnsTaken ? this.#fault : undefined;
    if (fault?.at === 'start') this.#die();
    this.#current = actor;
    this.#correlation = correlation;
    this.#replied = false;
    try {
      const message = cell.kind.command.decode(words, at);
      cell.turns?.receive(message);
      if (correlation !== 0 && !this.#replied) throw new EmulatorBug({ what: `a turn ended without a reply to the ask '${message.type}'` });
    } catch (error) {
      if (error === DEATH) throw error;
      cell.failed = true;
      this.#postFailure(actor, correlation, error);
    } finally {
      this.#current = -1;
      this.#log?.note(actor, words[at + WORD_TYPE] ?? 0, startMs, sharedNowMs());
    }
    if (fault !== undefined) this.#die();
  }

  /** Closes every actor that can still be closed; what the first of them throws is thrown when all are closed. */
  close(): void {
    const errors: unknown[] = [];
    for (const cell of this.#cells) {
      if (cell === undefined || cell.failed) continue;
      try {
        cell.turns?.close?.();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #contextOf(actor: number, name: string, kind: ActorKind<unknown, FlatMessage, FlatMessage>): ActorContext<FlatMessage> {
    return {
      name,
      reply: (message) => {
        if (this.#current !== actor) throw new EmulatorBug({ what: `actor '${name}' replied outside its turn` });
        if (this.#fault?.at === 'reply' && this.#fault.turn === this.#turnsTaken) this.#die();
        const outbox = this.#outbox;
        const at = outbox.reserve();
        kind.reply.encode(message, outbox.words, at);
        outbox.words[at + WORD_ACTOR] = actor;
        outbox.words[at + WORD_CORRELATION] = this.#correlation;
        this.#replied = true;
        outbox.commit();
      },
    };
  }

  #postFailure(actor: number, correlation: number, error: unknown): void {
    const bytes = failureToBytes(error);
    for (let from = 0; from < bytes.length; from += PART_BYTES) {
      const part = bytes.subarray(from, from + PART_BYTES);
      const at = this.#post(actor, FAILED_PART, correlation);
      const { words } = this.#outbox;
      words[at + HEADER_WORDS] = part.length;
      new Uint8Array(words.buffer, words.byteOffset + (at + HEADER_WORDS + 1) * 4, PART_BYTES).set(part);
      this.#outbox.commit();
    }
    this.#post(actor, FAILED, correlation);
    this.#outbox.commit();
  }

  #post(actor: number, type: number, correlation: number): number {
    const at = this.#outbox.reserve();
    const { words } = this.#outbox;
    words[at + WORD_ACTOR] = actor;
    words[at + WORD_TYPE] = type;
    words[at + WORD_CORRELATION] = correlation;
    return at;
  }
}
