/**
 * Record queue: a first-in first-out queue of message records inside one thread, growing up to its capacity.
 *
 *   reserve → fill → commit          peek → use → drop
 *
 * Not here: queues between threads (thread/ring.ts).
 */
import { RECORD_WORDS } from '../protocol-codec.js';

export class RecordQueue {
  words = new Int32Array(8 * RECORD_WORDS);
  readonly #capacity: number;
  #slots = 8;
  #head = 0;
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  /** Word offset of a free record, or −1 at capacity. */
  reserve(): number {
    if (this.#size === this.#capacity) return -1;
    if (this.#size === this.#slots) this.#grow();
    return ((this.#head + this.#size) & (this.#slots - 1)) * RECORD_WORDS;
  }

  commit(): void {
    this.#size++;
  }

  /** Word offset of the oldest record; there must be one. */
  peek(): number {
    return this.#head * RECORD_WORDS;
  }

  drop(): void {
    this.#head = (this.#head + 1) & (this.#slots - 1);
    this.#size--;
  }

  clear(): void {
    this.#size = 0;
  }

  #grow(): void {
    const { words } = this;
    const grown = new Int32Array(words.length * 2);
    const cut = this.#head * RECORD_WORDS;
    grown.set(words.subarray(cut));
    grown.set(words.subarray(0, cut), words.length - cut);
    this.words = grown;
    this.#head = 0;
    this.#slots *= 2;
  }
}
