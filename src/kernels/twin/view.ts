/**
 * How twins see the memory: floats and words by byte address. Not here: arithmetic.
 */
export interface View {
  readonly floats: Float32Array;
  readonly words: Int32Array;
}

export const viewOf = (memory: WebAssembly.Memory): View => ({ floats: new Float32Array(memory.buffer), words: new Int32Array(memory.buffer) });

/** The index of the float or word at a byte address; addresses may arrive as signed 32-bit numbers. */
export const at = (address: number): number => address >>> 2;
