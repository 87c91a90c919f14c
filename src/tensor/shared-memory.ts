/**
 * Shared memories: one WebAssembly.Memory, an allocator of aligned regions in it, and views on them.
 *
 * A memory's buffer is the SharedArrayBuffer that tiles, streams and MemoryX live in; blocks travel as addresses.
 * Not here: what lies where (cluster/wafer/arena.ts, cluster/memoryx/layout.ts).
 */
import { DoesNotFit } from '../util/errors.js';
import { GiB, KiB, ceilDiv, roundUp } from '../util/units.js';

const pageBytes = 64 * KiB;
/** A 32-bit WebAssembly memory ends here, less one page so that every address is a valid int32 offset. */
export const memoryBytesMax = 4 * GiB - pageBytes;
/** Regions start on cache lines, so that no two actors share one. */
const regionAlign = 64;

/** Hands out regions of a memory that is not made yet; the plan's size then makes it. */
export class MemoryPlan {
  readonly name: string;
  #bytes: number;
  /** `first`: where the first region may begin; address 0 is no region's. */
  constructor(name: string, first = 1024) {
    this.name = name;
    this.#bytes = first;
  }

  /** Bytes planned so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The address of a new region. @throws DoesNotFit beyond 4 GiB */
  reserve(bytes: number): number {
    const address = this.#bytes;
    this.#bytes = roundUp(address + bytes, regionAlign);
    if (this.#bytes > memoryBytesMax) {
      throw new DoesNotFit({ what: `the host memory of ${this.name}`, needBytes: this.#bytes, haveBytes: memoryBytesMax, hint: 'use a smaller microBatchSize, fewer systems or a smaller model' });
    }
    return address;
  }

  /** Makes the memory: zero pages, given by the host when they are first touched. */
  create(): WebAssembly.Memory {
    const pages = Math.max(1, ceilDiv(this.#bytes, pageBytes));
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (cause) {
      throw new DoesNotFit({ what: `the host memory of ${this.name}`, needBytes: this.#bytes, haveBytes: 0, hint: 'close other programs or use a smaller model' }, { cause });
    }
  }
}

/** A float view; `address` in bytes, `length` in floats. */
export const floats = (memory: WebAssembly.Memory, address: number, length: number): Float32Array => new Float32Array(memory.buffer, address, length);
export const words = (memory: WebAssembly.Memory, address: number, length: number): Int32Array => new Int32Array(memory.buffer, address, length);
export const halves = (memory: WebAssembly.Memory, address: number, length: number): Uint16Array => new Uint16Array(memory.buffer, address, length);
export const bytesOf = (memory: WebAssembly.Memory, address: number, length: number): Uint8Array => new Uint8Array(memory.buffer, address, length);
