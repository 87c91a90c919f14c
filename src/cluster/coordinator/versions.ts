/**
 * Versions: which step's weights each parameter has, and the promise of the next.
 *
 * A forward block waits for its parameter's version; a step is acknowledged when every parameter has the next one. Not here: the update.
 */

import { assert } from '../../util/errors.js';

export class Versions {
  readonly #reached: number[];
  readonly #waiting = new Map<string, { readonly promise: Promise<void>; readonly resolve: () => void; readonly reject: (error: Error) => void }>();

  #closed: Error | null = null;

  /** All parameters start with the weights of step `step`. */
  constructor(parameters: number, step: number) {
    this.#reached = Array.from({ length: parameters }, () => step);
  }

  /** Settles when the parameter has the weights that step `step` reads. */
  at(parameter: number, step: number): Promise<void> {
    if ((this.#reached[parameter] ?? 0) >= step) return Promise.resolve();
    if (this.#closed !== null) return Promise.reject(this.#closed);
    const key = `${parameter}/${step}`;
    let entry = this.#waiting.get(key);
    if (entry === undefined) {
      let settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
      const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
      assert(settle !== undefined, 'a promise starts at once');
      entry = { promise, ...settle };
      this.#waiting.set(key, entry);
    }
    return entry.promise;
  }

  /** The attempt is over: whoever waits, now or later, is refused. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** The parameter now has the weights that step `step` reads. Returns true if all have. */
  reach(parameter: number, step: number): boolean {
    this.#reached[parameter] = step;
    const key = `${parameter}/${step}`;
    this.#waiting.get(key)?.resolve();
    this.#waiting.delete(key);
    return this.#reached.every((reached) => reached >= step);
  }
}
