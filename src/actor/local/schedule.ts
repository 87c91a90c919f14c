/**
 * Schedule: which non-empty mailbox is served next, the one freedom of the local dispatcher.
 *
 *   ready mailboxes ─pick(count)─▶ index        seeded: replayable chance · default: round robin
 *
 * Not here: the order inside a mailbox, which is always first in, first out.
 */
import { EmulatorBug } from '../../util/errors.js';
import { purposes, randomWord } from '../../util/prng.js';

/** A replayable schedule: the same seed makes the same choices. */
export const seededPick = (seed: number): ((readyCount: number) => number) => {
  let draw = 0;
  return (readyCount) => randomWord(seed, purposes.schedule, draw++) % readyCount;
};

/** The actors with a non-empty mailbox, each once. */
export class Ready {
  readonly #pick: ((readyCount: number) => number) | undefined;
  #actors: number[] = [];
  #head = 0;

  constructor(pick?: (readyCount: number) => number) {
    this.#pick = pick;
  }

  get size(): number {
    return this.#actors.length - this.#head;
  }

  add(actor: number): void {
    this.#actors.push(actor);
  }

  /** Takes the next actor out; there must be one. */
  take(): number {
    const actors = this.#actors;
    if (this.#pick === undefined) {
      const actor = actors[this.#head++] ?? -1;
      if (this.#head >= 1024 && this.#head * 2 >= actors.length) {
        this.#actors = actors.slice(this.#head);
        this.#head = 0;
      }
      return actor;
    }
    const index = this.#pick(actors.length);
    const actor = actors[index];
    const last = actors.pop();
    if (actor === undefined || last === undefined) throw new EmulatorBug({ what: 'schedule picked no ready mailbox', value: index, limit: actors.length });
    if (index < actors.length) actors[index] = last;
    return actor;
  }

  remove(which: (actor: number) => boolean): void {
    this.#actors = this.#actors.slice(this.#head).filter((actor) => !which(actor));
    this.#head = 0;
  }
}
