/**
 * Versions: which step's weights each parameter has, and the promise of the next.
 *
 * A forward block waits for its parameter's version; a step is acknowledged when every parameter has the next one. Not here: the update.
 */

export class Versions {
  readonly #reached: number[];
  readonly #waiting = new Map<string, { readonly promise: Promise<void>; readonly resolve: () => void }>();

  /** All parameters start with the weights of step `step`. */
  constructor(parameters: number, step: number) {
    this.#reached = Array.from({ length: parameters }, () => step);
  }

  /** Settles when the parameter has the weights that step `step` reads. */
  at(parameter: number, step: number): Promise<void> {
    if ((this.#reached[parameter] ?? 0) >= step) return Promise.resolve();
    const key = `${parameter}/${step}`;
    let entry = this.#waiting.get(key);
    if (entry === undefined) {
      let resolve = (): void => {};
      const promise = new Promise<void>((done) => (resolve = done));
      entry = { promise, resolve };
      this.#waiting.set(key, entry);
    }
    return entry.promise;
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
