/**
 * How twins see the memory: floats, words and half words by byte address. Not here: arithmetic.
 */
export interface View {
  readonly floats: Float32Array;
  readonly words: Int32Array;
  readonly halves: Uint16Array;
}

export const viewOf = (memory: WebAssembly.Memory): View => ({ floats: new Float32Array(memory.buffer), words: new Int32Array(memory.buffer), halves: new Uint16Array(memory.buffer) });

/** The index of the float or word at a byte address; addresses may arrive as signed 32-bit numbers. */
export const at = (address: number): number => address >>> 2;

/** The index of the half word at a byte address. */
export const halfAt = (address: number): number => address >>> 1;
