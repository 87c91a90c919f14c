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
