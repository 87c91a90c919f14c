/** Stored positions of a mask, for tests. */
export const storedOf = (mask: Uint8Array): number => mask.reduce((sum, stored) => sum + stored, 0);
