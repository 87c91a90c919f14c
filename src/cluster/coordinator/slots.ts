/** Slots: the numbered blocks of a pool, each a credit. Whoever holds a number owns the memory behind it. Not here: addresses (layout.ts). */
import type { Credits } from '../../stream/credit.js';
import { assert } from '../../util/errors.js';

export class Slots {
  readonly credits: Credits;
  readonly #free: number[];

  /** One slot for each credit. */
  constructor(credits: Credits, count: number) {
    this.credits = credits;
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** A free slot, in the order of asking. */
  async acquire(): Promise<number> {
    await this.credits.acquire();
    const slot = this.#free.pop();
    assert(slot !== undefined, 'a credit is a free slot');
    return slot;
  }

  release(slot: number): void {
    this.#free.push(slot);
    this.credits.release();
  }
}
