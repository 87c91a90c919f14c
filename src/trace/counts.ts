/**
 * Action counts: what devices did, as sums in shared memory; one array of f64 a device.
 *
 * Counts are the emulated machine's (positions × tokens), whichever host kernel did the work and however tiles were swept.
 * Devices add to them once a turn. Not here: cycles, seconds, joules (they are priced from a finished record).
 */

/** Every action that is counted; the order is the layout. */
export const actions = [
  /** multiply-adds of the three products */
  'macs',
  /** additions of biases and of their gradients */
  'biasAdds',
  /** elements of activations, their derivatives, and softmax */
  'elementwise',
  /** 32-bit words read from and written to tiles' SRAM */
  'sramReadWords',
  'sramWriteWords',
  /** wavelets entering a tile, by the direction in which they travel */
  'waveletsEast',
  'waveletsSouth',
  'waveletsNorth',
  'tasks',
  /** bytes over the wafer's edge */
  'ioInBytes',
  'ioOutBytes',
  /** bytes over one SwarmX link and direction; counted by the node at the link's upper end */
  'linkDownBytes',
  'linkUpBytes',
  /** additions done by SwarmX nodes, in elements */
  'reduceAdds',
  /** elements of gradient nodes beyond one a wafer and block, and their merging */
  'contractOverhead',
  /** MemoryX: bytes sent and received, elements updated, table rows gathered */
  'weightBytesOut',
  'gradientBytesIn',
  'optimizerElements',
  'gatheredRows',
] as const;

export type Action = (typeof actions)[number];
export type Counts = Record<Action, number>;

/** Index of each action in a counter array. */
export const at = Object.fromEntries(actions.map((action, i) => [action, i])) as Record<Action, number>;

export const countersBytes = actions.length * Float64Array.BYTES_PER_ELEMENT;

/** A counter array over shared memory. */
export const counters = (buffer: SharedArrayBuffer, device: number): Float64Array => new Float64Array(buffer, device * countersBytes, actions.length);

/** Adds `amount` to one action. */
export const count = (to: Float64Array, action: Action, amount: number): void => {
  const i = at[action];
  to[i] = (to[i] ?? 0) + amount;
};

/** The counts as plain data. */
export const readCounts = (from: Float64Array): Counts => Object.fromEntries(actions.map((action, i) => [action, from[i] ?? 0])) as Counts;
