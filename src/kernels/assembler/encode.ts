/**
 * Bytes of the WebAssembly binary format: numbers, strings, vectors and sections.
 *
 *   values ─encode─▶ number[]                used by expressions.ts and module.ts
 *
 * Not here: what an instruction is called (expressions.ts), what a module holds (module.ts).
 */

export type Bytes = readonly number[];

/** Unsigned LEB128. */
export const unsigned = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
};

/** Signed LEB128 of a 32-bit integer. */
export const signed = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
};

/** The four bytes of an f32, little-endian. */
export const float32 = (value: number): number[] => [...new Uint8Array(new Float32Array([value]).buffer)];

/** The eight bytes of an f64, little-endian. */
export const float64 = (value: number): number[] => [...new Uint8Array(new Float64Array([value]).buffer)];

/** The four bytes of an i32, little-endian. */
export const int32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];

/** One after another. A loop, because spreads and flat() of long lists cost more than everything else here. */
export const join = (...parts: readonly Bytes[]): number[] => {
  const all: number[] = [];
  for (const part of parts) for (const byte of part) all.push(byte);
  return all;
};

/** A name: its length and its UTF-8 bytes. */
export const text = (value: string): number[] => sized([...new TextEncoder().encode(value)]);

/** A vector: how many, then each. */
export const vector = (items: readonly Bytes[]): number[] => join(unsigned(items.length), ...items);

/** A section or a function body: its size, then its bytes. */
export const sized = (bytes: Bytes): number[] => join(unsigned(bytes.length), bytes);

export const section = (id: number, bytes: Bytes): number[] => join([id], sized(bytes));
