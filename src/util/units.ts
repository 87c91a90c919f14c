/** Units, last in every name: `sramBytesPerTile: 48 * KiB`. Not here: any hardware number (spec/). */

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

/** Ceiling of a / b for non-negative integers below 2^53. */
export const ceilDiv = (a: number, b: number): number => Math.floor((a + b - 1) / b);

/** The smallest multiple of `step` that is not below `n`. */
export const roundUp = (n: number, step: number): number => ceilDiv(n, step) * step;

/** Bytes as a short human figure: 1.5 MiB. */
export const formatBytes = (bytes: number): string =>
  bytes >= TiB ? `${(bytes / TiB).toFixed(1)} TiB` : bytes >= GiB ? `${(bytes / GiB).toFixed(1)} GiB` : bytes >= MiB ? `${(bytes / MiB).toFixed(1)} MiB` : bytes >= KiB ? `${(bytes / KiB).toFixed(1)} KiB` : `${bytes} B`;
