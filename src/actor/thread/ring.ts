/**
 * Ring: records from one thread to one other, in shared memory.
 *
 *   writer: reserve → fill → commit … publish          reader: available → at → advance … release
 *
 * Single producer, single consumer: a producer that dies leaves whole records or none, never a wedge. One Atomics store publishes
 * a batch. Tail, head and bell have a cache line each. The bell is 1 while the reader sleeps: only then a publish rings it.
 * At capacity `reserve` returns −1; what that means is the caller's decision.
 * Not here: what the words mean (protocol-codec.ts), blocks of numbers (they travel by handle).
 */
import { InvalidConfig } from '../../util/errors.js';
import { RECORD_WORDS } from '../protocol-codec.js';

const TAIL = 0;
const HEAD = 16;
const BELL = 32;
const RECORDS_FROM = 48;
const ASLEEP = 1;
const AWAKE = 0;

export const makeRing = (capacity: number): SharedArrayBuffer => {
  if (!Number.isInteger(capacity) || capacity < 2 || (capacity & (capacity - 1)) !== 0)
    throw new InvalidConfig({ what: 'ringCapacity must be a power of two', value: capacity });
  return new SharedArrayBuffer((RECORDS_FROM + capacity * RECORD_WORDS) * 4);
};

const capacityOf = (words: Int32Array): number => (words.length - RECORDS_FROM) / RECORD_WORDS;

/** Wakes the ring's reader if it sleeps, with or without records. */
export const ringBell = (words: Int32Array): void => {
  if (Atomics.load(words, BELL) === ASLEEP && Atomics.exchange(words, BELL, AWAKE) === ASLEEP) Atomics.notify(words, BELL);
};

export class RingWriter {
  readonly words: Int32Array;
  readonly capacity: number;
  #tail = 0;
  #published = 0;
  #head = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.capacity = capacityOf(this.words);
  }

  /** Records committed and not yet published. */
  get staged(): number {
    return (this.#tail - this.#published) | 0;
  }

  /** Word offset of a free record, or −1 if the reader holds them all. */
  reserve(): number {
    if (((this.#tail - this.#head) | 0) >= this.capacity) {
      this.#head = Atomics.load(this.words, HEAD);
      if (((this.#tail - this.#head) | 0) >= this.capacity) return -1;
    }
    return RECORDS_FROM + (this.#tail & (this.capacity - 1)) * RECORD_WORDS;
  }

  commit(): void {
    this.#tail = (this.#tail + 1) | 0;
  }

  publish(): void {
    this.publishQuietly();
    ringBell(this.words);
  }

  /** Publishes without waking the reader: for a reader that looks by itself, or that a later publish will wake. */
  publishQuietly(): void {
    if (this.#tail === this.#published) return;
    this.#published = this.#tail;
    Atomics.store(this.words, TAIL, this.#tail);
  }

  /** Parks this thread until the reader has moved on, at most `ms`. */
  waitForRoom(ms: number): void {
    const head = this.#head;
    if (Atomics.load(this.words, HEAD) === head) Atomics.wait(this.words, HEAD, head, ms);
  }
}

export class RingReader {
  readonly words: Int32Array;
  readonly #mask: number;
  #head = 0;
  #released = 0;
  #tail = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.#mask = capacityOf(this.words) - 1;
  }

  /** Records published and not yet taken. */
  available(): number {
    if (this.#tail === this.#head) this.#tail = Atomics.load(this.words, TAIL);
    return (this.#tail - this.#head) | 0;
  }

  /** Word offset of the oldest record. */
  at(): number {
    return RECORDS_FROM + (this.#head & this.#mask) * RECORD_WORDS;
  }

  advance(): void {
    this.#head = (this.#head + 1) | 0;
  }

  /** Gives the taken records' room back to the writer. */
  release(): void {
    if (this.#released === this.#head) return;
    this.#released = this.#head;
    Atomics.store(this.words, HEAD, this.#head);
  }

  /** Wakes a writer that waits for room. */
  notifyRoom(): void {
    Atomics.notify(this.words, HEAD);
  }

  /** Parks this thread until the bell rings, at most `ms`. For threads that may block. */
  sleep(ms: number): void {
    Atomics.store(this.words, BELL, ASLEEP);
    if (Atomics.load(this.words, TAIL) === this.#head) Atomics.wait(this.words, BELL, ASLEEP, ms);
    Atomics.store(this.words, BELL, AWAKE);
  }

  /** The same for a thread that may not block: a promise, or undefined if there is something to read. */
  sleepAsync(): Promise<unknown> | undefined {
    Atomics.store(this.words, BELL, ASLEEP);
    if (Atomics.load(this.words, TAIL) !== this.#head) {
      Atomics.store(this.words, BELL, AWAKE);
      return undefined;
    }
    const waiting = Atomics.waitAsync(this.words, BELL, ASLEEP);
    return waiting.async ? waiting.value : undefined;
  }
}
