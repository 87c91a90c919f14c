/**
 * Numbers that every side of a benchmark makes for itself, in any language: a multiplicative hash of the index. Nothing is sent between processes.
 *
 * Not here: the emulator's own random numbers (src/util/prng.ts).
 */

/** value(i) = f32(((((i + salt) · 2654435761) mod 2³²) >>> 8) / 2²⁴ − 0.5) · scale), in [−scale/2, scale/2). */
export const valueAt = (i: number, salt: number, scale: number): number => ((Math.imul(i + salt, 2654435761) >>> 8) / 16_777_216 - 0.5) * scale;

export const fill = (out: Float32Array, salt: number, scale: number): Float32Array => {
  for (let i = 0; i < out.length; i++) out[i] = valueAt(i, salt, scale);
  return out;
};

export const made = (length: number, salt: number, scale: number): Float32Array => fill(new Float32Array(length), salt, scale);

/** As valueAt, of an index that is mixed well: for weights of deep networks, whose rows must not look alike. */
export const mixedAt = (i: number, salt: number, scale: number): number => {
  let h = (i + Math.imul(salt, 0x9e3779b9)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (((h ^ (h >>> 16)) >>> 8) / 16_777_216 - 0.5) * scale;
};

export const mixed = (length: number, salt: number, scale: number): Float32Array => {
  const out = new Float32Array(length);
  for (let i = 0; i < length; i++) out[i] = mixedAt(i, salt, scale);
  return out;
};
