/**
 * The step in virtual time: passes in a row without gaps, updates beside them, and what stays exposed between two steps.
 *
 *   … delta, gradient │ gradients up ▸ updates, one behind the other ▸ weights down │ forward …
 *                     0                                             a pass begins when its parameters are there
 *
 * Time 0 is the end of the last step's last pass. All is steady: every step waits like this one. Derivation: docs/timing.md §7. Not here: one pass (demands.ts).
 */
import type { MachineSpec } from '../spec/machine.js';
import type { Work } from '../trace/work.js';
import { InvalidConfig } from '../util/errors.js';
import { spreadLatencyCycles, sumLatencyCycles } from './collectives.js';
import { arithmeticOf } from './cycles.js';
import { costOf, flashShare, type PassCost } from './demands.js';

/** One update: from when MemoryX is at it, against time 0; before it may lie in the step that ends there. */
export interface TimedUpdate {
  readonly layer: number;
  readonly start: number;
  readonly end: number;
}

/** From a place on in the first micro-batch's order, everything is so much later. */
export interface Wait {
  readonly place: number;
  readonly seconds: number;
}

export interface Step {
  /** By number in `Work.passes`. */
  readonly costs: readonly PassCost[];
  /** Executions in one step. */
  readonly times: Float64Array;
  readonly passSeconds: number;
  readonly updates: readonly TimedUpdate[];
  readonly waits: readonly Wait[];
  /** Sum of the waits, and how much of it is latency, whatever updates take. */
  readonly exposedSeconds: number;
  readonly latencySeconds: number;
  /** What MemoryX's memories are busy beyond all that: the step is as long as they are. */
  readonly starvedSeconds: number;
  readonly seconds: number;
  readonly updateBytes: number;
  readonly dramBytes: number;
  readonly flashBytes: number;
}

/** Levels of SwarmX between MemoryX and a wafer. One system still has one node. */
export const depthOf = ({ numCsx, fanIn }: Pick<Work, 'numCsx' | 'fanIn'>): number => {
  let depth = 1;
  while (fanIn ** depth < numCsx) depth++;
  return depth;
};

/** @throws InvalidConfig for work that the machine has no room for */
const checkFits = ({ fanIn, rectangle, sram }: Work, { name, wafer, swarmX }: MachineSpec): void => {
  for (const [side, limit] of [['rows', wafer.rowsMax], ['cols', wafer.colsMax]] as const) {
    if (rectangle[side] > limit) throw new InvalidConfig({ what: `${side} of the work's rectangle`, where: name, value: rectangle[side], limit, hint: 'plan the work for this machine' });
  }
  if (fanIn < 2 || fanIn > swarmX.fanInMax) throw new InvalidConfig({ what: 'down-ports of a SwarmX node', where: name, value: fanIn, limit: `2 to ${swarmX.fanInMax}`, hint: 'plan the work with another fanIn' });
  if (sram.totalBytes > wafer.sramBytesPerTile) throw new InvalidConfig({ what: "SRAM of the work's fullest tile, in bytes", where: name, value: sram.totalBytes, limit: wafer.sramBytesPerTile, hint: 'plan the work for this machine' });
};

/** What is on its way between the wafers and MemoryX: gradients from the last product to the unit, and weights from there to the first product. */
const latencies = (work: Work, machine: MachineSpec): { readonly up: number; readonly down: number } => {
  const { rows, cols } = work.rectangle, cycle = 1 / machine.wafer.clockHz, nodes = depthOf(work) * machine.swarmX.nodeLatencySeconds;
  // The last tile of a row is behind the first by the way of a sum; a gradient then goes up its column.
  const columns = work.kind === 'training' ? sumLatencyCycles(rows, machine) : 0;
  return { up: nodes + (sumLatencyCycles(cols, machine) + columns) * cycle, down: nodes + spreadLatencyCycles(rows, machine) * cycle };
};

/** Updates one behind the other: in the order of their gradients, or, where all wait for the step's verdict, in the order in which they are wanted. */
const timeUpdates = (work: Work, machine: MachineSpec, ends: Float64Array, up: number): { readonly timed: TimedUpdate[]; readonly before: number[]; readonly bytes: number } => {
  const { memoryX } = machine, onFlash = flashShare(work, machine), last = ends.at(-1) ?? 0;
  const updates = work.verdict ? work.updates.toSorted((a, b) => a.before - b.before) : work.updates;
  let free = Number.NEGATIVE_INFINITY, bytes = 0;
  const timed = updates.map(({ layer, readBytes, writeBytes, after }): TimedUpdate => {
    const moved = readBytes + writeBytes, start = Math.max(free, (work.verdict ? 0 : (ends[after] ?? 0) - last) + up);
    free = start + Math.max(moved / memoryX.dramBytesPerSecond, (moved * onFlash) / memoryX.flashBytesPerSecond);
    bytes += moved;
    return { layer, start, end: free };
  });
  return { timed, before: updates.map(({ before }) => Math.max(0, before)), bytes };
};

/** Ends of a micro-batch's passes, the first one beginning at 0. */
const endsOf = (order: Work['microBatches'][number]['order'], seconds: Float64Array): Float64Array => {
  const ends = new Float64Array(order.length);
  let now = 0;
  for (let i = 0; i < order.length; i++) ends[i] = now += seconds[(order[i] as { readonly pass: number }).pass] as number;
  return ends;
};

/** One steady step. @throws InvalidConfig for work that the machine has no room for */
export const stepOf = (work: Work, machine: MachineSpec): Step => {
  checkFits(work, machine);
  const arithmetic = arithmeticOf(work.numbers, machine.core), costs = work.passes.map((pass) => costOf(pass, work, machine, arithmetic));
  const each = Float64Array.from(costs, ({ seconds }) => seconds), times = new Float64Array(costs.length);
  let passSeconds = 0;
  const ends = work.microBatches.map(({ order, times: repeated }) => {
    const ends = endsOf(order, each);
    for (const { pass } of order) times[pass] = (times[pass] as number) + repeated;
    passSeconds += repeated * (ends.at(-1) ?? 0);
    return ends;
  });

  const { up, down } = latencies(work, machine);
  const first = ends[0] ?? new Float64Array(0), { timed, before, bytes: updateBytes } = timeUpdates(work, machine, ends.at(-1) ?? first, up);
  // The next token of a text is known when the last one has come down all the way.
  const wanted = work.kind === 'generation' ? [{ place: 0, ready: up + down }] : timed.map(({ end }, i) => ({ place: before[i] as number, ready: end + down }));
  const waits: Wait[] = [];
  let exposedSeconds = 0;
  for (const { place, ready } of wanted.toSorted((a, b) => a.place - b.place)) {
    const late = ready - ((place === 0 ? 0 : (first[place - 1] ?? 0)) + exposedSeconds);
    if (late <= 0) continue;
    waits.push({ place, seconds: late });
    exposedSeconds += late;
  }

  let dramBytes = updateBytes, flashBytes = updateBytes * flashShare(work, machine);
  costs.forEach(({ traffic }, i) => {
    dramBytes += traffic.dramBytes * (times[i] as number);
    flashBytes += traffic.flashBytes * (times[i] as number);
  });
  const busy = Math.max(dramBytes / machine.memoryX.dramBytesPerSecond, flashBytes / machine.memoryX.flashBytesPerSecond);
  const starvedSeconds = Math.max(0, busy - passSeconds - exposedSeconds);
  return {
    costs, times, passSeconds, updates: timed, waits, exposedSeconds, latencySeconds: Math.min(exposedSeconds, wanted.length === 0 ? 0 : up + down), starvedSeconds,
    seconds: passSeconds + exposedSeconds + starvedSeconds, updateBytes, dramBytes, flashBytes,
  };
};
