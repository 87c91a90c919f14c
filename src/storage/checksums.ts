/**
 * What the threads that have one shard open know together: of every block in both slots, which step wrote it and its checksum; which steps are committed.
 *
 *   lane 0 ─ write(7, block 0) ─┐                       ┌─ step that wrote it, 0 while it is being written
 *   lane 1 ─ write(7, block 1) ─┼─▶ a SharedArrayBuffer ┤  checksum
 *   lane 0 ─ commit(7) ─────────┘                       └─ committed steps, the acknowledged one
 *
 * Steps stand as step + 1, so that fresh memory says "none". Not here: the file (shard.ts).
 */
import { EmulatorBug, InvalidConfig, assert } from '../util/errors.js';
import { ceilDiv } from '../util/units.js';
import { pageBytes } from './file-system.js';
import type { ShardPlan } from './layout.js';

const headWords = 16;
/** Of `head`: where loading stands. */
const [fresh, loading, loaded] = [0, 1, 2];

const bytesOf = (blocks: number, pages: number): number => headWords * 8 + 2 * blocks * 12 + pages * 8;
const pagesOf = (plan: ShardPlan): number => ceilDiv(plan.scratchBytes, pageBytes);

/** Memory for the checksums of a shard: threads that open the same shard are given the same. */
export const shardChecksums = (plan: ShardPlan): SharedArrayBuffer => new SharedArrayBuffer(bytesOf(plan.blocks.length, pagesOf(plan)));

export class Checksums {
  readonly #blocks: number;
  readonly #state: Int32Array;
  /** committed in slot 0, in slot 1, acknowledged, begun before anything was committed. */
  readonly #steps: BigInt64Array;
  readonly #writtenBy: BigInt64Array;
  readonly #crcs: Int32Array;
  readonly #scratch: Int32Array;

  constructor(memory: SharedArrayBuffer, plan: ShardPlan, where: string) {
    const blocks = plan.blocks.length, pages = pagesOf(plan), need = bytesOf(blocks, pages);
    if (memory.byteLength !== need) throw new InvalidConfig({ what: 'bytes of the memory for checksums', where, value: memory.byteLength, limit: need, hint: 'make it with shardChecksums and the plan of this shard' });
    this.#blocks = blocks;
    this.#state = new Int32Array(memory, 0, 2);
    this.#steps = new BigInt64Array(memory, 8, 4);
    this.#writtenBy = new BigInt64Array(memory, headWords * 8, 2 * blocks);
    this.#crcs = new Int32Array(memory, headWords * 8 + 2 * blocks * 8, 2 * blocks);
    this.#scratch = new Int32Array(memory, headWords * 8 + 2 * blocks * 12, 2 * pages);
  }

  /** Runs `load` in the first thread that comes; the others wait for it. */
  loadOnce(load: () => void): void {
    for (;;) {
      const was = Atomics.compareExchange(this.#state, 0, fresh, loading);
      if (was === loaded) return;
      if (was === fresh) break;
      Atomics.wait(this.#state, 0, loading);
    }
    let done = false;
    try {
      load();
      done = true;
    } finally {
      Atomics.store(this.#state, 0, done ? loaded : fresh);
      Atomics.notify(this.#state, 0);
    }
  }

  /** The step that a slot holds whole, −1 if none. */
  committed(slot: number): number {
    return Number(Atomics.load(this.#steps, slot)) - 1;
  }

  get newest(): number {
    return Math.max(this.committed(0), this.committed(1));
  }

  setCommitted(slot: number, step: number): void {
    Atomics.store(this.#steps, slot, BigInt(step + 1));
  }

  /** The newest step that all shards are known to have committed. */
  get acknowledged(): number {
    return Number(Atomics.load(this.#steps, 2)) - 1;
  }

  setAcknowledged(step: number): void {
    Atomics.store(this.#steps, 2, BigInt(step + 1));
  }

  /** Allows writes of `step`: the one behind the newest, or any first one. @throws EmulatorBug where a write would damage what recovery needs. */
  begin(step: number): void {
    assert(Number.isSafeInteger(step) && step >= 0, `step ${step} is a whole number`);
    const { newest } = this;
    if (newest === -1) {
      const begun = Number(Atomics.compareExchange(this.#steps, 3, 0n, BigInt(step + 1))) - 1;
      assert(begun === -1 || begun === step, `step ${step} is not written before step ${begun}, the first, is committed`);
      return;
    }
    assert(step === newest + 1, `step ${step} is not written while step ${newest} is the newest that is committed`);
    assert(this.acknowledged >= newest, `step ${step} is not written before step ${newest} is acknowledged: its predecessor may still be needed`);
    // The older step is whole no longer.
    Atomics.store(this.#steps, step % 2, 0n);
  }

  /** A slot holds no committed step any more; what was written stays readable. */
  drop(slot: number): void {
    Atomics.store(this.#steps, slot, 0n);
  }

  /** Lets a step go: nothing of it may be read any more. */
  forget(step: number): void {
    const slot = step % 2;
    Atomics.store(this.#steps, slot, 0n);
    Atomics.store(this.#steps, 3, 0n);
    for (let b = 0; b < this.#blocks; b++) this.erase(slot, b);
  }

  erase(slot: number, block: number): void {
    Atomics.store(this.#writtenBy, slot * this.#blocks + block, 0n);
  }

  set(step: number, block: number, crc: number): void {
    const at = (step % 2) * this.#blocks + block;
    Atomics.store(this.#crcs, at, crc | 0);
    Atomics.store(this.#writtenBy, at, BigInt(step + 1));
  }

  /** The checksum of a block of a step, null if the slot does not hold it. */
  get(step: number, block: number): number | null {
    const at = (step % 2) * this.#blocks + block;
    return Atomics.load(this.#writtenBy, at) === BigInt(step + 1) ? Atomics.load(this.#crcs, at) >>> 0 : null;
  }

  /** All checksums of a step. @throws EmulatorBug if a block was not written. */
  all(step: number): Uint32Array {
    return Uint32Array.from({ length: this.#blocks }, (_, b) => {
      const crc = this.get(step, b);
      if (crc === null) throw new EmulatorBug({ what: `block ${b} of step ${step} was not written before the commit` });
      return crc;
    });
  }

  /** Of `bytes` that were written to scratch from a page on; a read asks for the same run. */
  setScratch(page: number, bytes: number, crc: number): void {
    Atomics.store(this.#scratch, 2 * page + 1, crc | 0);
    Atomics.store(this.#scratch, 2 * page, bytes);
    for (let p = page + 1; p * pageBytes < page * pageBytes + bytes; p++) Atomics.store(this.#scratch, 2 * p, 0);
  }

  getScratch(page: number, bytes: number): number | null {
    return Atomics.load(this.#scratch, 2 * page) === (bytes | 0) ? Atomics.load(this.#scratch, 2 * page + 1) >>> 0 : null;
  }
}
