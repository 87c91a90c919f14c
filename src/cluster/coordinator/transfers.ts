/**
 * Transfers: objects between their rooms and flash, and the first failure that ends them all.
 *
 *   load    flash ─▶ room ─▶ the room is the object's          save    room ─▶ flash, once at a time, only what was changed
 *
 * Not here: which room and when (residence.ts), files (flash/).
 */
import { assert } from '../../util/errors.js';
import { pageBytes, type TierPlan } from '../layout.js';
import type { FlashPort } from './flash-port.js';
import type { Tenant, Tenants } from './tenants.js';

/** What ended an attempt, for all who wait or would go on. */
export interface Failure {
  readonly promise: Promise<never>;
  error: Error | null;
  fail(error: Error): void;
  /** @throws what has failed */
  check(): void;
}

/** A promise that somebody may or may not wait for. */
export const quiet = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => {});
  return promise;
};

const noFailure = (): Failure => {
  let reject: (error: Error) => void = () => {};
  const failure: Failure = {
    promise: quiet(new Promise<never>((_, refuse) => (reject = refuse))),
    error: null,
    fail(error) {
      failure.error ??= error;
      reject(error);
    },
    check() {
      if (failure.error !== null) throw failure.error;
    },
  };
  return failure;
};

export class Transfers {
  readonly #tiers: TierPlan;
  readonly #tenants: Tenants;
  readonly #flash: FlashPort;
  failure = noFailure();

  constructor(tiers: TierPlan, tenants: Tenants, flash: FlashPort) {
    this.#tiers = tiers;
    this.#tenants = tenants;
    this.#flash = flash;
  }

  /** A new attempt: what failed before is over. */
  renew(): void {
    this.failure = noFailure();
  }

  memoryOf(object: number): number {
    return this.#tiers.groups[this.#tiers.objects[object]?.group ?? -1]?.memory ?? 0;
  }

  poolAt(memory: number): number {
    return this.#tiers.pools[memory]?.address ?? 0;
  }

  /** Gives an object the room at `address` of its pool, with its contents if they are of use. */
  async load(tenant: Tenant, address: number, before: readonly Promise<void>[], isReplaced: () => boolean): Promise<void> {
    const { failure } = this, memory = this.memoryOf(tenant.object), page = (this.poolAt(memory) + address) / pageBytes;
    await Promise.all(before);
    failure.check();
    if (!isReplaced() && tenant.isReadable) {
      await this.#moved(failure, () => this.#flash.read(tenant.piece, tenant.version, memory, page));
      failure.check();
    }
    Atomics.store(new Int32Array(this.#tiers.rooms), tenant.object, page);
  }

  /** Brings an object's contents to flash, once at a time. */
  save(tenant: Tenant): Promise<void> {
    const { failure } = this, memory = this.memoryOf(tenant.object), page = Atomics.load(new Int32Array(this.#tiers.rooms), tenant.object);
    assert(page > 0, 'what is saved is in DRAM');
    const { version } = tenant;
    tenant.writing = quiet(tenant.writing.then(async () => {
      failure.check();
      if (!tenant.isDirty || tenant.version !== version) return;
      await this.#moved(failure, () => this.#flash.write(tenant.piece, version, memory, page));
      if (tenant.version === version) tenant.isDirty = false;
    }));
    return tenant.writing;
  }

  /** Settles when all that a version consists of is on flash. */
  async saveAll(version: number): Promise<void> {
    await Promise.all(this.#tenants.of(version).map((tenant) => (tenant.isDirty ? this.save(tenant) : tenant.writing)));
  }

  /** The object leaves its room. */
  leave(object: number): void {
    Atomics.store(new Int32Array(this.#tiers.rooms), object, 0);
  }

  async #moved(failure: Failure, move: () => Promise<void>): Promise<void> {
    try {
      await move();
    } catch (error) {
      failure.fail(error as Error);
      throw error;
    }
  }
}
