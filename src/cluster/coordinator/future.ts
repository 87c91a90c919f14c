/**
 * The future: all that will be wanted, in order, drawn as far ahead as somebody asks.
 *
 *   segments ─▶ events, numbered on from `from`; behind the last segment the same kind of step goes on, so that what will be wanted then is kept
 *
 * Not here: what a segment's events are (wants.ts).
 */
import { assert } from '../../util/errors.js';
import type { Segment, TierEvent } from '../wants.js';

/** Steps beyond the one being planned in which a want is looked for. */
const lookSteps = 2;
/** Past wants of an object that are forgotten together. */
const pruneFrom = 256;

/** What is to be done, made when it is asked for: a run may be of any length. */
export interface Segments {
  readonly count: number;
  readonly at: (index: number) => Segment;
}

export const noSegments: Segments = { count: 0, at: (step) => ({ kind: 'train', step, archive: false }) };

export class Future {
  readonly #eventsOf: (segment: Segment) => readonly TierEvent[];
  readonly #segments: Segments;
  readonly #from: number;
  /** Drawn and not yet planned, by number in order. */
  readonly #events = new Map<number, TierEvent>();
  #drawn = 0;
  /** The segment that was looked at last. */
  #at = 0;
  readonly #ends: number[] = [];
  readonly #indexOf = new Map<string, number>();
  /** Ascending indices of the events that want an object. */
  readonly #wants = new Map<number, number[]>();
  #planned = 0;
  /** Index of the latest event that somebody asked for. */
  entered: number;

  constructor(eventsOf: (segment: Segment) => readonly TierEvent[], segments: Segments, from = 0) {
    this.#eventsOf = eventsOf;
    this.#segments = segments;
    this.#from = from;
    this.entered = from - 1;
  }

  /** The number of the next event to plan. */
  get index(): number {
    return this.#from + this.#planned;
  }

  /** The next event to plan, if it is one of those up to `until`. */
  next(until: number): { readonly index: number; readonly event: TierEvent } | null {
    const { index } = this;
    if (index > until) return null;
    this.#extend(this.#planned + 1);
    const event = this.#events.get(this.#planned);
    if (event === undefined || this.#planned >= this.#todo()) return null;
    this.#events.delete(this.#planned);
    this.#planned++;
    return { index, event };
  }

  /** The number of a part that will come. */
  indexOf(key: string): number {
    for (let segment = this.#ends.length; !this.#indexOf.has(key) && segment < this.#segments.count; segment++) this.#draw();
    const found = this.#indexOf.get(key);
    assert(found !== undefined, `part '${key}' of a step will come`);
    this.#indexOf.delete(key);
    this.entered = Math.max(this.entered, found);
    return found;
  }

  /** When an object is wanted next after event `index`; Infinity: not in the steps that are looked at. */
  wantAfter(object: number, index: number): number {
    while ((this.#ends[this.#at] ?? Infinity) <= index - this.#from) this.#at++;
    while (this.#ends.length <= this.#at + lookSteps) this.#draw();
    const all = this.#wants.get(object) ?? [];
    let low = 0, high = all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((all[middle] as number) <= index) low = middle + 1;
      else high = middle;
    }
    const next = all[low] ?? Infinity;
    if (low > pruneFrom) all.splice(0, low);
    return next;
  }

  #todo(): number {
    const { count } = this.#segments;
    return this.#ends.length >= count ? (this.#ends[count - 1] ?? 0) : this.#drawn;
  }

  #extend(count: number): void {
    while (this.#drawn < count && this.#ends.length < this.#segments.count) this.#draw();
  }

  #draw(): void {
    const number = this.#ends.length, isToDo = number < this.#segments.count;
    for (const event of this.#eventsOf(isToDo ? this.#segments.at(number) : this.#beyond(number - this.#segments.count))) {
      const index = this.#from + this.#drawn;
      if (isToDo) {
        this.#events.set(this.#drawn, event);
        this.#indexOf.set(event.key, index);
      }
      this.#drawn++;
      for (const object of event.wants) {
        const of = this.#wants.get(object);
        if (of === undefined) this.#wants.set(object, [index]);
        else of.push(index);
      }
    }
    this.#ends.push(this.#drawn);
  }

  /** Steps behind the last segment: only looked at. */
  #beyond(index: number): Segment {
    const { count, at } = this.#segments, last = count === 0 ? null : at(count - 1);
    return { kind: 'train', step: last === null ? index : last.kind === 'train' ? last.step + 1 + index : last.step + index, archive: false };
  }
}
