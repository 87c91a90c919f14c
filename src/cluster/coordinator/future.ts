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

export class Future {
  readonly #eventsOf: (segment: Segment) => readonly TierEvent[];
  readonly #segments: Segment[];
  /** Segments that are to be done; later ones are only looked at. */
  readonly #count: number;
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

  constructor(eventsOf: (segment: Segment) => readonly TierEvent[], segments: readonly Segment[], from = 0) {
    this.#eventsOf = eventsOf;
    this.#segments = [...segments];
    this.#count = segments.length;
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
    for (let segment = this.#ends.length; !this.#indexOf.has(key) && segment < this.#count; segment++) this.#draw();
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
    return this.#ends.length >= this.#count ? (this.#ends[this.#count - 1] ?? 0) : this.#drawn;
  }

  #extend(count: number): void {
    while (this.#drawn < count && this.#ends.length < this.#count) this.#draw();
  }

  #draw(): void {
    const number = this.#ends.length;
    const segment = this.#segments[number] ?? this.#beyond();
    this.#segments[number] ??= segment;
    for (const event of this.#eventsOf(segment)) {
      const index = this.#from + this.#drawn;
      if (number < this.#count) this.#events.set(this.#drawn, event);
      this.#drawn++;
      if (number < this.#count) this.#indexOf.set(event.key, index);
      for (const object of event.wants) {
        const of = this.#wants.get(object);
        if (of === undefined) this.#wants.set(object, [index]);
        else of.push(index);
      }
    }
    this.#ends.push(this.#drawn);
  }

  #beyond(): Segment {
    const last = this.#segments[this.#ends.length - 1];
    return { kind: 'train', step: last === undefined ? 0 : last.kind === 'train' ? last.step + 1 : last.step, archive: false };
  }
}
