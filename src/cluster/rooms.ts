/**
 * Rooms: which of the wanted objects lies where in a DRAM pool, planned ahead from the known order of wants.
 *
 *   want ─resident?─▶ stays      ─else─▶ the room whose soonest next want is the farthest        (Belady's rule; with objects of one size it is his)
 *
 * Objects have sizes and lie in one piece, so a new one may take the place of several. The planner knows addresses and the future, nothing else: whoever executes
 * a placement waits until the users of what lay there are done. Not here: the order of wants (wants.ts), reading and writing (coordinator/residence.ts).
 */
import { assert } from '../util/errors.js';

/** An object in its room, since a placement. */
export interface Placed {
  readonly object: number;
  readonly address: number;
  readonly bytes: number;
  /** The last event that uses it here. */
  lastEvent: number;
}

export interface Placement {
  readonly placed: Placed;
  /** Whose room it takes, wholly or in part. */
  readonly evicted: readonly Placed[];
}

/** When an object is wanted next, after the event being planned; Infinity: never again. */
export type NextWant = (object: number) => number;

export class Rooms {
  readonly bytes: number;
  /** By address. */
  #placed: Placed[] = [];
  readonly #byObject = new Map<number, Placed>();
  #inUse = 0;
  /** Most bytes that were placed at once. */
  highWater = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** What lies in the pool, by address. */
  get placed(): readonly Placed[] {
    return this.#placed;
  }

  at(object: number): Placed | undefined {
    return this.#byObject.get(object);
  }

  /** Places what an event wants, all at once. `sizes`: bytes of each. The wants together fit the pool. */
  plan(event: number, wants: readonly { readonly object: number; readonly bytes: number }[], nextWant: NextWant): Placement[] {
    assert(wants.reduce((sum, { bytes }) => sum + bytes, 0) <= this.bytes, 'what an event wants fits the pool');
    const pinned = new Set(wants.flatMap(({ object }) => this.#byObject.get(object) ?? []));
    for (const placed of pinned) placed.lastEvent = event;
    const placements: Placement[] = [];
    // Large ones first: small ones find a place beside them.
    for (const { object, bytes } of wants.filter((want) => !this.#byObject.has(want.object)).toSorted((a, b) => b.bytes - a.bytes)) {
      const address = this.#room(bytes, pinned, nextWant);
      if (address === null) return this.#afresh(event, wants, placements);
      placements.push(this.#place(object, address, bytes, event));
      pinned.add(this.#byObject.get(object) as Placed);
    }
    return placements;
  }

  /** What lies there already, when planning begins again. */
  restore(object: number, address: number, bytes: number, event: number): Placed {
    return this.#place(object, address, bytes, event).placed;
  }

  #remove(placed: Placed): void {
    this.#placed.splice(this.#placed.indexOf(placed), 1);
    this.#byObject.delete(placed.object);
    this.#inUse -= placed.bytes;
  }

  #place(object: number, address: number, bytes: number, event: number): Placement {
    const evicted = this.#placed.filter((other) => other.address < address + bytes && other.address + other.bytes > address);
    for (const other of evicted) this.#remove(other);
    const placed = { object, address, bytes, lastEvent: event };
    const index = this.#placed.findIndex((other) => other.address > address);
    this.#placed.splice(index < 0 ? this.#placed.length : index, 0, placed);
    this.#byObject.set(object, placed);
    this.#inUse += bytes;
    this.highWater = Math.max(this.highWater, this.#inUse);
    return { placed, evicted };
  }

  /** The pool is in pieces too small: everything leaves, and the wants are laid side by side. */
  #afresh(event: number, wants: readonly { readonly object: number; readonly bytes: number }[], dropped: readonly Placement[]): Placement[] {
    const fresh = new Set(dropped.map(({ placed }) => placed));
    const everybody = this.#placed.slice(), leaving = [...dropped.flatMap(({ evicted }) => evicted), ...everybody.filter((placed) => !fresh.has(placed))];
    for (const placed of everybody) this.#remove(placed);
    let address = 0;
    return wants.map(({ object, bytes }, i) => {
      const { placed } = this.#place(object, address, bytes, event);
      address += bytes;
      return { placed, evicted: i === 0 ? leaving : [] };
    });
  }

  /** Where `bytes` fit if all but the pinned may leave; null: nowhere. */
  #room(bytes: number, pinned: ReadonlySet<Placed>, nextWant: NextWant): number | null {
    const starts = new Set([0, ...this.#placed.flatMap((placed) => [placed.address, placed.address + placed.bytes, placed.address + placed.bytes - bytes])]);
    const wantOf = new Map(this.#placed.map((placed) => [placed, nextWant(placed.object)]));
    let best: { readonly address: number; readonly next: number; readonly last: number; readonly leaving: number } | null = null;
    for (const address of starts) {
      if (address < 0 || address + bytes > this.bytes) continue;
      let next = Infinity, last = -1, leaving = 0, isFree = true;
      for (let i = this.#firstAfter(address); i < this.#placed.length; i++) {
        const other = this.#placed[i] as Placed;
        if (other.address >= address + bytes) break;
        if (pinned.has(other)) {
          isFree = false;
          break;
        }
        next = Math.min(next, wantOf.get(other) ?? Infinity);
        last = Math.max(last, other.lastEvent);
        leaving += other.bytes;
      }
      if (!isFree) continue;
      // Equally late: the room whose users have been done for longest, then the one where least leaves.
      if (best === null || next > best.next || (next === best.next && (last < best.last || (last === best.last && leaving < best.leaving)))) best = { address, next, last, leaving };
    }
    return best?.address ?? null;
  }

  /** Index of the first object that ends behind `address`. */
  #firstAfter(address: number): number {
    let low = 0, high = this.#placed.length;
    while (low < high) {
      const middle = (low + high) >> 1, placed = this.#placed[middle] as Placed;
      if (placed.address + placed.bytes <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
