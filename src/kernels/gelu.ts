/**
 * The constants of gelu (docs/numerics.md §3), for the kernels and their twins. Not here: tanh (functions.ts).
 */
const f = Math.fround;

export const geluConstants = {
  /** f32(√(2/π)) */
  c: f(0.797_884_560_802_865_4),
  a: f(0.044_715),
  /** f32(3 · 0.044715) */
  a3: f(0.134_145),
} as const;
