/**
 * Credits: a counted right to have something in flight, one for each free block of a pool.
 *
 *   acquire ─▶ out ─▶ in flight (≤ max) ─▶ release ─▶ returned        credits out = credits back, or a test fails
 *
 * Not here: who pulls on them (credit.ts).
 */
import { EmulatorBug, InvalidConfig } from '../util/errors.js';

interface Waiter {
  readonly grant: () => void;
  readonly refuse: (error: Error) => void;
}

/** A counted right to have something in flight: at most `max` are out, and who waits is served first come, first served. */
export class Credits {
  readonly name: string;
  readonly max: number;
  #out = 0;
  #returned = 0;
  #highWater = 0;
  #closed: Error | null = null;
  readonly #waiters = new Set<Waiter>();

  /** @throws InvalidConfig unless `max` is a whole number from 1. */
  constructor(name: string, max: number) {
    if (!Number.isSafeInteger(max) || max < 1) throw new InvalidConfig({ what: `credits '${name}'`, value: max, limit: 'a whole number from 1' });
    this.name = name;
    this.max = max;
  }

  /** Credits handed out so far. */
  get out(): number {
    return this.#out;
  }
  /** Credits given back so far. */
  get returned(): number {
    return this.#returned;
  }
  /** Credits out and not yet back: 0 … max. */
  get inFlight(): number {
    return this.#out - this.#returned;
  }
  /** The most that were ever in flight at once. */
  get highWater(): number {
    return this.#highWater;
  }
  /** Those who wait for a credit. */
  get waiting(): number {
    return this.#waiters.size;
  }

  #take(): void {
    this.#out++;
    this.#highWater = Math.max(this.#highWater, this.inFlight);
  }

  /** Takes a credit if one is free. @throws the error of `close`. */
  tryAcquire(): boolean {
    if (this.#closed !== null) throw this.#closed;
    if (this.inFlight === this.max) return false;
    this.#take();
    return true;
  }

  /** Takes a credit as soon as one is free, first come, first served. Rejects with the signal's reason or the error of `close`. */
  acquire(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.tryAcquire()) {
        resolve();
        return;
      }
      const leave = (): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => waiter.refuse(signal?.reason as Error);
      const waiter: Waiter = {
        grant: () => {
          leave();
          this.#take();
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', abort);
    });
  }

  /** Gives a credit back; the longest waiting gets it. @throws EmulatorBug if more come back than went out. */
  release(): void {
    if (this.inFlight === 0) {
      throw new EmulatorBug({ what: `more credits '${this.name}' came back than went out`, value: this.#returned + 1, limit: this.#out });
    }
    this.#returned++;
    if (this.#closed !== null) return;
    for (const waiter of this.#waiters) {
      waiter.grant();
      return;
    }
  }

  /** Rejects all who wait and all who come later; what is in flight can still be given back. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const waiter of this.#waiters) waiter.refuse(this.#closed);
  }
}
