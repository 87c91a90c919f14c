/**
 * Two memories of the same bytes: the kernel works on one, its twin on the other, and afterwards every byte must be the same.
 *
 * Comparing whole memories finds writes that no result shows. Not here: shapes and calls (the tests).
 */
import assert from 'node:assert/strict';
import { createKernels, type KernelPlan } from '../../../src/kernels/load.js';
import { createTwin } from '../../../src/kernels/twin/twin.js';
import type { Kernels } from '../../../src/kernels/types.js';
import { buildModule, packWidthOf, type Width } from '../../../src/kernels/wasm/module.js';

const pages = 64;
/** The first bytes stay empty, so that a wrong address of 0 shows. */
const firstAddress = 1024;

export const planOf = (width: Width): KernelPlan => ({ name: width === '128' ? 'simd128' : 'simd256', packWidth: packWidthOf(width), module: new WebAssembly.Module(buildModule({ width })) });

/** Values that arithmetic treats apart. */
const specials = [NaN, Infinity, -Infinity, 0, -0, 2 ** -149, -(2 ** -140), 2 ** -126, 3e38, -3.2e38, 1, -1, 0.625, 88.7, -87.5, -103.9];

/** A small generator (mulberry32): unsigned 32-bit words. */
export const wordsFrom = (seed: number) => {
  let state = seed | 0;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
};

const newMemory = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const sameBits = (a: number, b: number, floatA: number, floatB: number): boolean => a === b || (Number.isNaN(floatA) && Number.isNaN(floatB));

export class Arena {
  readonly kernels: Kernels;
  readonly twin: Kernels;
  readonly #floats: readonly [Float32Array, Float32Array];
  readonly #words: readonly [Int32Array, Int32Array];
  #next = firstAddress;
  #word = wordsFrom(0);
  #spice = 0;

  constructor(plan: KernelPlan) {
    const [a, b] = [newMemory(), newMemory()];
    this.kernels = createKernels(plan, a);
    this.twin = createTwin(b, plan.packWidth);
    this.#floats = [new Float32Array(a.buffer), new Float32Array(b.buffer)];
    this.#words = [new Int32Array(a.buffer), new Int32Array(b.buffer)];
  }

  /** Forgets all blocks; new data come from `seed`, one value in `spice` is special (0: none). */
  reset(seed: number, spice: number): void {
    for (const words of this.#words) words.fill(0, 0, (this.#next >> 2) + 16);
    this.#next = firstAddress;
    this.#word = wordsFrom(seed);
    this.#spice = spice;
  }

  #reserve(words: number): number {
    const address = this.#next;
    this.#next += Math.ceil(words / 4) * 16;
    assert.ok(this.#next < pages * 65_536, 'the arena is large enough');
    return address;
  }

  /** A block of drawn floats in −scale … scale. */
  floats(count: number, scale = 2): number {
    const address = this.#reserve(count);
    for (let i = 0; i < count; i++) {
      const word = this.#word();
      const special = this.#spice !== 0 && word % this.#spice === 0;
      const value = special ? specials[this.#word() % specials.length]! : (word / 2 ** 31 - 1) * scale;
      for (const floats of this.#floats) floats[(address >> 2) + i] = value;
    }
    return address;
  }

  /** A block of given floats. */
  given(values: ArrayLike<number>): number {
    const address = this.#reserve(values.length);
    for (const floats of this.#floats) floats.set(values, address >> 2);
    return address;
  }

  /** A block of given words. */
  words(values: ArrayLike<number>): number {
    const address = this.#reserve(values.length);
    for (const words of this.#words) words.set(values, address >> 2);
    return address;
  }

  /** A block of given half words. */
  halves(values: readonly number[]): number {
    return this.words(new Int32Array(Uint16Array.from([...values, ...(values.length % 2 === 1 ? [0] : [])]).buffer));
  }

  /** A drawn number from 0 to 1. */
  chance(): number {
    return this.#word() / 2 ** 32;
  }

  /** A block of drawn words from `min` to `max`. */
  integers(count: number, min: number, max: number): number {
    const address = this.#reserve(count);
    for (let i = 0; i < count; i++) {
      const value = min + (this.#word() % (max - min + 1));
      for (const words of this.#words) words[(address >> 2) + i] = value;
    }
    return address;
  }

  /** Makes both sides do the same; `scratch` (address, floats) may differ afterwards. */
  both(run: (k: Kernels) => number | void, what: string, scratch?: readonly [number, number]): void {
    assert.deepEqual(run(this.kernels), run(this.twin), `${what}: results`);
    if (scratch !== undefined) for (const floats of this.#floats) floats.fill(0, scratch[0] >> 2, (scratch[0] >> 2) + scratch[1]);
    this.assertSame(what);
  }

  assertSame(what: string): void {
    const [a, b] = this.#words, [x, y] = this.#floats;
    for (let i = 0; i < (this.#next >> 2) + 64; i++) {
      if (!sameBits(a[i]!, b[i]!, x[i]!, y[i]!)) assert.fail(`${what}: byte ${i * 4}: kernel ${x[i]} (${a[i]}), twin ${y[i]} (${b[i]})`);
    }
  }

  /** Two blocks hold the same bits. */
  assertEqual(address: number, other: number, count: number, what: string): void {
    const [words] = this.#words, [floats] = this.#floats;
    for (let i = 0; i < count; i++) {
      const [a, b] = [(address >> 2) + i, (other >> 2) + i];
      assert.ok(sameBits(words[a]!, words[b]!, floats[a]!, floats[b]!), `${what}: float ${i}: ${floats[a]} and ${floats[b]}`);
    }
  }

  /** The kernel side's floats. */
  read(address: number, count: number): Float32Array {
    return this.#floats[0].slice(address >> 2, (address >> 2) + count);
  }

  /** The twin side's floats. */
  readTwin(address: number, count: number): Float32Array {
    return this.#floats[1].slice(address >> 2, (address >> 2) + count);
  }

  /** Sets one float on both sides. */
  write(address: number, value: number): void {
    for (const floats of this.#floats) floats[address >> 2] = value;
  }
}
