/** What storage-child.ts puts into each block and state of a step, for whoever reads it back. Not here: any file. */

export const childBlock = (step: number, shard: number, block: number, bytes: number): Uint8Array =>
  new Uint8Array(Uint32Array.from({ length: bytes / 4 }, (_, i) => Math.imul(step + 1, 0x9e3779b1) ^ Math.imul(i + 1, 0x85ebca6b) ^ (shard << 16) ^ block).buffer);

export const childState = (step: number, shard: number): string => JSON.stringify({ step, shard });
