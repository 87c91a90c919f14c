/** Slots: the numbered blocks of a pool, each a credit. Whoever holds a number owns the memory behind it. Not here: addresses (layout.ts). */
import type { Credits } from '../../stream/credit.js';
import { assert } from '../../util/errors.js';

export class Slots {
  readonly credits: Credits;
  readonly #free: number[];
  readonly #held = new Set<number>();
  #closed = false;

  /** One slot for each credit. */
  constructor(credits: Credits) {
    this.credits = credits;
    this.#free = Array.from({ length: credits.max }, (_, i) => credits.max - 1 - i);
  }

  /** A free slot, in the order of asking. */
  async acquire(): Promise<number> {
    await this.credits.acquire();
    const slot = this.#free.pop();
    assert(slot !== undefined, 'a credit is a free slot');
    this.#held.add(slot);
    return slot;
  }

  release(slot: number): void {
    if (this.#closed) return;
    assert(this.#held.delete(slot), `slot ${slot} is held by whoever gives it back`);
    this.#free.push(slot);
    this.credits.release();
  }

  /** The attempt is over: nobody gets a slot any more, and all credits are back. Call it when no actor is at work. */
  close(error: Error): void {
    this.#closed = true;
    this.credits.close(error);
    while (this.credits.inFlight > 0) this.credits.release();
  }
}
