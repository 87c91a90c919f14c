/**
 * A store on a simulated disk, lived with: steps are written and committed until a crash, then the store is opened again and must hold what a plain list says.
 *
 *   life: open ▸ check ▸ (write blocks in any order ▸ commit)… ▸ crash at operation n ─kill or power cut─▶ next life
 *
 * Every attempt at a step has contents of its own, told by its state, so that a mixture of two is seen in any word. After a kill, and after a power cut where the disk was asked to sync, the
 * store must hold the last acknowledged step or the one that was being committed. Otherwise damage is allowed, and every byte that is read is still right. Not here: which lives (laws/storage-crashes.test.ts).
 */
import assert from 'node:assert/strict';
import type { FileSystem } from '../../src/storage/file-system.js';
import type { Durability } from '../../src/storage/shard.js';
import { createStore, openStore, type Store } from '../../src/storage/store.js';
import { CorruptFile } from '../../src/util/errors.js';
import { Crash, SimulatedDisk, type Faults } from './simulated-disk.js';

export interface Life {
  /** Operations from the opening to the crash. */
  readonly operations: number;
  readonly ends: 'kill' | 'power';
  readonly durability: Durability;
}

export interface Lives {
  readonly seed: number;
  readonly shards: readonly { readonly blocks: readonly number[]; readonly scratchBytes: number }[];
  readonly firstStep: number;
  readonly lives: readonly Life[];
}

export interface LivesOptions {
  /** On once the store is made. */
  readonly faults?: Faults;
  /** A storage that breaks a rule. */
  readonly wrap?: (fs: FileSystem) => FileSystem;
}

interface Version {
  readonly id: number;
  readonly step: number;
  /** That it survives a power cut. */
  readonly durable: boolean;
}

/** What came about: crashes survived, steps committed, damage found. */
export interface Outcome {
  crashes: number;
  commits: number;
  damage: number;
}

export const identity = '5e'.repeat(32);
const folder = '/run';

const isZero = (version: number, shard: number, block: number): boolean => (version * 7 + shard * 3 + block) % 5 === 0;
const contents = (version: number, shard: number, block: number, bytes: number): Uint8Array => {
  const words = new Uint32Array(bytes / 4);
  if (!isZero(version, shard, block)) for (let i = 0; i < words.length; i++) words[i] = Math.imul(version + 1, 0x9e3779b1) ^ Math.imul(i + 1, 0x85ebca6b) ^ (shard << 20) ^ (block << 8);
  return new Uint8Array(words.buffer);
};
const stateOf = ({ id, step }: Version, shard: number): string => JSON.stringify({ version: id, step, shard, pad: 'x'.repeat((id * 131) % 900) });

class Player {
  readonly outcome: Outcome = { crashes: 0, commits: 0, damage: 0 };
  readonly #disk: SimulatedDisk;
  readonly #plan: Lives;
  readonly #lies: boolean;
  #acknowledged: Version | null = null;
  #committing: Version | null = null;
  #versions = 0;
  /** Power was lost since the store was last found whole, which makes what was found durable. */
  #powerLost = false;

  constructor(plan: Lives, disk: SimulatedDisk, lies: boolean) {
    this.#plan = plan;
    this.#disk = disk;
    this.#lies = lies;
  }

  /** Whether a block is that of a version. Anything else than the right bytes, or an error that says which block is wrong, fails. */
  #isRight(store: Store, step: number, version: number, shard: number, block: number): boolean {
    const own = store.shards[shard];
    assert.ok(own !== undefined);
    const bytes = new Uint8Array(own.plan.blocks[block] ?? 0);
    try {
      own.read(step, block, bytes);
    } catch (error) {
      if (!(error instanceof CorruptFile)) throw error;
      assert.ok(error.message.includes(own.path) && error.message.includes(`block ${block} of step ${step} `), error.message);
      return false;
    }
    assert.deepEqual(bytes, contents(version, shard, block, bytes.length), `step ${step}, shard ${shard}, block ${block}`);
    return true;
  }

  /** The version of a step if every block of it is right, null where damage was found. */
  #whole(store: Store, step: number): number | null {
    const states = store.states(step).map((text) => JSON.parse(text) as { readonly version: number; readonly step: number; readonly shard: number });
    const version = states[0]?.version ?? -1;
    states.forEach((state, shard) => assert.deepEqual([state.step, state.shard, state.version], [step, shard, version]));
    const right = this.#plan.shards.map(({ blocks }, shard) => blocks.map((_, block) => this.#isRight(store, step, version, shard, block)));
    return right.flat().every(Boolean) ? version : null;
  }

  /** Checks what a new life finds, and begins from it. False if the store is lost. */
  #find(store: Store): boolean {
    const candidates = [this.#acknowledged, this.#committing], steps = store.committedSteps();
    const survives = (version: Version | null): boolean => version === null || !this.#powerLost || version.durable;
    const certain = !this.#lies && candidates.every(survives);
    const newest = steps[0], version = newest === undefined ? null : this.#whole(store, newest);
    const found = version === null ? null : { id: version, step: newest as number, durable: true };
    if (certain) {
      assert.ok(candidates.some((one) => (one?.id ?? null) === version), `found version ${version} of step ${newest}, acknowledged ${this.#acknowledged?.id}, committing ${this.#committing?.id}`);
      assert.ok((newest === undefined) === (version === null), 'a step that should be whole is damaged');
    } else if (newest !== undefined && version === null) {
      this.outcome.damage++;
      const before = steps[1], older = before === undefined ? null : this.#whole(store, before);
      // What was made to survive is there, behind the damaged step.
      if (!this.#lies && this.#acknowledged !== null && survives(this.#acknowledged)) assert.equal(older, this.#acknowledged.id);
      if (older === null) return false;
      store.goBack();
      this.#acknowledged = { id: older, step: before as number, durable: true };
      this.#committing = null;
      return true;
    }
    this.#acknowledged = found;
    this.#committing = null;
    return true;
  }

  #write(store: Store, version: Version, shard: number, block: number): void {
    const own = store.shards[shard], draw = (limit: number): number => this.#disk.draw(limit);
    assert.ok(own !== undefined);
    const bytes = contents(version.id, shard, block, own.plan.blocks[block] ?? 0);
    if (draw(6) === 0) own.write(version.step, block, new Uint8Array(bytes.length).fill(0xee));
    if (isZero(version.id, shard, block) && draw(3) > 0) own.writeZeros(version.step, block);
    else own.write(version.step, block, bytes);
    if (own.plan.scratchBytes > 0 && draw(3) === 0) {
      const there = contents(version.id, 9, block, 4 * (1 + draw(own.plan.scratchBytes / 4))), back = new Uint8Array(there.length);
      own.writeScratch(0, there);
      own.readScratch(0, back);
      assert.deepEqual(back, there);
    }
  }

  /** Steps until the crash. False if damage made an end. */
  #live(fs: FileSystem, { durability }: Life): boolean {
    const store = openStore(fs, folder, { mode: 'write', expect: { identity } });
    if (!this.#find(store)) return false;
    this.#powerLost = false;
    for (;;) {
      const before: Version | null = this.#acknowledged;
      const version: Version = { id: this.#versions++, step: before === null ? this.#plan.firstStep : before.step + 1, durable: durability === 'power' };
      const left = this.#plan.shards.flatMap(({ blocks }, shard) => blocks.map((_, block) => [shard, block] as const));
      while (left.length > 0) {
        const [shard, block] = left.splice(this.#disk.draw(left.length), 1)[0] as readonly [number, number];
        if (before !== null && this.#disk.draw(3) === 0 && !this.#isRight(store, before.step, before.id, shard, block)) {
          assert.ok(this.#lies, 'a block of this life is damaged');
          this.outcome.damage++;
          return false;
        }
        this.#write(store, version, shard, block);
      }
      this.#committing = version;
      store.commit(version.step, this.#plan.shards.map((_, shard) => stateOf(version, shard)), durability);
      this.#acknowledged = version;
      this.#committing = null;
      this.outcome.commits++;
    }
  }

  play(wrap: (fs: FileSystem) => FileSystem): void {
    let fs = this.#disk.start();
    for (const life of this.#plan.lives) {
      this.#disk.crashAt = this.#disk.operations + life.operations;
      try {
        if (!this.#live(wrap(fs), life)) return;
      } catch (error) {
        if (error instanceof CorruptFile && (this.#lies || (this.#powerLost && ![this.#acknowledged, this.#committing].every((version) => version?.durable ?? true)))) {
          this.outcome.damage++;
          return;
        }
        if (!(error instanceof Crash)) throw error;
      }
      this.outcome.crashes++;
      this.#disk.crashAt = Infinity;
      this.#powerLost ||= life.ends === 'power';
      fs = life.ends === 'power' ? this.#disk.cutPower() : this.#disk.kill();
    }
  }
}

/** Fails where the store holds anything but what it must. */
export const live = (plan: Lives, { faults = {}, wrap = (fs) => fs }: LivesOptions = {}): Outcome => {
  const disk = new SimulatedDisk(plan.seed);
  createStore(disk.start(), folder, { identity, shards: plan.shards });
  disk.faults = faults;
  const player = new Player(plan, disk, faults.lyingSyncs !== undefined || faults.lyingWrites !== undefined);
  player.play(wrap);
  return player.outcome;
};
