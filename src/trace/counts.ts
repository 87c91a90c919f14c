/**
 * Action counts: what devices did, as sums in shared memory; an array of f64 for each device and step.
 *
 * Counts are the emulated machine's (positions × tokens), whichever host kernel did the work and however tiles were swept.
 * Devices add to them once a turn. Not here: cycles, seconds, joules (they are priced from a finished record).
 */

/** Every action that is counted; the order is the layout. */
export const actions = [
  /** multiply-adds of the three products */
  'macs',
  /** multiply-adds that dense weights would have had besides: at positions that a mask does not store */
  'macsSkipped',
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

/**
 * A device's two counter arrays over shared memory, by the parity of the step: two steps overlap, and each is settled on its own when it is
 * acknowledged or given up.
 */
export const counters = (buffer: SharedArrayBuffer, device: number): ((step: number) => Float64Array) => {
  const [even, odd] = [0, 1].map((parity) => new Float64Array(buffer, (parity * (buffer.byteLength / 2)) + device * countersBytes, actions.length)) as [Float64Array, Float64Array];
  return (step) => (step % 2 === 0 ? even : odd);
};

/** Shared memory for the counters of `devices`. */
export const makeCounters = (devices: number): SharedArrayBuffer => new SharedArrayBuffer(2 * devices * countersBytes);

/** All devices' counters of a step, one behind the other. */
export const stepCounters = (buffer: SharedArrayBuffer, step: number): Float64Array => new Float64Array(buffer, (step % 2) * (buffer.byteLength / 2), buffer.byteLength / 2 / 8);

/** Adds `amount` to one action. */
export const count = (to: Float64Array, action: Action, amount: number): void => {
  const i = at[action];
  to[i] = (to[i] ?? 0) + amount;
};

/** The counts as plain data. */
export const readCounts = (from: Float64Array): Counts => Object.fromEntries(actions.map((action, i) => [action, from[i] ?? 0])) as Counts;
