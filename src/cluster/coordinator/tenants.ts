/**
 * Tenants: what is known of each object's contents, whether they are in DRAM or on flash.
 *
 * Weights of a version stand at the slot of its parity, moments at that of the version they belong to; a gradient is of use between its first block and its update.
 * Not here: rooms (residence.ts).
 */
import { assert } from '../../util/errors.js';
import type { StateObject, TierPlan } from '../layout.js';
import { piecesOf } from '../tiers.js';

export class Tenant {
  readonly object: number;
  readonly kind: StateObject['kind'];
  /** Its number on flash. */
  readonly piece: number;
  /** Whose contents it holds: steps done; −1: nothing. */
  version: number;
  /** Changed since it was last on flash. */
  isDirty = false;
  /** A gradient that something has been collected into. */
  #isCollected = false;
  /** Settles when nothing of it is on its way to flash. */
  writing: Promise<void> = Promise.resolve();
  /** Settles when it has left its former room. */
  cleared: Promise<void> = Promise.resolve();

  constructor(object: number, kind: StateObject['kind'], piece: number, version: number) {
    this.object = object;
    this.kind = kind;
    this.piece = piece;
    this.version = version;
  }

  /** Whether there is anything to read from flash. */
  get isReadable(): boolean {
    return this.kind === 'gradient' ? this.#isCollected : this.version >= 0;
  }

  /** Whether its contents must be on flash before they leave DRAM. Weights older than the committed version are of no use. */
  needsSaving(committed: number): boolean {
    return this.kind === 'gradient' ? this.#isCollected && this.isDirty : this.isDirty && this.version >= committed;
  }

  collect(): void {
    this.#isCollected = true;
    this.isDirty = true;
  }

  forget(): void {
    this.#isCollected = false;
    this.isDirty = false;
  }

  change(version: number): void {
    this.version = version;
    this.isDirty = true;
  }

  /** After a fault: gradients are formed anew. */
  restart(): void {
    if (this.kind === 'gradient') this.forget();
    this.writing = Promise.resolve();
    this.cleared = Promise.resolve();
  }
}

export class Tenants {
  readonly #all: readonly Tenant[];
  #committed: number;
  readonly #waiting: { readonly version: number; readonly resolve: () => void }[] = [];

  /** `isOnFlash`: version `version` can be read from flash; else it is to be filled. */
  constructor(tiers: TierPlan, version: number, isOnFlash: boolean) {
    const pieces = piecesOf(tiers);
    this.#all = tiers.objects.map(({ kind, group }, object) => {
      const isCurrent = kind === 'weights' ? tiers.groups[group]?.weights?.[version % 2 === 0 ? 0 : 1] === object : kind !== 'gradient';
      return new Tenant(object, kind, pieces.pieceOf[object] as number, isOnFlash && isCurrent ? version : -1);
    });
    this.#committed = isOnFlash ? version : version - 1;
  }

  at(object: number): Tenant {
    const tenant = this.#all[object];
    assert(tenant !== undefined, `object ${object} exists`);
    return tenant;
  }

  get committed(): number {
    return this.#committed;
  }

  /** Everything that a committed version consists of. */
  of(version: number): readonly Tenant[] {
    return this.#all.filter((tenant) => tenant.kind !== 'gradient' && tenant.version === version);
  }

  get dirty(): readonly Tenant[] {
    return this.#all.filter((tenant) => tenant.kind !== 'gradient' && tenant.isDirty && tenant.version > this.#committed);
  }

  commit(version: number): void {
    this.#committed = version;
    for (let i = this.#waiting.length - 1; i >= 0; i--) if ((this.#waiting[i]?.version ?? 0) <= version) this.#waiting.splice(i, 1)[0]?.resolve();
  }

  whenCommitted(version: number): Promise<void> {
    return this.#committed >= version ? Promise.resolve() : new Promise((resolve) => this.#waiting.push({ version, resolve }));
  }
}
