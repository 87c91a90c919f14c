/**
 * Residence: sees to it that what each part of a step needs is in DRAM, and that what was changed reaches flash.
 *
 *   enter(key) ─▶ planned rooms ─▶ users of what lay there done, saved ─▶ read from flash ─▶ the part works ─▶ leave(key) ─▶ changed: saved
 *
 * Rooms are planned some events ahead, so that reading and saving go on while others work. A version is saved to the slot of its parity, and only when the version before
 * is committed; so the last acknowledged one is whole on flash at any time. After a fault rooms are planned anew from what is in DRAM.
 *
 * Not here: the order of wants (wants.ts), which room (rooms.ts), files (flash/).
 */
import { nowMs } from '../../util/clock.js';
import { assert, EmulatorBug } from '../../util/errors.js';
import { pageBytes, type ClusterLayout, type TierPlan } from '../layout.js';
import { Rooms, type Placed } from '../rooms.js';
import type { Segment, TierEvent } from '../wants.js';
import { Future, noSegments, type Segments } from './future.js';
import type { FlashPort } from './flash-port.js';
import { Tenants } from './tenants.js';
import { quiet, Transfers } from './transfers.js';

/** Events that are planned ahead of the one that was entered last. */
const ahead = 12;

/** When a step counts as durable: each of them, or those of checkpoints. */
export const durabilities = ['process', 'power', 'checkpoint'] as const;
export type Durability = (typeof durabilities)[number];

export interface ResidenceOptions {
  readonly layout: ClusterLayout & { readonly tiers: TierPlan };
  readonly flash: FlashPort;
  readonly durability: Durability;
  readonly eventsOf: (segment: Segment) => readonly TierEvent[];
  /** What a committed version says of itself beside its state. */
  readonly stateOf: (version: number) => string;
}

/** An object in a room: who uses it there, and when its contents are whole. */
interface Room {
  readonly placed: Placed;
  readonly users: Promise<void>[];
  loaded: Promise<void>;
  cleared: Promise<void> | null;
}

interface Planned {
  readonly event: TierEvent;
  readonly ready: Promise<void>;
  readonly leave: () => void;
}

const never = (): void => {};
export class Residence {
  readonly #o: ResidenceOptions;
  readonly #tenants: Tenants;
  #rooms: Rooms[];
  #roomOf = new Map<Placed, Room>();
  /** By memory: rooms that somebody else has been given, and that are not clear yet. */
  #leaving: Room[][] = [];
  #planned = new Map<string, Planned>();
  #future: Future;
  #open = new Map<string, TierEvent>();
  #committing: Promise<void> = Promise.resolve();
  readonly #transfers: Transfers;
  /** Milliseconds that parts of steps waited for DRAM, and bytes that they wanted to find there. */
  waitedMs = 0;
  wantedBytes = 0;

  /** Begins with version `version`: on flash, or to be filled. */
  constructor(o: ResidenceOptions, version: number, isOnFlash: boolean) {
    this.#o = o;
    this.#tenants = new Tenants(o.layout.tiers, version, isOnFlash);
    this.#rooms = this.#emptyRooms();
    this.#leaving = this.#rooms.map(() => []);
    this.#future = new Future(o.eventsOf, noSegments);
    this.#transfers = new Transfers(o.layout.tiers, this.#tenants, o.flash);
  }

  get #tiers(): TierPlan {
    return this.#o.layout.tiers;
  }

  /** Bytes in rooms at once, at most; of all pools. */
  get highWater(): number {
    return this.#rooms.reduce((sum, rooms) => sum + rooms.highWater, 0);
  }

  get committed(): number {
    return this.#tenants.committed;
  }

  /** Rejects when a piece cannot be read or saved. */
  get failure(): Promise<never> {
    return this.#transfers.failure.promise;
  }

  /** What comes next, one segment after the other. */
  begin(segments: Segments): void {
    assert(this.#open.size === 0, 'whatever was entered has been left');
    this.#planned.clear();
    this.#future = new Future(this.#o.eventsOf, segments, this.#future.index);
    this.#planAhead(0);
  }

  /** Settles when all that the part wants is in DRAM. */
  async enter(key: string): Promise<void> {
    const index = this.#future.indexOf(key);
    this.#planAhead(index + ahead);
    const planned = this.#planned.get(key);
    if (planned === undefined) throw new EmulatorBug({ what: `part '${key}' of a step is not planned` });
    const since = nowMs();
    const { kind, wants, step } = planned.event, failed = this.#transfers.failure.promise;
    await Promise.race([planned.ready, failed]);
    if (kind === 'update' || kind === 'mask' || kind === 'fill') {
      // What is changed in place must not be on its way to flash, and the version before must be safe.
      await Promise.race([Promise.all(wants.map((object) => this.#tenants.at(object).writing)), failed]);
      if (this.#commits && kind === 'update') await Promise.race([this.#tenants.whenCommitted(step), failed]);
    }
    this.waitedMs += nowMs() - since;
    this.#open.set(key, planned.event);
  }

  /** The part has done its work. */
  leave(key: string): void {
    const planned = this.#planned.get(key);
    // After a fault somebody may still come to leave.
    if (planned === undefined || !this.#open.delete(key)) return;
    this.#planned.delete(key);
    this.#changed(planned.event);
    planned.leave();
    this.#planAhead(0);
  }

  /** Commits a version of which every part has been changed; settles when it is as durable as was asked for. */
  commit(version: number): Promise<void> {
    if (!this.#commits) {
      this.#tenants.commit(version);
      return Promise.resolve();
    }
    const { flash, stateOf, durability } = this.#o;
    this.#committing = quiet(this.#committing.then(async () => {
      if (this.#tenants.committed >= version) return;
      await Promise.race([this.#transfers.saveAll(version), this.#transfers.failure.promise]);
      await Promise.race([flash.commit(version, stateOf(version), durability === 'power'), this.#transfers.failure.promise]);
      this.#tenants.commit(version);
    }));
    return this.#committing;
  }

  /** Brings the last version to flash where steps were not committed one by one: it is a result. */
  async commitAtLast(version: number): Promise<void> {
    if (this.#commits) return;
    await Promise.race([this.#transfers.saveAll(version), this.#transfers.failure.promise]);
    await this.#o.flash.commit(version, this.#o.stateOf(version), false);
  }

  get #commits(): boolean {
    return this.#o.durability !== 'checkpoint';
  }

  /** The attempt is over: nobody gets in any more, and nothing more is begun. */
  halt(error: Error): void {
    this.#transfers.failure.fail(error);
  }

  /** Begins again, when nobody is at work: with what is in DRAM, and no gradient. `finished`: updates that were under way and have been finished since. */
  restart(finished: ReadonlySet<string>): void {
    const tiers = this.#tiers, pages = new Int32Array(tiers.rooms);
    for (const [key, event] of this.#open) if (finished.has(key)) this.#changed(event);
    this.#open.clear();
    this.#transfers.renew();
    this.#committing = Promise.resolve();
    this.#roomOf = new Map();
    this.#planned.clear();
    const highWater = this.#rooms.map((rooms) => rooms.highWater);
    this.#rooms = this.#emptyRooms();
    this.#leaving = this.#rooms.map(() => []);
    this.#rooms.forEach((rooms, m) => (rooms.highWater = highWater[m] as number));
    tiers.objects.forEach(({ kind, group, bytes }, object) => {
      const tenant = this.#tenants.at(object);
      tenant.restart();
      if (kind === 'gradient') Atomics.store(pages, object, 0);
      const page = Atomics.load(pages, object);
      if (page === 0) return;
      const { memory } = tiers.groups[group] as TierPlan['groups'][number], placed = this.#roomsIn(memory).restore(object, page * pageBytes - this.#transfers.poolAt(memory), bytes, this.#future.index);
      this.#roomOf.set(placed, { placed, users: [], loaded: Promise.resolve(), cleared: null });
    });
    if (this.#commits) for (const tenant of this.#tenants.dirty) quiet(this.#transfers.save(tenant));
  }

  #emptyRooms(): Rooms[] {
    return this.#tiers.pools.map(({ bytes }) => new Rooms(bytes));
  }

  #roomsIn(memory: number): Rooms {
    const rooms = this.#rooms[memory];
    assert(rooms !== undefined, `memory ${memory} has rooms`);
    return rooms;
  }

  #planAhead(index: number): void {
    if (this.#transfers.failure.error !== null) return;
    const until = Math.max(index, this.#future.entered + ahead);
    for (let next = this.#future.next(until); next !== null; next = this.#future.next(until)) this.#plan(next.index, next.event);
  }

  #plan(index: number, event: TierEvent): void {
    const tiers = this.#tiers;
    let leave: () => void = never;
    const left = new Promise<void>((resolve) => (leave = resolve));
    const memories = new Set(event.wants.map((object) => this.#transfers.memoryOf(object)));
    const loading: Promise<void>[] = [];
    for (const memory of memories) {
      const wants = event.wants.filter((object) => this.#transfers.memoryOf(object) === memory).map((object) => ({ object, bytes: tiers.objects[object]?.bytes ?? 0 }));
      const rooms = this.#roomsIn(memory);
      for (const { placed, evicted } of rooms.plan(index, wants, (object) => this.#future.wantAfter(object, index))) {
        for (const other of evicted) quiet(this.#clear(this.#roomOf.get(other) as Room, memory));
        const leaving = this.#leavingFrom(memory, placed), before = this.#tenants.at(placed.object).cleared;
        const room: Room = { placed, users: [], loaded: Promise.resolve(), cleared: null };
        // An update that is done again finds what its first try has left.
        const tenant = this.#tenants.at(placed.object), isReplaced = (): boolean => event.fresh.includes(placed.object) && (event.kind === 'fill' || tenant.version !== event.step + 1);
        room.loaded = quiet(this.#transfers.load(tenant, placed.address, [...leaving, before], isReplaced));
        this.#roomOf.set(placed, room);
      }
      for (const { object, bytes } of wants) {
        if (!event.fresh.includes(object)) this.wantedBytes += bytes;
        const room = this.#roomOf.get(rooms.at(object) as Placed);
        assert(room !== undefined, `object ${object} has a room`);
        room.users.push(left);
        loading.push(room.loaded);
      }
    }
    this.#planned.set(event.key, { event, ready: quiet(Promise.all(loading).then(never)), leave });
  }

  /** Who was told to leave any part of a room, now or earlier, and may be there still. */
  #leavingFrom(memory: number, { address, bytes }: Placed): Promise<void>[] {
    return (this.#leaving[memory] ?? []).filter(({ placed }) => placed.address < address + bytes && placed.address + placed.bytes > address).map(({ cleared }) => cleared ?? Promise.resolve());
  }

  /** Settles when the room's contents are of no more use there: its users have left, and what they changed is saved. */
  #clear(room: Room, memory: number): Promise<void> {
    if (room.cleared !== null) return room.cleared;
    const leaving = this.#leaving[memory] as Room[];
    leaving.push(room);
    const { object } = room.placed, tenant = this.#tenants.at(object), { failure } = this.#transfers;
    room.cleared = quiet((async () => {
      await room.loaded;
      await Promise.all(room.users);
      failure.check();
      if (tenant.needsSaving(this.#tenants.committed)) await this.#transfers.save(tenant);
      else await tenant.writing;
      failure.check();
      this.#transfers.leave(object);
      this.#roomOf.delete(room.placed);
      leaving.splice(leaving.indexOf(room), 1);
    })());
    tenant.cleared = room.cleared;
    return room.cleared;
  }

  /** What a part has changed by the time that it leaves. */
  #changed({ kind, step, groups, isLast }: TierEvent): void {
    const tiers = this.#tiers;
    for (const number of groups) {
      const group = tiers.groups[number] as TierPlan['groups'][number], gradient = this.#tenants.at(group.gradient);
      if (kind === 'collect' || kind === 'scatter') gradient.collect();
      if (isLast) gradient.forget();
      if (kind !== 'update' && kind !== 'fill' && kind !== 'mask') continue;
      const version = kind === 'fill' ? step : step + 1;
      const changed = [group.weights === null ? group.stored : group.weights[version % 2 === 0 ? 0 : 1], group.moments].filter((object) => object !== null);
      for (const object of changed) {
        const tenant = this.#tenants.at(object);
        tenant.change(version);
        if (this.#commits) quiet(this.#transfers.save(tenant));
      }
    }
  }
}
