/**
 * Host trace: which turn of which actor kept which thread busy, and when, in the host's time; a bounded ring of turns for each thread.
 *
 *   thread ─TurnLog.note, at the end of a turn─▶ ring in shared memory ─readTurns, when the threads have ended─▶ HostTrace
 *
 * A ring outlives its thread, so turns before a death are in it; a turn that the death cut off is not. A full ring loses its oldest turns, and their number is kept.
 * Not here: virtual time (timing/), who takes turns (actor/turns.ts), drawing (report/chrome-trace.ts).
 */

/** Turns of each thread that are kept, the last: 2 MiB a thread. */
export const hostTurnsMax = 65_536;

/** One turn. Milliseconds since the trace began, on a clock that all threads share. */
export interface HostTurn {
  readonly thread: number;
  /** Name and kind of the actor, and the type of the message that it took. */
  readonly actor: string;
  readonly kind: string;
  readonly message: string;
  readonly startMs: number;
  readonly endMs: number;
}

export interface HostTrace {
  readonly threads: number;
  /** 'local': the threads are groups of actors that take turns in one thread. */
  readonly dispatcher: 'thread' | 'local';
  /** Turns of a thread that are kept. */
  readonly turnsMax: number;
  /** By thread: turns that ended, and the oldest of them that fell out of the ring. */
  readonly ended: readonly number[];
  readonly dropped: readonly number[];
  /** By thread, and there in the order of time. */
  readonly turns: readonly HostTurn[];
}

/** A turn as it stands in a ring: numbers alone. */
export interface LoggedTurn {
  readonly actor: number;
  /** Of the message, as its codec numbers types. */
  readonly type: number;
  readonly startMs: number;
  readonly endMs: number;
}

const fields = 4;
/** Before the first turn: how many ended. */
const headerFields = 1;

export const makeTurnRing = (turnsMax = hostTurnsMax): SharedArrayBuffer => new SharedArrayBuffer((headerFields + turnsMax * fields) * Float64Array.BYTES_PER_ELEMENT);

const capacityOf = (ring: Float64Array): number => (ring.length - headerFields) / fields;

/** The writing side of a ring: one thread at a time. */
export class TurnLog {
  readonly #ring: Float64Array;
  readonly #capacity: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#ring = new Float64Array(buffer);
    this.#capacity = capacityOf(this.#ring);
  }

  note(actor: number, type: number, startMs: number, endMs: number): void {
    const ring = this.#ring, ended = ring[0] ?? 0, at = headerFields + (ended % this.#capacity) * fields;
    ring[at] = actor;
    ring[at + 1] = type;
    ring[at + 2] = startMs;
    ring[at + 3] = endMs;
    ring[0] = ended + 1;
  }
}

/** What a ring holds, oldest first, and how many turns ended in all. */
export const readTurns = (buffer: SharedArrayBuffer): { readonly ended: number; readonly turns: readonly LoggedTurn[] } => {
  const ring = new Float64Array(buffer), capacity = capacityOf(ring), ended = ring[0] ?? 0, held = Math.min(ended, capacity);
  const turns = Array.from({ length: held }, (_, i): LoggedTurn => {
    const at = headerFields + ((ended - held + i) % capacity) * fields;
    return { actor: ring[at] ?? 0, type: ring[at + 1] ?? 0, startMs: ring[at + 2] ?? 0, endMs: ring[at + 3] ?? 0 };
  });
  return { ended, turns };
};
