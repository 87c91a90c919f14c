/**
 * The constants of gelu in both forms (docs/numerics.md §3), for the kernels and their twins. Not here: tanh and erf (functions.ts).
 */
const f = Math.fround;

export const geluConstants = {
  /** f32(√(2/π)) */
  c: f(0.797_884_560_802_865_4),
  a: f(0.044_715),
  /** f32(3 · 0.044715) */
  a3: f(0.134_145),
  /** f32(√½), for the erf form. */
  rootHalf: f(0.707_106_781_186_547_5),
  /** f32(1/√2π): the density of the normal distribution at 0. */
  density: f(0.398_942_280_401_432_7),
} as const;
